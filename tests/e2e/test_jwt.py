"""Tokens as sdk/API.md promises them, judged by three verifiers: our tests' own, python3-jwcrypto, and jose from npm."""

import base64
import hashlib
import json
import os
import re
import threading
import time

import pytest

from holdfast_testing import jws, openapi
from holdfast_testing.daemon import Daemon, problem
from holdfast_testing.jose import Jose
from holdfast_testing.tokens import TYPES, change_claim, jwcrypto_claims, jwks, mint, minted, other_signature
from holdfast_testing.users import MALLORY, as_user

API = "https://api.example.com"
UID = os.geteuid()
GRANTS = f"""
[[grant]]
name = "free"
key = "*.free"
caller = {{ uid = {UID} }}
facts = {{ "claim.*" = "**" }}

[[grant]]
name = "free-and-typed"
key = "*.free"
caller = {{ uid = {UID} }}
facts = {{ "claim.*" = "**", typ = "**" }}

[[grant]]
name = "forced"
key = "forced"
caller = {{ uid = {UID} }}
facts = {{ audience = "https://*.example.com", "claim.role" = ["reader", "writer"], "claim.admin" = false, typ = "at+jwt" }}
limits = {{ ttl = "5m" }}
set = {{ issuer = "https://id.example.com", subject = "uid-{{uid}}", backdate = "30s", "claim.tenant" = "acme" }}

[[grant]]
name = "plain"
key = "plain"
caller = {{ uid = {UID} }}
facts = {{ audience = "https://api.example.com", issuer = "https://id.example.com", subject = "orders-*" }}

[[grant]]
name = "narrow"
key = "narrow"
caller = {{ uid = {UID} }}
facts = {{ "claim.*" = "**", "claim.admin" = false, algorithm = "PS256" }}
limits = {{ ttl = "2h" }}
"""


def kinds_of(device):
    """What it makes keys of; a TPM is a text."""
    return ["ec-p256", "ec-p384", "rsa-2048", *([] if isinstance(device, str) else ["ed25519"])]


@pytest.fixture(scope="module")
def daemon(folder, device):
    with Daemon(os.path.join(folder, "tpm" if isinstance(device, str) else device.name), device, GRANTS) as running:
        for kind in kinds_of(device):
            running.create_key(f"{kind}.free", kind, "jwt")
        for name, kind in (("forced", "ec-p256"), ("plain", "ec-p256"), ("narrow", "rsa-2048"), ("ungranted", "ec-p256")):
            running.create_key(name, kind, "jwt")
        running.create_key("digests", "ec-p256", "digest")
        yield running


@pytest.fixture(scope="module")
def jose():
    with Jose() as running:
        yield running


def described(reply):
    fault = openapi.fault("POST", "/v1/token/jwt", reply)
    assert fault == "", fault
    return reply


def refused(reply, *codes):
    described(reply)
    assert reply.code in codes, reply
    problem(reply, reply.code)
    assert "eyJ" not in reply.content.decode(), reply


def every(daemon, algorithm):
    return f"{TYPES[algorithm]}.free"


# What is in a token.


