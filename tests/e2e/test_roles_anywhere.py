"""IAM Roles Anywhere: the way from a new key to credentials of a role, but for AWS itself.

A CA of the openssl program issues the certificates; what is signed is computed anew from AWS's documentation and
verified by plain OpenSSL with the certificate.
"""

import datetime
import json
import os
import subprocess

import pytest

from holdfast_testing import openapi
from holdfast_testing.authority import Authority, openssl
from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.paths import program
from holdfast_testing.processes import wait_until
from holdfast_testing.roles_anywhere import ANCHOR, PROFILE, ROLE, certificates, serial, session, sign, wrong

ALGORITHMS = {"ec-p256": "AWS4-X509-ECDSA-SHA256", "rsa-2048": "AWS4-X509-RSA-SHA256"}


@pytest.fixture(scope="module")
def root_ca(folder):
    return Authority(os.path.join(folder, "root-ca"))


@pytest.fixture(scope="module")
def ca(folder, root_ca):
    return Authority(os.path.join(folder, "ca"), "Test Issuing", root_ca)


def post(daemon, path, body):
    with daemon.admin() as admin:
        reply = admin.post(path, body)
    assert openapi.fault("POST", path, reply) == ""
    return reply


def csr(daemon, name, **more):
    reply = post(daemon, f"/v1/keys/{name}/csr", {"subject": [["O", "Example"], ["CN", name]], **more})
    assert reply.status == 200, reply
    return reply.json["csr_pem"]


def attach(daemon, name, chain):
    return post(daemon, f"/v1/keys/{name}/certificate", {"chain_pem": chain})


def certified(daemon, name, ca, **validity):
    """A certificate for the key's newest version, attached; with the CA's own."""
    chain = ca.issue(csr(daemon, name), **validity) + ca.pem
    reply = attach(daemon, name, chain)
    assert reply.status == 200, reply
    return chain


def version(daemon, name, number):
    with daemon.admin() as admin:
        return next(one for one in admin.get(f"/v1/keys/{name}").json["versions"] if one["version"] == number)


@pytest.fixture(scope="module")
def running(folder, device):
    with Daemon(os.path.join(folder, f"of-{getattr(device, 'name', 'tpm')}"), device, everything()) as daemon:
        yield daemon


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_from_a_new_key_to_a_session_that_aws_would_take(running, root_ca, ca, kind):
    name = f"orders-{kind}"
    running.create_key(name, kind, "roles-anywhere")
    pem = csr(running, name, dns=["orders.example.com"], uri=["spiffe://example.com/orders"])
    text = openssl("req", "-verify", "-noout", "-text", text=pem)
    assert "Subject: O = Example, CN = " + name in text and "Digital Signature" in text
    assert "DNS:orders.example.com, URI:spiffe://example.com/orders" in text
    with running.admin() as admin:
        public = admin.get(f"/v1/keys/{name}").json["public_key_pem"]
    assert openssl("req", "-pubkey", "-noout", text=pem) == public

    chain = ca.issue(pem) + ca.pem
    reply = attach(running, name, chain + root_ca.pem)
    assert reply.status == 200, reply
    shown = reply.json["versions"][0]["certificate"]
    assert shown["subject"] == f"CN={name},O=Example" and shown["issuer"] == "CN=Test Issuing,O=Example"
    assert shown["serial"] == str(serial(chain))

    reply = sign(running, name, session_name="host-7@example", duration_seconds=900, explain=True)
    assert reply.status == 200 and openapi.fault("POST", "/v1/sign/roles-anywhere", reply) == "", reply
    assert wrong(reply.json, chain, ALGORITHMS[kind]) == ""
    assert reply.json["url"].startswith("https://rolesanywhere.eu-west-1.amazonaws.com/sessions?profileArn=arn%3Aaws")
    assert json.loads(reply.json["body"]) == {"durationSeconds": 900, "roleSessionName": "host-7@example"}
    sent = dict(reply.json["headers"])
    # Who trusts the root has it: the issuing CA's alone goes along.
    assert sent["X-Amz-X509-Chain"].count(",") == 0
    record = running.audit()[reply.json["audit_seq"]]
    assert record["operation"] == "sign.roles-anywhere" and record["decision"] == "allowed"
    facts = dict(record["details"]["facts"])
    assert facts == {
        "service": "rolesanywhere",
        "action": "CreateSession",
        "region": "eu-west-1",
        "host": "rolesanywhere.eu-west-1.amazonaws.com",
        "role": ROLE,
        "profile": PROFILE,
        "trust_anchor": ANCHOR,
        "session_name": "host-7@example",
        "duration": "900",
    }


