"""The protocol as a client sees it: every call, every documented error, the whole life of keys.
Every reply is held against sdk/openapi.yaml."""

import base64
import datetime
import hashlib
import json
import os
import re
import signal
import threading
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast_testing import openapi
from holdfast_testing.client import Client, Raw
from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.processes import wait_until
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.sigv4 import get, wrong
from holdfast_testing.users import ALICE, MALLORY, as_user

SECRET = "a-secret-of-the-protocol-tests"
DIGEST = hashlib.sha256(b"said").digest()

GRANTS = f"""
[[grant]]
name = "slow"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "s3", path = "/slow/**" }}
limits = {{ rate = "1/m", burst = 2 }}

[[grant]]
name = "on-time"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "s3", path = "/now/**" }}
limits = {{ max_skew = "5m" }}
"""


class Checked(Client):
    """Fails on a reply that openapi.yaml does not describe."""

    def request(self, method, path, body=None, headers=None):
        reply = super().request(method, path, body, headers)
        assert re.fullmatch(r"[A-Za-z0-9._-]{8,64}", reply.request_id or ""), reply.headers
        assert openapi.fault(method, path, reply) == ""
        return reply


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, everything() + GRANTS) as running:
        running.import_aws("aws", "AKIAPROTOCOL", SECRET)
        running.create_key("digests")
        yield running


@pytest.fixture
def client(daemon):
    with Checked(daemon.socket) as connection:
        yield connection


@pytest.fixture
def admin(daemon):
    with Checked(daemon.admin_socket) as connection:
        yield connection


def digest_request(key, **more):
    return {"key": key, "algorithm": "ES256", "digest": base64.b64encode(DIGEST).decode(), "encoding": "der", **more}


def signed_with(pem, reply, encoding="der"):
    """Does plain OpenSSL take the signature?"""
    signature = base64.b64decode(reply.json["signature"])
    if encoding == "raw":
        assert len(signature) == 64
        signature = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    load_pem_public_key(pem.encode()).verify(signature, DIGEST, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    return True


# The application socket.


def test_version_names_what_a_newer_sdk_has_to_know(client):
    version = client.get("/v1/version").json
    assert version["api"] == 1 and {"sigv4", "digest"} <= set(version["features"])


def test_health_is_ok_and_names_policy_and_devices(client):
    health = client.get("/v1/health").json
    assert health["status"] == "ok" and health["reasons"] == [] and re.fullmatch("[0-9a-f]{64}", health["policy_digest"])
    assert [(d["name"], d["backend"], d["state"], d["software"]) for d in health["devices"]] == [("tpm", "tpm", "ready", True)]


def test_whoami_is_the_caller_as_the_kernel_knows_it(client):
    who = client.get("/v1/whoami").json
    assert (who["pid"], who["uid"], who["gid"]) == (os.getpid(), os.geteuid(), os.getegid())
    assert who["exe"] == os.path.realpath("/proc/self/exe") and "everything" in who["grants"]


def test_whoami_of_others(root, daemon):
    def ask():
        with Checked(daemon.socket) as connection:
            return connection.get("/v1/whoami").json

    assert as_user(ALICE, ask)["grants"] == ["slow", "on-time"]
    assert as_user(MALLORY, ask)["grants"] == []


def test_keys_are_those_of_the_callers_grants(root, daemon, client):
    def names():
        with Checked(daemon.socket) as connection:
            return [key["name"] for key in connection.get("/v1/keys").json["keys"]]

    assert names() == ["aws", "digests"]
    assert as_user(ALICE, names) == ["aws"] and as_user(MALLORY, names) == []
    first = client.get("/v1/keys?limit=1").json
    assert [key["name"] for key in first["keys"]] == ["aws"] and first["next"] == "aws"
    rest = client.get("/v1/keys?limit=1&after=aws").json
    assert [key["name"] for key in rest["keys"]] == ["digests"] and "next" not in rest


def test_key_entry_has_its_public_key(client):
    entry = client.get("/v1/keys/digests").json
    assert (entry["type"], entry["use"], entry["device"], entry["origin"]) == ("ec-p256", "digest", "tpm", "generated")
    version = entry["versions"][0]
    assert version["state"] == "active" and version["public_key_pem"] == entry["public_key_pem"]
    jwk = entry["jwk"]
    numbers = load_pem_public_key(entry["public_key_pem"].encode()).public_numbers()
    decode = lambda text: int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")  # noqa: E731
    assert (jwk["kty"], jwk["crv"], decode(jwk["x"]), decode(jwk["y"])) == ("EC", "P-256", numbers.x, numbers.y)
    # RFC 7638: the thumbprint is the kid.
    text = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True)
    assert version["kid"] == base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    secret = client.get("/v1/keys/aws").json
    assert secret["versions"][0]["kid"] == "AKIAPROTOCOL" and secret["origin"] == "imported"
    assert "public_key_pem" not in secret and SECRET not in json.dumps(secret)


