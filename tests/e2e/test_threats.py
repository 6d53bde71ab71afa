"""Threat rows 1, 6, 11, 12, 13 and 27: what is signed, what is told, and by which device."""

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest

from holdfast_testing.client import Client, exchange
from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.memory import memory
from holdfast_testing.processes import wait_until
from holdfast_testing.roles_anywhere import session
from holdfast_testing.sigv4 import get, wrong
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.traces import forms
from holdfast_testing.users import ALICE, MALLORY, as_user

SECRET = "the-secret-that-nobody-may-see/0123456789"
DIGEST = base64.b64encode(bytes(32)).decode()

# What ALICE may say; the threats' tests ask for more.
GRANTS = f"""
[[grant]]
name = "alice-reads"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "s3", method = "GET", host = "bucket.s3.eu-west-1.amazonaws.com", path = "/allowed/**" }}

[[grant]]
name = "alice-normalised"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "execute-api", path = "/allowed/**" }}

[[grant]]
name = "alice-private"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "s3", method = "PUT", path = "/allowed/**", "header.x-amz-acl" = "private" }}

[[grant]]
name = "alice-lists"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "s3", method = "GET", path = "/", "query.prefix" = "mine/**" }}
"""


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    options = {"settings": 'log_level = "debug"'}
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, everything() + GRANTS, **options) as running:
        running.import_aws("aws", "AKIATHREATS", SECRET)
        running.create_key("digests")
        running.create_key("sessions", use="roles-anywhere")
        yield running