def test_other_endpoints_are_signed_for_by_name(running, ca):
    running.create_key("endpoint", use="roles-anywhere")
    chain = certified(running, "endpoint", ca)
    reply = sign(running, "endpoint", endpoint="https://rolesanywhere.eu-west-1.example:8443")
    assert reply.json["url"].startswith("https://rolesanywhere.eu-west-1.example:8443/sessions?")
    assert wrong(reply.json, chain, ALGORITHMS["ec-p256"]) == ""
    assert dict(running.audit()[reply.json["audit_seq"]]["details"]["facts"])["host"].endswith(".example:8443")


@pytest.fixture(scope="module")
def named(daemon, ca):
    """A daemon with a key that has a certificate, and the chain."""
    daemon.create_key("named", use="roles-anywhere")
    return daemon, certified(daemon, "named", ca)


def test_a_key_without_certificate_signs_nothing(daemon):
    daemon.create_key("bare", use="roles-anywhere")
    problem(sign(daemon, "bare"), "conflict", 409)
    assert "no certificate" in sign(daemon, "bare").json["detail"]


def test_chains_that_are_wrong_are_refused_and_change_nothing(named, folder, root_ca, ca):
    daemon, chain = named
    daemon.create_key("other", use="roles-anywhere")
    stranger = Authority(os.path.join(folder, "stranger"), "Test Issuing")
    request = csr(daemon, "named")
    leaf = ca.issue(request)
    names = [f"CA {index}" for index in range(4)]
    deep, below = [root_ca], ""
    for index, name in enumerate(names):
        deep.append(Authority(os.path.join(folder, f"deep-{index}"), name, deep[-1]))
    for one in reversed(deep[1:]):
        below += one.pem
    many = deep[-1].issue(request) + below
    cases = {
        "for another key": ca.issue(csr(daemon, "other")) + ca.pem,
        "has expired": ca.issue(request, days=-1, begins=-30) + ca.pem,
        "not valid before": ca.issue(request, days=30, begins=2) + ca.pem,
        "certificate 1 was not issued by certificate 2": leaf + stranger.pem,
        "begins with a certificate of a CA": ca.pem + leaf,
        "certificate 2 was not issued by certificate 3": leaf + ca.pem + stranger.pem,
        "more than 5 certificates": many + root_ca.pem,
        "digitalSignature": ca.issue(request, extensions="encipherment") + ca.pem,
        "is damaged": leaf[:200] + leaf[230:],
        "no PEM file": "certificate",
        "PRIVATE KEY": leaf + openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    }
    for complaint, wrong_chain in cases.items():
        reply = attach(daemon, "named", wrong_chain)
        assert reply.status in (400, 409) and complaint in reply.json["detail"], (complaint, reply)
    assert len(certificates(many)) == 5 and attach(daemon, "named", many).status == 200
    assert attach(daemon, "named", chain).status == 200
    assert wrong(sign(daemon, "named").json, chain, ALGORITHMS["ec-p256"]) == ""


def test_only_keys_of_the_use_take_certificates(daemon, ca):
    daemon.create_key("tokens", use="jwt")
    problem(post(daemon, "/v1/keys/tokens/csr", {"subject": [["CN", "x"]]}), "conflict", 409)
    problem(post(daemon, "/v1/keys", {"name": "x", "type": "ec-p384", "use": "roles-anywhere"}), "invalid_request", 400)


def test_a_request_that_asks_for_nonsense_is_refused(named):
    daemon, _ = named
    for body in (
        {},
        {"subject": []},
        {"subject": [["CN"]]},
        {"subject": [["XX", "x"]]},
        {"subject": [["C", "Germany"]]},
        {"subject": [["CN", "x" * 65]]},
        {"subject": [["CN", "a\u0000b"]]},
        {"subject": [["CN", "x"]], "dns": ["a b"]},
        {"subject": [["CN", "x"]], "uri": ["no-scheme"]},
        {"subject": [["CN", "x"]], "key": "k"},
    ):
        problem(post(daemon, "/v1/keys/named/csr", body), "invalid_request", 400)
    problem(post(daemon, "/v1/keys/named/csr", {"subject": [["CN", "x"]], "version": 9}), "not_found", 404)