def test_sigv4_reply_has_what_the_request_needs(client):
    reply = client.post("/v1/sign/sigv4", get("aws", headers=[["Range", "bytes=0-9"]]))
    answer = reply.json
    names = [name for name, _ in answer["headers"]]
    assert names == ["Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"]
    assert answer["signed_headers"] == "host;range;x-amz-content-sha256;x-amz-date" and "canonical_request" not in answer
    query = client.post("/v1/sign/sigv4", get("aws", mode="query", expires_in=900)).json
    assert query["headers"] == [] and "X-Amz-Expires=900" in query["url"] and query["audit_seq"] == answer["audit_seq"] + 1


def test_sigv4_session_token_is_signed_and_given_back(client):
    answer = client.post("/v1/sign/sigv4", get("aws", session_token="TOKEN/abc=", explain=True)).json
    assert ["X-Amz-Security-Token", "TOKEN/abc="] in answer["headers"]
    assert "x-amz-security-token:TOKEN/abc=" in answer["canonical_request"] and wrong(answer, SECRET) == ""


@pytest.mark.parametrize("encoding", ["der", "raw"])
def test_digest_signature_verifies(client, encoding):
    pem = client.get("/v1/keys/digests").json["public_key_pem"]
    assert signed_with(pem, client.post("/v1/sign/digest", digest_request("digests", encoding=encoding)), encoding)