def post(body, path="/v1/sign/sigv4"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def ask(daemon, uid, body, path="/v1/sign/sigv4"):
    return as_user(uid, lambda: exchange(daemon.socket, post(body, path)))


URL = "https://bucket.s3.eu-west-1.amazonaws.com"
GOOD = get("aws", URL + "/allowed/a")


# Row 1: a signing oracle.


def test_row01_no_key_serves_a_use_it_was_not_made_for(daemon):
    wrong_uses = {
        "aws": [("/v1/sign/digest", {"key": "aws", "algorithm": a, "digest": DIGEST, "encoding": "der"}) for a in ("ES256", "RS256", "PS256")],
        "digests": [
            ("/v1/sign/sigv4", get("digests")),
            ("/v1/sign/sigv4", get("digests", mode="query", expires_in=60)),
            ("/v1/token/jwt", {"key": "digests", "audience": "https://api.example", "ttl": 60}),
        ],
    }
    wrong_uses["aws"].append(("/v1/token/jwt", {"key": "aws", "audience": "https://api.example", "ttl": 60}))
    wrong_uses["sessions"] = [(path, {**body, "key": "sessions"}) for path, body in [wrong_uses["aws"][0], *wrong_uses["digests"]]]
    for name in ("aws", "digests"):
        wrong_uses[name].append(("/v1/sign/roles-anywhere", session(name)))
    with daemon.client() as client:
        keys = [key["name"] for key in client.get("/v1/keys").json["keys"]]
        assert sorted(keys) == sorted(wrong_uses)
        for name in keys:
            for path, body in wrong_uses[name]:
                reply = client.post(path, body)
                assert reply.code in ("not_permitted", "unsupported", "invalid_request", "not_found"), (name, path, reply)
                assert not {"signature", "token"} & set(reply.json), reply
        # The right uses work, so it was the use that was refused.
        assert client.post("/v1/sign/sigv4", get("aws")).status == 200
        body = {"key": "digests", "algorithm": "ES256", "digest": DIGEST, "encoding": "der"}
        assert client.post("/v1/sign/digest", body).status == 200


def test_row01_no_key_can_be_made_for_a_use_that_does_not_fit_its_type(daemon):
    with daemon.admin() as admin:
        for kind, use in (("ec-p256", "sigv4"), ("hmac-sha256", "digest"), ("hmac-sha256", "jwt"), ("ec-p384", "roles-anywhere"), ("ec-p256", "tls"), ("ec-p256", "")):
            reply = admin.post("/v1/keys", {"name": "misfit", "type": kind, "device": "tpm", "use": use})
            assert reply.code in ("invalid_request", "unsupported"), (kind, use, reply)
        problem(admin.get("/v1/keys/misfit"), "not_found", 404)


def test_row01_digest_signing_needs_a_grant(root, daemon):
    body = {"key": "digests", "algorithm": "ES256", "digest": DIGEST, "encoding": "der"}
    problem(ask(daemon, ALICE, body, "/v1/sign/digest"), "not_permitted", 403)


def test_row01_denied_and_nonexistent_look_the_same(root, daemon):
    def shape(reply):
        body = problem(reply, "not_permitted", 403)
        body.pop("request_id")
        body.pop("audit_seq", None)  # of the application's requests alone
        return body, sorted(name for name in reply.headers)

    assert shape(ask(daemon, MALLORY, GOOD)) == shape(ask(daemon, MALLORY, {**GOOD, "key": "no-such-key"}))
    look = b"GET /v1/keys/%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    denied = as_user(MALLORY, lambda: exchange(daemon.socket, look % b"aws"))
    absent = as_user(MALLORY, lambda: exchange(daemon.socket, look % b"no-such-key"))
    assert shape(denied) == shape(absent)


# Row 6: policy sees what is signed.

OUTSIDE = [
    "/secret", "/allowed", "/allowed/../secret", "/allowed/%2e%2e/secret", "/allowed/%2E%2E/secret", "/allowed/.%2e/secret", "/allowed/..%2fsecret",
    "/allowed/%2e%2e%2fsecret", "/allowed%2f..%2fsecret", "//allowed/a", "//secret", "/./secret", "/allowed//../secret", "/allowed/..;/secret",
    "/allowed/%252e%252e/secret", "/allowed/..%252Fsecret", "/Allowed/a", "/ALLOWED/a", "/%61llowed/a", "/allowed%2Fa", "/allowed%5C..%5Csecret",
    "/allowed/..\\secret", "/allowed/%00", "/allowed/a%00/../../secret", "/allowed/%2561", "/secret/../allowed/a", "/secret/%2e%2e/allowed/a",
    "/allowed/./../secret", "/allowed/a/../../secret", "/x/..//allowed/a", "/allowed/%c0%ae%c0%ae/secret", "/allowed/%uff0e%uff0e/secret",
    "/;/allowed/a", "/allowed?/../secret", "/allowed/%2F%2e%2e%2Fsecret", "/%2fallowed/a", "/allowed/a%2f", "/allowed/%7Ea",
]  # fmt: skip


def path_facts(daemon, reply):
    with daemon.admin() as admin:
        request = admin.get(f"/v1/requests/{reply.request_id}")
    assert request.status == 200, request
    return [value for name, value in request.json["facts"] if name == "path"]


@pytest.mark.parametrize("service", ["s3", "execute-api"])
def test_row06_no_spelling_of_a_path_gets_past_its_pattern(root, daemon, service):
    """What is signed is within the pattern, by the canonical request's own path, and is the fact policy saw."""
    signed = []
    for path in OUTSIDE + ["/allowed/a", "/allowed/a/b", "/allowed/a%20b"]:
        reply = ask(daemon, ALICE, {**GOOD, "service": service, "url": URL + path, "explain": True})
        if reply.status != 200:
            assert reply.code in ("not_permitted", "invalid_request"), (path, reply)
            continue
        assert wrong(reply.json, SECRET) == ""
        canonical = reply.json["canonical_request"].split("\n")[1]
        # Services other than s3 encode the wire path once more.
        wire = canonical if service == "s3" else urllib.parse.unquote(canonical)
        assert path_facts(daemon, reply) == [urllib.parse.unquote(wire)] or path_facts(daemon, reply) == [wire], path
        routed = os.path.normpath(urllib.parse.unquote(wire).replace("\\", "/").replace("\0", ""))
        assert wire.startswith("/allowed/") and routed.startswith("/allowed"), (path, canonical)
        signed.append(path)
    assert {"/allowed/a", "/allowed/a/b", "/allowed/a%20b"} <= set(signed)
    assert not {"/secret", "/allowed/../secret", "/allowed/%2e%2e/secret", "/Allowed/a"} & set(signed)
    if service == "s3":  # which takes every path as it stands; the others normalise it, and sign that
        assert not {"//allowed/a", "/secret/../allowed/a", "/allowed/./../secret"} & set(signed)


def test_row06_options_that_shift_the_path_need_a_grant(root, daemon):
    for more in ({"normalize_path": True}, {"double_encode": True}, {"content_sha256_header": False}):
        problem(ask(daemon, ALICE, {**GOOD, **more}), "not_permitted", 403)
    for more in ({"normalize_path": False}, {"double_encode": False}, {"content_sha256_header": True}):
        problem(ask(daemon, ALICE, {**GOOD, "service": "execute-api", **more}), "not_permitted", 403)
    for path in ("/allowed/a b", "/allowed/é"):
        reply = ask(daemon, ALICE, {**GOOD, "url": URL + path})
        assert reply.code in ("invalid_request", "not_permitted"), reply


def test_row06_every_value_of_a_repeated_header_is_judged(root, daemon):
    def put(*headers):
        body = {**GOOD, "method": "PUT", "payload_sha256": "UNSIGNED-PAYLOAD", "headers": [list(h) for h in headers]}
        return ask(daemon, ALICE, body)

    assert put(("x-amz-acl", "private")).status == 200
    for headers in (
        [("x-amz-acl", "public-read")],
        [("x-amz-acl", "private"), ("x-amz-acl", "public-read")],
        [("X-Amz-Acl", "public-read"), ("x-amz-acl", "private")],
        [("x-amz-acl", "private,public-read")],
        [("x-amz-acl", "Private")],
        [("X-AMZ-ACL", "private"), ("x-amz-Acl", "public-read")],
        [],
    ):
        problem(put(*headers), "not_permitted", 403)


def test_row06_every_value_of_a_repeated_query_name_is_judged(root, daemon):
    def listing(query):
        return ask(daemon, ALICE, {**GOOD, "url": f"{URL}/?{query}"})

    assert listing("prefix=mine/a").status == 200
    for query in ("prefix=theirs", "prefix=mine/a&prefix=theirs", "prefix=theirs&prefix=mine/a", "%70refix=theirs&prefix=mine/a",
                  "Prefix=mine/a", "prefix", "list-type=2", "prefix=mine/a&%70refix=theirs"):  # fmt: skip
        reply = listing(query)
        assert reply.code in ("not_permitted", "invalid_request"), (query, reply)


def test_row06_host_is_the_one_that_is_signed(root, daemon):
    for url in ("https://other.s3.eu-west-1.amazonaws.com/allowed/a", "https://bucket.s3.eu-west-1.amazonaws.com.evil.example/allowed/a",
                "https://bucket.s3.eu-west-1.amazonaws.com:8443/allowed/a", "https://x.bucket.s3.eu-west-1.amazonaws.com/allowed/a"):  # fmt: skip
        reply = ask(daemon, ALICE, {**GOOD, "url": url})
        assert reply.code in ("not_permitted", "invalid_request"), (url, reply)
    problem(ask(daemon, ALICE, {**GOOD, "headers": [["Host", "other.example"]]}), "invalid_request", 400)


# Row 11: secrets stay out of every text.


def test_row11_canaries_in_every_secret_field_are_nowhere_found(root, daemon):
    def canary(name):
        return f"CANARY{name}{os.urandom(9).hex()}"

    secret, refused, token, body = (canary(name) for name in ("secret", "refused", "token", "body"))
    digest, password = os.urandom(32), canary("password")
    replies = []

    def keep(reply):
        replies.append(reply)
        return reply

    daemon.import_aws("canary", "AKIACANARY", secret)
    with daemon.admin() as admin, daemon.client() as client:
        bad = {"name": "canary", "device": "tpm", "use": "sigv4", "access_key_id": "AKIA", "secret_access_key": refused}
        for change in ({}, {"name": "Bad"}, {"device": "none"}, {"use": "digest"}, {"access_key_id": "a/b"}, {"x": refused}):
            assert keep(admin.post("/v1/keys/import", {**bad, **change})).status >= 400
        assert keep(admin.post("/v1/keys/import", json.dumps(bad).encode()[:-3])).status == 400
        keep(admin.post("/v1/keys/canary/versions", {"access_key_id": "AKIA2", "secret_access_key": secret + "2", "state": "pending"}))
        encoded = base64.b64encode(body.encode()).decode()
        for method, more in (("PUT", {}), ("GET", {"mode": "query", "expires_in": 60}), ("BAD METHOD", {}), ("PUT", {"region": "BAD"})):
            request = get("canary", method=method, session_token=token, **more)
            if "mode" not in more:
                request["body"] = encoded
            keep(client.post("/v1/sign/sigv4", request))
            keep(client.post("/v1/sign/sigv4", {**request, "key": "no-such-key"}))
        hashed = {"key": "digests", "algorithm": "ES256", "digest": base64.b64encode(digest).decode(), "encoding": "der"}
        signed = keep(client.post("/v1/sign/digest", hashed))
        assert signed.status == 200
        keep(client.post("/v1/sign/digest", {**hashed, "key": "aws"}))
        keep(client.post("/v1/sign/digest", {**hashed, "password": password}))
        for reply in list(replies):
            keep(admin.get(f"/v1/requests/{reply.request_id}"))
        keep(admin.get("/v1/audit?limit=1000"))
        keep(admin.get("/v1/keys/canary"))
    with Client(daemon.metrics_socket) as client:
        metrics = client.get("/metrics")
        assert metrics.status == 200 and b"holdfast_" in metrics.content

    places = {"the log": daemon.log_text().encode(), "the metrics": metrics.content}
    for base, _, names in os.walk(daemon.state):
        for name in names:
            with open(os.path.join(base, name), "rb") as file:
                places[os.path.join(base, name)] = file.read()
    for number, reply in enumerate(replies):
        # The signature's own reply gives the session token back: it is what the caller asked for.
        if reply.status >= 400 or "session_token" not in str(reply.content):
            places[f"reply {number}"] = reply.content if reply.status >= 400 or b'"signature"' not in reply.content else b""
    assert any(path.endswith(".pem") for path in places) and "AKIACANARY" in str(places)
    needles = [form for text in (secret, refused, token, body, password) for form in forms(text)]
    needles += [base64.b64encode(digest), digest.hex().encode(), digest, base64.b64decode(signed.json["signature"]), signed.json["signature"].encode()]
    for place, content in places.items():
        for needle in needles:
            assert needle not in content, f"{needle[:20]!r}… is in {place}"


def test_row11_imported_secret_is_not_in_the_processes_memory(root, daemon):
    secret = f"CANARYmemory{os.urandom(9).hex()}"
    daemon.import_aws("memory", "AKIAMEMORY", secret)
    assert daemon.sign(get("memory")).status == 200
    for name in ("core", "device"):
        found = sum(part.count(secret.encode()) for part in memory(daemon.part(name)))
        assert found == 0, f"{found} copies of the secret in the {name} process"
    # The search does find what is there.
    assert any(b"AKIAMEMORY" in part for part in memory(daemon.part("core")))


# Row 12: one record a line, whatever a caller says.

POISON = ['\n{"seq":99999,"decision":"allow"}', "\r\nfake line", "\x1b[2J\x1b[31mred", "\u2028\u2029", "\x00", "\x7f\x9b2J", "\u202e\ufeff", '"}\n{"']


def test_row12_nothing_a_caller_says_breaks_a_line(root, daemon, folder):
    with daemon.client() as client:
        for text in POISON:
            for body in (
                get(text), {**GOOD, "region": text}, {**GOOD, "method": text}, {**GOOD, "url": URL + "/" + text}, {**GOOD, text: 1},
                {**GOOD, "headers": [["X-A", text]], "sign_headers": ["x-a"]}, {**GOOD, "url": URL + "/" + urllib.parse.quote(text)},
                {**GOOD, "url": URL + "/?a=" + urllib.parse.quote(text)}, {**GOOD, "url": f"{URL}/?{urllib.parse.quote(text)}=1"},
                {**GOOD, "session_token": text},
            ):  # fmt: skip
                client.post("/v1/sign/sigv4", body)
        client.post("/v1/sign/sigv4", json.dumps(GOOD).encode().replace(b"/allowed", b"/\xff\xfe\x1b"))
    # A program whose path is an injection too.
    odd = os.path.join(folder, 'evil\n{"seq":9}\x1b[2J')
    os.mkdir(odd)
    program = shutil.copy("/usr/bin/curl", odd)
    command = [program, "-s", "--unix-socket", daemon.socket, "-d", json.dumps(GOOD), "http://localhost/v1/sign/sigv4"]
    assert subprocess.run(command, check=True, timeout=30, capture_output=True).returncode == 0

    records = daemon.audit()
    assert [record["seq"] for record in records] == list(range(len(records)))
    assert any("evil" in json.dumps(record) for record in records)
    for base, _, names in os.walk(os.path.join(daemon.state, "audit")):
        for name in names:
            with open(os.path.join(base, name), "rb") as file:
                for line in file.read().split(b"\n"):
                    if line.startswith(b"{"):
                        json.loads(line)
                        assert not re.search(rb"[\x00-\x1f\x7f]", line), (name, line)
    for line in daemon.log_text().encode().split(b"\n"):
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", line), line
        assert b"fake line" not in line[:9] and not line.startswith(b'{"seq"'), line
    assert json.loads(daemon.verify_audit().stdout)["good"] is True


# Row 13: a locked TPM signs on.


def lock(tpm):
    """Drives the TPM into its dictionary-attack lockout, with an object that has wrong answers counted."""
    tpm.tool("tpm2_dictionarylockout", "--setup-parameters", "--max-tries=2", "--recovery-time=100000", "--lockout-recovery-time=100000")
    tpm.tool("tpm2_createprimary", "-C", "o", "-c", "primary.ctx")
    tpm.tool("tpm2_create", "-C", "primary.ctx", "-p", "right", "-u", "k.pub", "-r", "k.priv", "-G", "ecc")
    tpm.tool("tpm2_flushcontext", "-t")
    tpm.tool("tpm2_load", "-C", "primary.ctx", "-u", "k.pub", "-r", "k.priv", "-c", "k.ctx")
    tpm.tool("tpm2_flushcontext", "-t")
    for _ in range(3):
        tpm.tool("tpm2_sign", "-c", "k.ctx", "-p", "wrong", "-g", "sha256", "-o", "sig", "swtpm.log", check=False)
        tpm.tool("tpm2_flushcontext", "-t", check=False)
    locked = tpm.tool("tpm2_sign", "-c", "k.ctx", "-p", "right", "-g", "sha256", "-o", "sig", "swtpm.log", check=False)
    assert locked.returncode != 0 and "921" in locked.stderr, locked.stderr
    tpm.tool("tpm2_flushcontext", "-t", check=False)


def test_row13_lockout_does_not_stop_signing(folder):
    place = os.path.join(folder, "locked")
    digest = {"key": "digests", "algorithm": "ES256", "digest": DIGEST, "encoding": "der"}
    with Swtpm(place) as tpm:
        lock(tpm)
        with Daemon(os.path.join(place, "daemon"), tpm.tcti, everything()) as daemon:
            daemon.import_aws("aws", "AKIALOCKED", SECRET)
            daemon.create_key("digests")
            reply = daemon.sign(get("aws", explain=True))
            assert reply.status == 200 and wrong(reply.json, SECRET) == ""
            with daemon.client() as client:
                assert client.post("/v1/sign/digest", digest).status == 200
        assert tpm.lockout_counter() >= 2  # it is still locked


def test_row13_unclean_restarts_count_no_failure(folder):
    place = os.path.join(folder, "restarts")
    with Swtpm(place) as tpm:
        with Daemon(os.path.join(place, "daemon"), tpm.tcti, everything()) as daemon:
            daemon.import_aws("aws", "AKIALOCKED", SECRET)
            for day in range(5):
                tpm.kill()
                tpm.start()
                request = get("aws", time=f"2026-01-0{day + 1}T00:00:00Z")
                wait_until(lambda: daemon.sign(request).status == 200, 20, "signing goes on after the TPM's restart")
        assert tpm.lockout_counter() == 0


# Row 27: a software TPM in production.


def test_row27_software_tpm_is_refused_unless_allowed(folder):
    place = os.path.join(folder, "production")
    with Swtpm(place) as tpm:
        with Daemon(os.path.join(place, "daemon"), tpm.tcti, everything(), allow_software=False) as daemon:
            with daemon.client() as client, daemon.admin() as admin:
                health = wait_until(lambda: (lambda h: h["devices"][0]["state"] == "refused" and h)(client.get("/v1/health").json), 10, "it is refused")
                assert health["status"] == "down" and health["devices"][0]["software"] is True
                assert any("allow_software_devices" in reason for reason in health["reasons"]), health
                reply = admin.post("/v1/keys", {"name": "k", "type": "ec-p256", "device": "tpm", "use": "digest"})
                problem(reply, "device_unavailable", 503)
                body = {"name": "a", "device": "tpm", "use": "sigv4", "access_key_id": "AKIA", "secret_access_key": SECRET}
                problem(admin.post("/v1/keys/import", body), "device_unavailable", 503)
                assert admin.get("/v1/keys").json["keys"] == []


def test_row27_software_keys_are_labelled(daemon):
    with daemon.client() as client:
        assert client.get("/v1/health").json["devices"][0]["software"] is True
        assert all(key["software"] is True for key in client.get("/v1/keys").json["keys"])