def test_a_renewed_certificate_counts_at_once_and_survives_a_restart(named, ca):
    daemon, former = named
    renewed = certified(daemon, "named", ca, days=60)
    assert serial(former) != serial(renewed)
    assert wrong(sign(daemon, "named").json, renewed, ALGORITHMS["ec-p256"]) == ""
    kept = [name for name in os.listdir(os.path.join(daemon.state, "keys", "named")) if name.endswith(".crt")]
    assert len(kept) == 1, "the former is not kept"
    daemon.stop()
    daemon.start()
    assert wrong(sign(daemon, "named").json, renewed, ALGORITHMS["ec-p256"]) == ""


def test_each_version_has_its_own(daemon, ca):
    daemon.create_key("turning", use="roles-anywhere")
    first = certified(daemon, "turning", ca)
    post(daemon, "/v1/keys/turning/versions", {})
    refused = post(daemon, "/v1/keys/turning/versions/2/activate", None)
    assert refused.code == "conflict" and "no certificate" in refused.json["detail"]
    assert wrong(sign(daemon, "turning").json, first, ALGORITHMS["ec-p256"]) == ""
    second = certified(daemon, "turning", ca)
    assert wrong(sign(daemon, "turning").json, first, ALGORITHMS["ec-p256"]) == "", "it is not active yet"
    assert post(daemon, "/v1/keys/turning/versions/2/activate", None).status == 200
    assert wrong(sign(daemon, "turning").json, second, ALGORITHMS["ec-p256"]) == ""
    shown = [version(daemon, "turning", number)["certificate"]["serial"] for number in (1, 2)]
    assert shown == [str(serial(first)), str(serial(second))]


def test_a_damaged_file_stops_its_key_alone(daemon, ca):
    for name in ("spoilt", "whole"):
        daemon.create_key(name, use="roles-anywhere")
        chain = certified(daemon, name, ca)
    folder = os.path.join(daemon.state, "keys", "spoilt")
    (file,) = [name for name in os.listdir(folder) if name.endswith(".crt")]
    daemon.stop()
    with open(os.path.join(folder, file), "a", encoding="ascii") as damaged:
        damaged.write("x")
    daemon.start()
    problem(sign(daemon, "spoilt"), "key_lost", 503)
    with daemon.admin() as admin:
        reason = f"key spoilt: {file} does not match its checksum"
        assert reason in admin.get("/v1/health").json["reasons"]
        assert admin.request("DELETE", "/v1/keys/spoilt").status == 204
    assert wrong(sign(daemon, "whole").json, chain, ALGORITHMS["ec-p256"]) == ""


def test_health_and_metrics_tell_of_the_end(daemon, ca):
    daemon.create_key("ending", use="roles-anywhere")
    certified(daemon, "ending", ca, days=6)
    end = version(daemon, "ending", 1)["certificate"]["not_after"]
    with daemon.admin() as admin, daemon.client() as client:
        health = admin.get("/v1/health").json
        assert health["status"] == "degraded" and health["reasons"] == [f"key ending: its certificate expires {end}"]
        assert "ending" not in client.get("/v1/health").json["reasons"][0]
        seconds = int(datetime.datetime.fromisoformat(end.replace("Z", "+00:00")).timestamp())
        line = f'holdfast_certificate_expiry_timestamp_seconds{{key="ending",version="1"}} {seconds}'
        assert line in daemon.cli("metrics").stdout
        certified(daemon, "ending", ca, days=8)
        assert admin.get("/v1/health").json["status"] == "ok"