def test_content_type_of_a_request_does_not_matter(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        reply = client.request("POST", "/v1/sign/sigv4", get("aws"), {"Content-Type": kind})
        assert reply.status == 200


def test_connection_is_kept(client):
    client.get("/v1/health")
    before = client.connection.sock
    assert before is not None
    for _ in range(5):
        client.get("/v1/health")
    assert client.connection.sock is before


# The admin socket: the life of keys.


def test_life_of_an_asymmetric_key(client, admin):
    created = admin.post("/v1/keys", {"name": "life", "type": "ec-p256", "device": "tpm", "use": "digest"})
    assert created.status == 201 and created.json["name"] == "life"
    sign = lambda: client.post("/v1/sign/digest", digest_request("life"))  # noqa: E731
    states = lambda: [v["state"] for v in admin.get("/v1/keys/life").json["versions"]]  # noqa: E731
    first = admin.get("/v1/keys/life").json["public_key_pem"]
    assert states() == ["active"] and signed_with(first, sign())

    # A new version is published before it signs …
    assert admin.post("/v1/keys/life/versions", {"state": "pending"}).status == 201
    assert states() == ["active", "pending"] and signed_with(first, sign())
    second = admin.get("/v1/keys/life").json["versions"][1]["public_key_pem"]
    # … and the old one after it stopped.
    assert admin.post("/v1/keys/life/versions/2/activate").status == 200
    assert states() == ["verifying", "active"] and signed_with(second, sign())
    assert client.get("/v1/keys/life").json["public_key_pem"] == second

    problem(admin.post("/v1/keys/life/versions/2/retire"), "conflict", 409)
    assert admin.post("/v1/keys/life/versions/1/retire").status == 200
    assert states() == ["retired", "active"]
    problem(admin.post("/v1/keys/life/versions/1/activate"), "conflict", 409)

    # Disabling works at once, for a version and for the key.
    assert admin.post("/v1/keys/life/versions/2/disable").status == 200
    problem(sign(), "not_permitted", 403)
    assert admin.post("/v1/keys/life/versions/2/enable").status == 200
    assert sign().status == 200
    assert admin.post("/v1/keys/life/disable").status == 200
    problem(sign(), "not_permitted", 403)
    assert admin.post("/v1/keys/life/enable").status == 200
    assert signed_with(second, sign())

    assert admin.delete("/v1/keys/life").status in (200, 204)
    problem(admin.get("/v1/keys/life"), "not_found", 404)
    problem(sign(), "not_permitted", 403)


def test_life_of_an_imported_key(client, admin):
    body = {"name": "rotated", "device": "tpm", "use": "sigv4", "access_key_id": "AKIAONE", "secret_access_key": "one" + SECRET}
    assert admin.post("/v1/keys/import", body).status == 201
    sign = lambda: client.post("/v1/sign/sigv4", get("rotated", explain=True)).json  # noqa: E731
    assert wrong(sign(), "one" + SECRET) == ""
    version = {"access_key_id": "AKIATWO", "secret_access_key": "two" + SECRET, "state": "pending"}
    assert admin.post("/v1/keys/rotated/versions", version).status == 201
    assert wrong(sign(), "one" + SECRET) == ""
    assert admin.post("/v1/keys/rotated/versions/2/activate").status == 200
    answer = sign()
    assert wrong(answer, "two" + SECRET) == "" and "Credential=AKIATWO/" in answer["headers"][0][1]
    assert admin.delete("/v1/keys/rotated").status in (200, 204)


def test_conflicts_and_absent_keys(admin):
    body = {"name": "aws", "device": "tpm", "use": "sigv4", "access_key_id": "A", "secret_access_key": "b"}
    problem(admin.post("/v1/keys/import", body), "conflict", 409)
    problem(admin.post("/v1/keys", {"name": "digests", "type": "ec-p256", "device": "tpm", "use": "digest"}), "conflict", 409)
    for call in ("versions/1/activate", "disable", "enable", "versions/1/disable"):
        problem(admin.post(f"/v1/keys/absent/{call}"), "not_found", 404)
    problem(admin.delete("/v1/keys/absent"), "not_found", 404)
    problem(admin.post("/v1/keys/digests/versions/9/activate"), "not_found", 404)
    problem(admin.get("/v1/requests/no-such-request"), "not_found", 404)
    # What stands is untouched.
    assert [v["state"] for v in admin.get("/v1/keys/digests").json["versions"]] == ["active"]


def test_two_creations_at_once_make_one_key(daemon, admin):
    replies = []

    def create():
        with daemon.admin() as connection:
            replies.append(connection.post("/v1/keys", {"name": "race", "type": "ec-p256", "device": "tpm", "use": "digest"}).status)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [201] + [409] * 5
    assert len(admin.get("/v1/keys/race").json["versions"]) == 1
    admin.delete("/v1/keys/race")


def test_type_that_the_device_can_not_make_is_unsupported(admin):
    reply = admin.post("/v1/keys", {"name": "big", "type": "ed25519", "device": "tpm", "use": "jwt"})
    problem(reply, "unsupported", 422)
    reply = admin.post("/v1/keys", {"name": "big", "type": "ec-p256", "device": "no-such-device", "use": "digest"})
    assert reply.code in ("invalid_request", "not_found"), reply


def test_algorithm_of_another_type_is_invalid(client):
    for algorithm, size in (("RS256", 32), ("PS256", 32), ("ES384", 48)):
        body = digest_request("digests", algorithm=algorithm, encoding="raw", digest=base64.b64encode(bytes(size)).decode())
        problem(client.post("/v1/sign/digest", body), "invalid_request", 400)


# Audit and requests.


def test_audit_record_tells_what_was_asked_and_decided(client, admin):
    reply = client.post("/v1/sign/sigv4", get("aws", headers=[["X-Amz-Meta-A", "b"]]))
    seq = reply.json["audit_seq"]
    page = admin.get(f"/v1/audit?after={seq - 1}&limit=1").json
    record = page["records"][0]
    assert page["size"] > seq and page["root"]
    assert (record["seq"], record["code"], record["operation"], record["key"], record["uid"]) == (seq, "ok", "sign.sigv4", "aws", os.geteuid())
    assert record["signature_sha256"] == hashlib.sha256(bytes.fromhex(reply.json["signature"])).hexdigest()
    assert record["policy_digest"] == client.get("/v1/health").json["policy_digest"]
    facts = [tuple(fact) for fact in record["details"]["facts"]]
    assert ("service", "s3") in facts and ("header.x-amz-meta-a", "b") in facts and ("path", "/a") in facts
    when = datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - when).total_seconds()) < 60