@pytest.mark.parametrize("algorithm", jws.ALGORITHMS)
def test_token_of_each_algorithm_is_taken_by_three_verifiers(daemon, device, jose, algorithm):
    if TYPES[algorithm] not in kinds_of(device):
        with daemon.admin() as admin:
            problem(admin.post("/v1/keys", {"name": "none", "type": TYPES[algorithm], "device": daemon.device, "use": "jwt"}), "unsupported", 422)
        return
    key, keys = every(daemon, algorithm), jwks(daemon)
    asked = {"issuer": "https://id.example.com", "subject": "orders", "claims": {"scope": "read write", "n": 7}}
    before = int(time.time())
    reply = described(mint(daemon, key, ttl=120, algorithm=algorithm, **asked))
    after = int(time.time())
    assert reply.status == 200, reply
    token = reply.json["token"]
    header, claims = jws.claims(token, keys)
    with daemon.client() as client:
        kid = client.get(f"/v1/keys/{key}").json["versions"][0]["kid"]
    assert header == {"alg": algorithm, "kid": kid, "typ": "JWT"}
    assert sorted(claims) == sorted(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "n"])
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("https://id.example.com", "orders", API)
    assert (claims["scope"], claims["n"]) == ("read write", 7)
    assert before <= claims["iat"] <= after and claims["nbf"] == claims["iat"] and claims["exp"] - claims["iat"] == 120
    assert all(isinstance(claims[name], int) for name in ("iat", "nbf", "exp"))
    assert (reply.json["jti"], reply.json["kid"]) == (claims["jti"], kid)
    assert reply.json["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(claims["exp"]))

    assert jwcrypto_claims(token, keys, algorithm) == claims
    assert jose.claims(token, keys, audience=API, issuer="https://id.example.com", subject="orders", algorithms=[algorithm]) == claims

    for changed in (change_claim(token, "sub", "someone-else"), change_claim(token, "exp", claims["exp"] + 1), other_signature(token)):
        with pytest.raises(jws.Refused, match="signature"):
            jws.verify(changed, keys)
        with pytest.raises(Exception, match="(?i)verif|signature"):
            jwcrypto_claims(changed, keys, algorithm)
        assert jose.check(changed, keys)["error"] == "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"
    # What makes the refusals above worth something: jose does look at the rest too.
    assert jose.check(token, keys, audience="https://other.example.com")["error"] == "ERR_JWT_CLAIM_VALIDATION_FAILED"
    assert jose.check(token, keys, currentDate=claims["exp"] + 1)["error"] == "ERR_JWT_EXPIRED"


def test_algorithm_left_out_is_the_keys_own(daemon, device):
    own = {"ec-p256": "ES256", "ec-p384": "ES384", "rsa-2048": "RS256", "ed25519": "EdDSA"}
    for kind, algorithm in ((kind, own[kind]) for kind in kinds_of(device)):
        header, _ = jws.claims(minted(daemon, f"{kind}.free"), jwks(daemon))
        assert header["alg"] == algorithm


def test_record_names_the_token_without_holding_it(daemon):
    reply = mint(daemon, "forced", claims={"role": "reader"}, typ="at+jwt")
    assert reply.status == 200, reply
    record = next(record for record in daemon.audit(reply.json["audit_seq"] - 1) if record["seq"] == reply.json["audit_seq"])
    token = reply.json["token"]
    assert (record["operation"], record["code"], record["key"], record["version"]) == ("token.jwt", "ok", "forced", 1)
    assert record["signed_sha256"] == hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()
    assert record["signature_sha256"] == hashlib.sha256(jws.decode(token.rpartition(".")[2])).hexdigest()
    details = record["details"]
    assert (details["jti"], details["ttl_seconds"], details["grant"]) == (reply.json["jti"], 300, "forced")
    assert ["audience", API] in details["facts"] and ["claim.role", "reader"] in details["facts"]
    with open(os.path.join(daemon.state, "audit", "leaves", sorted(os.listdir(os.path.join(daemon.state, "audit", "leaves")))[-1]), encoding="utf-8") as log:
        assert token not in log.read()
    assert token not in daemon.log_text()


def test_audience_keeps_its_form(daemon):
    for audience in (API, [API], [API, "https://b.example.com"], ["x", "y", "z"], [f"a{n}" for n in range(16)], "a" * 1024, "ünïcode ✓"):
        _, claims = jws.claims(minted(daemon, "ec-p256.free", audience=audience), jwks(daemon))
        assert claims["aud"] == audience


def test_typ_is_the_headers(daemon):
    for typ in ("at+jwt", "JWT", "dpop+jwt", "x" * 64, "a.b-c_d!#$&^"):
        header, _ = jws.claims(minted(daemon, "ec-p256.free", typ=typ), jwks(daemon))
        assert header["typ"] == typ
    for typ in ("", "x" * 65, "at jwt", "a\nb", "é", 1, None, ["JWT"]):
        refused(mint(daemon, "ec-p256.free", typ=typ), "invalid_request")


# What a grant forces, allows and denies.


def test_forced_values_are_there_whatever_is_asked(daemon):
    now = int(time.time())
    for more in ({}, {"issuer": "https://id.example.com"}, {"subject": f"uid-{UID}"}, {"claims": {"role": "writer", "tenant": "acme"}}):
        more.setdefault("claims", {}).setdefault("role", "reader")
        _, claims = jws.claims(minted(daemon, "forced", typ="at+jwt", **more), jwks(daemon))
        assert (claims["iss"], claims["sub"], claims["tenant"]) == ("https://id.example.com", f"uid-{UID}", "acme")
        assert claims["role"] == more["claims"]["role"]
        # Backdated by 30 s; the token lives its whole time from now on.
        assert claims["iat"] == claims["nbf"] and abs(claims["iat"] - (now - 30)) <= 3
        assert abs(claims["exp"] - (now + 300)) <= 3


def test_another_value_for_what_is_forced_is_refused(daemon):
    base = {"typ": "at+jwt", "claims": {"role": "reader"}}
    assert mint(daemon, "forced", **base).status == 200
    for more in ({"issuer": "https://evil.example"}, {"issuer": "https://id.example.com/"}, {"subject": "root"}, {"subject": f"uid-{UID} "}):
        refused(mint(daemon, "forced", **base, **more), "not_permitted")
    for tenant in ("evil", "", "Acme", "acme ", None, True, 1, [], {}, ["acme", "evil"], ["evil"], {"acme": 1}, "\"acme\""):
        refused(mint(daemon, "forced", typ="at+jwt", claims={"role": "reader", "tenant": tenant}), "not_permitted")


def test_only_what_the_grant_names_may_be_said(daemon):
    def ask(**more):
        request = {"typ": "at+jwt", "claims": {"role": "reader"}, **more}
        return mint(daemon, "forced", **{name: value for name, value in request.items() if value is not None})

    assert ask().status == 200 and ask(claims={"role": ["reader", "writer"]}).status == 200
    for more in (
        {"claims": {"role": "admin"}}, {"claims": {"role": ["reader", "admin"]}}, {"claims": {"role": []}}, {"claims": {}}, {"claims": None},
        {"claims": {"role": {"reader": 1}}}, {"claims": {"role": "reader", "admin": True}}, {"claims": {"role": "reader", "admin": None}},
        {"claims": {"role": "reader", "other": 1}}, {"claims": {"role": "reader", "Role": "reader"}}, {"typ": "JWT"}, {"typ": None},
        {"audience": "https://api.example.com.evil.example"}, {"audience": [API, "https://evil.example"]}, {"audience": "https://a.example.com/x"},
    ):  # fmt: skip
        refused(ask(**more), "not_permitted")
    # Closed unless a grant names them.
    assert mint(daemon, "plain", issuer="https://id.example.com", subject="orders-1").status == 200
    for more in ({"claims": {"a": 1}}, {"typ": "at+jwt"}, {"subject": "admin"}, {"issuer": "https://other.example"}):
        refused(mint(daemon, "plain", **{"issuer": "https://id.example.com", "subject": "orders-1", **more}), "not_permitted")
    # Named, and so it has to be there.
    refused(mint(daemon, "plain", issuer="https://id.example.com"), "not_permitted")
    assert mint(daemon, "narrow", algorithm="PS256", claims={"a": 1}).status == 200
    refused(mint(daemon, "narrow", algorithm="RS256"), "not_permitted")
    refused(mint(daemon, "narrow"), "not_permitted")
    refused(mint(daemon, "narrow", algorithm="PS256", claims={"admin": False}), "not_permitted")


def test_texts_that_read_like_json_are_told_apart(daemon):
    """claim.role = "reader" is matched by the text, and a text that looks like JSON is not the JSON."""
    for role in ('"reader"', 'reader"', "true", "[\"reader\"]", "{\"reader\":1}"):
        refused(mint(daemon, "forced", typ="at+jwt", claims={"role": role}), "not_permitted")


def test_ttl_is_the_grants(daemon):
    for key, most in (("ec-p256.free", 3600), ("forced", 300), ("narrow", 7200)):
        more = {"forced": {"typ": "at+jwt", "claims": {"role": "reader"}}, "narrow": {"algorithm": "PS256"}}.get(key, {})
        assert mint(daemon, key, ttl=most, **more).status == 200
        assert mint(daemon, key, ttl=1, **more).status == 200
        refused(mint(daemon, key, ttl=most + 1, **more), "not_permitted")
    refused(mint(daemon, "ec-p256.free", ttl=31536000), "not_permitted")
    for ttl in (0, -1, 31536001, 1 << 40, 1 << 64, 1.5, "300", None, True, [300]):
        refused(mint(daemon, "ec-p256.free", ttl=ttl), "invalid_request")


# What is no request.


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
def test_registered_claims_are_the_daemons(daemon, name):
    for value in ("x", 1, None, API, []):
        refused(mint(daemon, "ec-p256.free", claims={name: value}), "invalid_request")
    # Some verifiers take these for the same name.
    for alike in {name.upper(), name.title(), name.replace("s", "\u017f"), name + "\0", name + "\0x"}:
        refused(mint(daemon, "ec-p256.free", claims={alike: "x"}), "invalid_request")


def test_malformed_requests_are_refused(daemon):
    for more in (
        {"audience": ""}, {"audience": []}, {"audience": [""]}, {"audience": None}, {"audience": 1}, {"audience": {}}, {"audience": [API, 1]},
        {"audience": ["a"] * 17}, {"audience": "a" * 1025}, {"audience": ["a" * 1025]}, {"audience": [[API]]},
        {"issuer": ""}, {"issuer": "i" * 1025}, {"issuer": 1}, {"issuer": None}, {"issuer": ["i"]}, {"subject": ""}, {"subject": "s" * 1025}, {"subject": {}},
        {"claims": []}, {"claims": "a"}, {"claims": None}, {"claims": {f"c{n}": n for n in range(65)}}, {"claims": {"a": "x" * 17000}},
        {"algorithm": "none"}, {"algorithm": "HS256"}, {"algorithm": "es256"}, {"algorithm": ""}, {"algorithm": None}, {"algorithm": "ES512"}, {"algorithm": 1},
        {"kid": "x"}, {"jti": "x"}, {"exp": 1}, {"header": {}}, {"key": None}, {"key": 1},
    ):  # fmt: skip
        refused(mint(daemon, **{"key": "ec-p256.free", **more}), "invalid_request")
    deep = {"a": 1}
    for _ in range(20):
        deep = {"a": deep}
    refused(mint(daemon, "ec-p256.free", claims=deep), "invalid_request")
    for missing in ("key", "audience", "ttl"):
        body = {"key": "ec-p256.free", "audience": API, "ttl": 60}
        del body[missing]
        with daemon.client() as client:
            refused(client.post("/v1/token/jwt", body), "invalid_request")
    good = b'{"key":"ec-p256.free","audience":"a","ttl":60,"claims":%s}'
    with daemon.client() as client:
        for claims in (b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":1e400}', b'{"a":NaN}', b'{"a":01}', b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}',
                       b'{"\\ud800":1}', b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"a":18446744073709551616}', b'{"a":-9223372036854775809}', b'{"a":"\n"}'):  # fmt: skip
            refused(client.post("/v1/token/jwt", good % claims), "invalid_request")
        assert client.post("/v1/token/jwt", good % b'{"a":1}').status == 200


def test_algorithm_has_to_fit_the_key(daemon, device):
    wrong = {"ec-p256": ("ES384", "RS256", "PS256", "EdDSA"), "ec-p384": ("ES256", "RS256"), "rsa-2048": ("ES256", "ES384", "EdDSA"), "ed25519": ("ES256", "PS256")}
    for kind in kinds_of(device):
        for algorithm in wrong[kind]:
            refused(mint(daemon, f"{kind}.free", algorithm=algorithm), "invalid_request", "unsupported")


def test_token_has_a_greatest_size(daemon):
    """24 KiB, which no single bound on the request would keep."""
    audience = ["a" * 1023 + str(n) for n in range(10)] + ["b" * 1024] * 6
    reply = mint(daemon, "ec-p256.free", audience=audience, claims={"a": "x" * 8000})
    refused(reply, "invalid_request", "too_large")
    reply = mint(daemon, "ec-p256.free", claims={"a": "x" * 16000})
    assert reply.status == 200 and len(reply.json["token"]) <= 24 * 1024
    # 16 KiB counts what is sent, not what an escape makes of it.
    assert mint(daemon, "ec-p256.free", claims={"a": "\u0001" * 2000}).status == 200


def test_only_jwt_keys_make_tokens(root, daemon):
    refused(mint(daemon, "digests"), "not_permitted", "invalid_request")
    refused(mint(daemon, "ungranted"), "not_permitted")

    def shape(reply):
        body = problem(reply, "not_permitted", 403)
        del body["request_id"], body["audit_seq"]
        return body

    assert shape(mint(daemon, "ungranted")) == shape(mint(daemon, "no-such-key"))
    stranger = as_user(MALLORY, lambda: mint(daemon, "ec-p256.free"))
    assert shape(stranger) == shape(mint(daemon, "no-such-key"))
    assert as_user(MALLORY, lambda: jwks(daemon)) == {"keys": []}


# The JWK Set.


def test_jwk_set_has_what_is_published_and_granted(daemon, device):
    with daemon.client() as client, daemon.admin() as admin:
        reply = client.get("/v1/jwks")
        assert openapi.fault("GET", "/v1/jwks", reply) == ""
        keys = reply.json["keys"]
        entries = {name: client.get(f"/v1/keys/{name}").json for name in (*(f"{kind}.free" for kind in kinds_of(device)), "forced", "plain", "narrow")}
        assert sorted(key["kid"] for key in keys) == sorted(entry["versions"][0]["kid"] for entry in entries.values())
        for key in keys:
            assert key["use"] == "sig" and not {"d", "p", "q", "k"} & set(key)
            if key["kty"] == "RSA":
                assert sorted(key) == ["e", "kid", "kty", "n", "use"]
            elif key["kty"] == "OKP":
                assert sorted(key) == ["alg", "crv", "kid", "kty", "use", "x"]
                assert (key["crv"], key["alg"]) == ("Ed25519", "EdDSA")
            else:
                assert sorted(key) == ["alg", "crv", "kid", "kty", "use", "x", "y"]
                assert (key["crv"], key["alg"]) in (("P-256", "ES256"), ("P-384", "ES384"))
            # RFC 7638 §3.2, RFC 8037 §2: the thumbprint of the members that make the key.
            needed = {name: key[name] for name in {"RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y")}[key["kty"]]}
            text = json.dumps(needed, sort_keys=True, separators=(",", ":")).encode()
            assert key["kid"] == jws.encode(hashlib.sha256(text).digest())
        assert [key["kid"] for key in jwks(daemon, "forced")["keys"]] == [entries["forced"]["versions"][0]["kid"]]
        everything = admin.get("/v1/jwks")
        assert openapi.fault("GET", "/v1/jwks", everything) == "" and len(everything.json["keys"]) == 4 + len(kinds_of(device))
        for change, there in (("disable", False), ("enable", True)):
            assert admin.post(f"/v1/keys/plain/{change}").status == 200
            assert (entries["plain"]["versions"][0]["kid"] in [key["kid"] for key in jwks(daemon)["keys"]]) is there


# jti.


def test_jti_is_unique_over_a_restart(daemon):
    seen, lock = [], threading.Lock()

    def take(count):
        with daemon.client() as client:
            for _ in range(count):
                reply = client.post("/v1/token/jwt", {"key": "ec-p256.free", "audience": API, "ttl": 60})
                with lock:
                    seen.append(reply.json["jti"])

    for _ in range(2):
        threads = [threading.Thread(target=take, args=(125,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        daemon.stop()
        daemon.start()
    assert len(seen) == len(set(seen)) == 1000
    # 128 random bits, whatever their spelling.
    for jti in seen[:50]:
        raw = bytes.fromhex(jti) if re.fullmatch("[0-9a-f]{32}", jti) else base64.urlsafe_b64decode(jti + "=" * (-len(jti) % 4))
        assert len(raw) == 16, jti