def test_the_command_line_goes_the_whole_way(daemon, folder, ca):
    daemon.cli("key", "create", "typed", "--type", "ec-p256", "--use", "roles-anywhere")
    assert "version 1 has no certificate" in daemon.cli("key", "list").stdout
    pem = daemon.cli("key", "csr", "typed", "--subject", "CN=typed\\, too,O=Example", "--dns", "typed.example.com").stdout
    assert "Subject: O = Example, CN = \"typed, too\"" in openssl("req", "-verify", "-noout", "-text", text=pem)
    chain = ca.issue(pem) + ca.pem
    path = os.path.join(folder, "typed.pem")
    write(path, chain)
    done = daemon.cli("key", "attach-certificate", "typed", path)
    assert f"serial {serial(chain)}," in done.stdout
    shown = daemon.cli("key", "show", "typed").stdout
    end = version(daemon, "typed", 1)["certificate"]["not_after"]
    assert str(serial(chain)) in shown and "CN=Test Issuing,O=Example" in shown and end in shown
    assert end in daemon.cli("key", "list").stdout
    write(path, chain + openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    refused = daemon.cli("key", "attach-certificate", "typed", path, check=False)
    assert refused.returncode == 1 and "was not sent" in refused.stderr


def write(path, text):
    """Whole or not at all, as those do that renew certificates."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)


def test_a_watched_file_is_attached_whenever_it_is_renewed(daemon, folder, ca):
    daemon.create_key("watched", use="roles-anywhere")
    request = csr(daemon, "watched")
    chains = [ca.issue(request) + ca.pem for _ in range(3)]
    path, log = os.path.join(folder, "watched.pem"), os.path.join(folder, "watch.log")
    write(path, chains[0])
    command = [program("holdfast"), "key", "attach-certificate", "watched", path, "--watch"]
    environment = dict(daemon.environment, HOLDFAST_ADMIN_SOCKET=daemon.admin_socket)
    with open(log, "w", encoding="utf-8") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as watch:

        def says(text):
            with open(log, encoding="utf-8") as file:
                return text in file.read()

        def signs_with(chain):
            reply = sign(daemon, "watched")
            return reply.status == 200 and wrong(reply.json, chain, ALGORITHMS["ec-p256"]) == ""

        try:
            wait_until(lambda: signs_with(chains[0]), 30, "the first is attached")
            write(path, chains[1])
            wait_until(lambda: signs_with(chains[1]), 30, "the renewed one is attached")
            write(path, "half a certificate")
            wait_until(lambda: says("nothing was changed"), 30, "a bad file is complained of")
            assert watch.poll() is None and signs_with(chains[1])
            with open(path, "w", encoding="ascii") as file:
                file.write(chains[2])
            wait_until(lambda: signs_with(chains[2]), 30, "it went on")
        finally:
            watch.terminate()


GRANT = """
[[grant]]
name = "orders-session"
key = "*"
caller = {{ uid = {uid} }}
facts = {{ action = "CreateSession", role = "arn:aws:iam::123456789012:role/apps/*", duration = 3600, session_name = "host-*" }}
{more}
"""
DENY = """
[[grant]]
name = "no-profile"
effect = "deny"
key = "*"
caller = {{ uid = {uid} }}
facts = {{ profile = "{profile}" }}
"""


def test_policy_judges_what_the_session_may_be(folder, swtpm, ca):
    grants = GRANT.format(uid=os.geteuid(), more="")
    with Daemon(os.path.join(folder, "judged"), swtpm.tcti, grants) as judged:
        judged.create_key("k", use="roles-anywhere")
        certified(judged, "k", ca)
        allowed = {"session_name": "host-7"}
        assert sign(judged, "k", **allowed).status == 200
        for other in (
            {"role_arn": ROLE.replace("apps", "admin")},
            {"role_arn": ROLE.replace("apps", "apps/deep")},
            {"duration_seconds": 3601},
            {"session_name": "root"},
        ):
            problem(sign(judged, "k", **{**allowed, **other}), "not_permitted", 403)
        refused = sign(judged, "k")
        problem(refused, "not_permitted", 403)
        suggested = judged.cli("policy", "suggest", refused.request_id).stdout
        assert f'role = "{ROLE}"' in suggested and "duration = 3600" in suggested and f'trust_anchor = "{ANCHOR}"' in suggested
        explained = judged.cli("policy", "explain", refused.request_id, env={"HOLDFAST_CONFIG": judged.config}).stdout
        assert "session_name" in explained

        judged.write_policy(suggested)
        assert judged.reload().status == 200 and sign(judged, "k").status == 200

        judged.write_policy(grants + DENY.format(uid=os.geteuid(), profile=PROFILE))
        assert judged.reload().status == 200
        problem(sign(judged, "k", **allowed), "not_permitted", 403)


def test_arns_and_the_rest_have_their_form(named):
    daemon, _ = named
    for wrong_field in (
        {"role_arn": "arn:aws:iam::123456789012:user/x"},
        {"role_arn": "arn:aws:iam::12345678901:role/x"},
        {"role_arn": ROLE + "\n"},
        {"profile_arn": PROFILE.replace("eu-west-1", "us-east-1")},
        {"profile_arn": ANCHOR},
        {"trust_anchor_arn": ANCHOR.upper()},
        {"region": "us-east-1"},
        {"duration_seconds": 899},
        {"duration_seconds": 43201},
        {"session_name": "x"},
        {"session_name": "a b"},
        {"endpoint": "http://rolesanywhere.example"},
        {"endpoint": "https://rolesanywhere.example/x"},
        {"unknown": 1},
    ):
        problem(sign(daemon, "named", **wrong_field), "invalid_request", 400)
    with daemon.client() as client:
        body = session("named")
        del body["role_arn"]
        problem(client.post("/v1/sign/roles-anywhere", body), "invalid_request", 400)