def test_request_says_why_it_was_refused(root, daemon, admin):
    def ask():
        with Checked(daemon.socket) as connection:
            return connection.post("/v1/sign/sigv4", get("aws", "https://bucket.example/elsewhere"))

    reply = as_user(ALICE, ask)
    problem(reply, "not_permitted", 403)
    request = admin.get(f"/v1/requests/{reply.request_id}").json
    assert (request["decision"], request["code"], request["key"], request["operation"]) == ("deny", "not_permitted", "aws", "sign.sigv4")
    assert request["caller"]["uid"] == ALICE and request["reason"] and ["path", "/elsewhere"] in request["facts"]
    # The application is told none of the reason.
    assert "slow" not in reply.content.decode() and "elsewhere" not in reply.content.decode()


def test_admin_calls_are_recorded(daemon, admin):
    admin.post("/v1/keys", {"name": "noted", "type": "ec-p256", "device": "tpm", "use": "digest"})
    admin.delete("/v1/keys/noted")
    noted = [(r["operation"], r["code"]) for r in daemon.audit() if r["key"] == "noted"]
    assert noted == [("admin.key.create", "ok"), ("admin.key.delete", "ok")]


# Errors that take more than a wrong request.


def test_limit_exceeded_says_when_to_try_again(root, daemon):
    def ask():
        with Checked(daemon.socket) as connection:
            return [connection.post("/v1/sign/sigv4", get("aws", "https://bucket.example/slow/a")) for _ in range(3)]

    first, second, third = as_user(ALICE, ask)
    assert (first.status, second.status) == (200, 200)
    problem(third, "limit_exceeded", 429)
    assert 1 <= int(third.headers["Retry-After"]) <= 60


def test_time_outside_the_grants_skew_is_refused(root, daemon):
    def ask(seconds):
        def call():
            when = datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)
            with Checked(daemon.socket) as connection:
                return connection.post("/v1/sign/sigv4", get("aws", "https://bucket.example/now/a", time=when.strftime("%Y-%m-%dT%H:%M:%SZ")))

        return as_user(ALICE, call)

    assert ask(0).status == 200 and ask(-290).status == 200 and ask(290).status == 200
    for seconds in (-310, 310, 86400, -86400 * 365):
        problem(ask(seconds), "not_permitted", 403)


def test_device_that_hangs_is_overloaded_then_replaced(daemon, client):
    """The device process is stopped: who asks is told in time, and a new process takes its place."""
    device = daemon.part("device")
    os.kill(device, signal.SIGSTOP)
    try:
        started = time.monotonic()
        reply = client.post("/v1/sign/digest", digest_request("digests"))
        assert reply.code in ("device_unavailable", "overloaded"), reply
        assert reply.status == 503 and int(reply.headers["Retry-After"]) >= 1
        assert time.monotonic() - started < 10
        wait_until(lambda: client.post("/v1/sign/digest", digest_request("digests")).status == 200, 30, "a new device process signs")
        assert daemon.part("device") != device
    finally:
        if os.path.exists(f"/proc/{device}"):
            os.kill(device, signal.SIGCONT)


def test_full_queue_is_overloaded_and_what_waited_is_signed(daemon):
    """One caller may have 128 commands waiting; the device is held for a moment."""
    device = daemon.part("device")
    asked = []
    os.kill(device, signal.SIGSTOP)
    try:
        for number in range(140):
            raw = Raw(daemon.socket)
            asked.append(raw)
            body = json.dumps(digest_request("digests")).encode()
            raw.send(b"POST /v1/sign/digest HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: sum(raw.answered() for raw in asked) >= 5, 4, "the queue's end is told at once")
    finally:
        os.kill(device, signal.SIGCONT)
    replies = [raw.reply("POST") for raw in asked]
    for raw in asked:
        raw.close()
    refused = [reply for reply in replies if reply.status != 200]
    for reply in refused:
        problem(reply, "overloaded", 503)
        assert int(reply.headers["Retry-After"]) >= 1
    assert 5 <= len(refused) <= 12, len(refused)


def test_device_that_is_away_is_unavailable(folder, swtpm):
    with Daemon(os.path.join(folder, "no-tpm"), "swtpm:path=/nonexistent/tpm.sock", everything(), run=False) as daemon:
        daemon.launch()
        wait_until(lambda: os.path.exists(daemon.socket), 20, "the socket is there")
        with Checked(daemon.socket) as client, Checked(daemon.admin_socket) as admin:
            health = wait_until(lambda: (lambda h: h["status"] == "down" and h)(client.get("/v1/health").json), 20, "health says so")
            assert health["reasons"] and health["devices"][0]["state"] != "ready"
            reply = admin.post("/v1/keys", {"name": "k", "type": "ec-p256", "device": "tpm", "use": "digest"})
            problem(reply, "device_unavailable", 503)


def test_metrics_socket_has_metrics_and_nothing_else(daemon):
    with Client(daemon.metrics_socket) as metrics:
        reply = metrics.get("/metrics")
        assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain")
        text = reply.content.decode()
        assert re.search(r'^holdfast_requests_total\{.*operation="sign.sigv4".*\} \d+$', text, re.MULTILINE)
        for line in text.splitlines():
            assert re.fullmatch(r"# (HELP|TYPE) .*|[a-z_]+(\{[^{}]*\})? [0-9.e+-]+", line), line
        for target in ("/v1/keys", "/", "/v1/health"):
            problem(metrics.get(target), "not_found", 404)
        problem(metrics.post("/metrics"), "method_not_allowed", 405)


def test_admin_socket_is_closed_to_others(root, daemon):
    def ask():
        try:
            with Raw(daemon.admin_socket) as raw:
                raw.send(b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return raw.reply()
        except PermissionError:
            return "no permission"

    assert as_user(ALICE, ask) == "no permission"


def test_application_socket_has_no_admin_calls(client):
    for method, target in (("POST", "/v1/keys"), ("DELETE", "/v1/keys/aws"), ("POST", "/v1/keys/import"), ("POST", "/v1/reload"), ("GET", "/v1/audit")):
        assert client.request(method, target, {} if method == "POST" else None).code in ("not_found", "method_not_allowed"), target


def test_reload_gives_the_new_digest(daemon, admin):
    reply = admin.post("/v1/reload").json
    with daemon.client() as client:
        assert reply["policy_digest"] == client.get("/v1/health").json["policy_digest"] and reply["grants"] >= 3


def test_reload_without_the_file_is_a_fault_of_the_configuration(daemon, admin):
    before = admin.get("/v1/health").json["policy_digest"]
    os.rename(daemon.config, daemon.config + ".away")
    try:
        problem(admin.post("/v1/reload"), "invalid_request", 400)
    finally:
        os.rename(daemon.config + ".away", daemon.config)
    assert admin.get("/v1/health").json["policy_digest"] == before


def test_core_serves_although_a_device_left_the_configuration_meanwhile(folder):
    place = os.path.join(folder, "fewer")
    with Swtpm(os.path.join(place, "tpm")) as tpm, Daemon(place, tpm.tcti, everything()) as running:
        with open(running.config, encoding="utf-8") as file:
            text = file.read()
        with open(running.config, "w", encoding="utf-8") as file:
            file.write(text.replace('name = "tpm"', 'name = "other"'))
        os.kill(running.part("core"), signal.SIGKILL)
        wait_until(lambda: "device_not_configured" in running.log_text(), 10, "the core says what became of the link")
        with running.client() as client:
            assert [device["name"] for device in client.get("/v1/health").json["devices"]] == ["other"]


def test_openapi_describes_every_error_code():
    text = json.dumps(openapi.document())
    for code in ("invalid_request", "not_permitted", "not_found", "method_not_allowed", "timeout", "conflict", "too_large", "unsupported",
                 "limit_exceeded", "overloaded", "device_unavailable", "key_lost", "audit_unavailable", "clock_untrusted", "internal"):  # fmt: skip
        assert f'"{code}"' in text, code


# What changes while a request waits for the device.


def signature_begun(daemon):
    """A request that waits for the device, which the caller has stopped."""
    raw = Raw(daemon.socket)
    raw.send(b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert raw.reply().status == 200
    body = json.dumps(digest_request("waited-for")).encode()
    raw.send(b"POST /v1/sign/digest HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return raw


@pytest.fixture
def waited_for(daemon, admin):
    daemon.create_key("waited-for")
    device = daemon.part("device")
    os.kill(device, signal.SIGSTOP)
    yield device
    if os.path.exists(f"/proc/{device}"):
        os.kill(device, signal.SIGCONT)
    admin.delete("/v1/keys/waited-for")


def test_key_disabled_while_a_request_waits_is_not_used(daemon, admin, waited_for):
    with signature_begun(daemon) as raw:
        assert admin.post("/v1/keys/waited-for/disable").status == 200
        os.kill(waited_for, signal.SIGCONT)
        refused = raw.reply("POST")
    problem(refused, "not_permitted", 403)
    record = admin.get(f"/v1/requests/{refused.request_id}").json
    assert record["decision"] == "deny" and "disabled" in record["reason"], record


def test_grant_withdrawn_while_a_request_waits_is_not_used(daemon, admin, waited_for):
    try:
        with signature_begun(daemon) as raw:
            daemon.write_policy("")
            digest = admin.post("/v1/reload").json["policy_digest"]
            os.kill(waited_for, signal.SIGCONT)
            refused = raw.reply("POST")
        problem(refused, "not_permitted", 403)
        (record,) = [r for r in daemon.audit() if r["details"]["request_id"] == refused.request_id]
        assert record["decision"] == "denied" and record["policy_digest"] == digest, record
    finally:
        daemon.write_policy(everything() + GRANTS)
        assert daemon.reload().status == 200


def test_key_is_deleted_though_the_device_does_not_answer(daemon, admin, waited_for):
    reply = admin.delete("/v1/keys/waited-for")
    assert reply.status == 204 and reply.headers["Content-Length"] is None, reply
    problem(admin.get("/v1/keys/waited-for"), "not_found", 404)


def test_record_of_an_admin_call_has_the_key_of_that_call(daemon, admin):
    body = {"name": "recorded", "type": "ec-p256", "device": "tpm", "use": "digest"}
    key = lambda reply: admin.get(f"/v1/requests/{reply.request_id}").json["key"]  # noqa: E731
    # The test before stopped the device's process, which may still be on its way back.
    wait_until(lambda: daemon.client().get("/v1/health").json["devices"][0]["state"] == "ready", 10, "the device is back")
    made = admin.post("/v1/keys", body)
    assert made.status == 201 and key(made) == "recorded", made
    assert key(admin.get("/v1/keys")) == ""
    refused = admin.post("/v1/keys", body)
    problem(refused, "conflict", 409)
    assert key(refused) == "recorded"
    assert admin.delete("/v1/keys/recorded").status == 204


def test_command_line_shows_how_each_process_is_protected(daemon):
    shown = daemon.cli("health").stdout
    for name in ("PROCESS", "supervisor", "core", "caller", "device tpm"):
        assert name in shown, shown


def test_idle_connections_of_one_caller_leave_room_for_others(folder, swtpm):
    """With few descriptors: whoever takes all the connections there are is told so, and only they."""
    limits = ["setpriv", "--bounding-set", "-sys_resource", "prlimit", "--nofile=256:1024"]
    if os.geteuid() != 0:
        limits = limits[3:]
    with Daemon(os.path.join(folder, "few-descriptors"), swtpm.tcti, everything(), run=False) as daemon:
        daemon.start(wrapper=limits)
        daemon.create_key("digests")
        with Checked(daemon.socket) as client:
            assert client.get("/v1/health").status == 200
            idle = [Raw(daemon.socket) for _ in range(300)]
            wait_until(lambda: any(raw.answered() for raw in idle), 10, "those over the cap are told so")
            told = next(raw for raw in idle if raw.answered())
            problem(told.reply(), "overloaded", 503)
            assert client.post("/v1/sign/digest", digest_request("digests")).status == 200
            with Checked(daemon.admin_socket) as admin:
                assert admin.post("/v1/keys/digests/disable").status == 200
            for raw in idle:
                raw.close()
