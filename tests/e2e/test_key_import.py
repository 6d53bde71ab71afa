"""Private keys brought along in PEM: each kind goes in, signs, and does not come out again."""

import base64
import os
import re
import stat

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

from holdfast_testing import jws, openapi, pem
from holdfast_testing.daemon import Daemon, problem
from holdfast_testing.memory import memory
from holdfast_testing.paths import temporary_folder
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.tokens import jwks, mint, minted

UID = os.geteuid()
GRANT = f"""
[[grant]]
name = "everything"
key = "**"
caller = {{ uid = {UID} }}
"""
KINDS = ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072"]


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANT) as running:
        yield running


@pytest.fixture(scope="module")
def keys():
    """One key of each kind, as PKCS#8."""
    return {kind: pem.pkcs8(kind) for kind in KINDS}


def bring(daemon, name, text, use="jwt", **more):
    with daemon.admin() as admin:
        reply = admin.post("/v1/keys/import", {"name": name, "use": use, "device": "tpm", "private_key_pem": text, **more})
    fault = openapi.fault("POST", "/v1/keys/import", reply)
    assert fault == "", fault
    return reply


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_form_of_each_kind_signs_as_the_key_it_was(daemon, keys, kind, form):
    text = keys[kind] if form == "pkcs8" else pem.traditional(keys[kind])
    assert ("BEGIN PRIVATE KEY" in text) == (form == "pkcs8")
    name, kid = f"{kind}-{form}", f"{kind}/{form}:1"
    reply = bring(daemon, name, text, kid=kid)
    assert reply.status == 201, reply
    entry = reply.json
    assert (entry["type"], entry["use"], entry["origin"]) == (kind, "jwt", "imported")
    assert [(v["version"], v["kid"], v["state"]) for v in entry["versions"]] == [(1, kid, "active")]
    with daemon.admin() as admin:
        shown = admin.get(f"/v1/keys/{name}").json
    assert shown["public_key_pem"] == pem.public(text)
    assert {member: shown["jwk"][member] for member in pem.jwk(text)} == pem.jwk(text)
    # Verified with the key that we made, not with what the daemon says it is.
    header, claims = jws.claims(minted(daemon, name, subject="it"), {"keys": [dict(pem.jwk(text), kid=kid)]})
    assert header["kid"] == kid and claims["sub"] == "it"


def test_thumbprint_names_it_where_nobody_does(daemon):
    text = pem.pkcs8("ec-p256")
    kid = bring(daemon, "unnamed", text).json["versions"][0]["kid"]
    made = pem.jwk(text)
    canonical = f'{{"crv":"{made["crv"]}","kty":"EC","x":"{made["x"]}","y":"{made["y"]}"}}'
    assert kid == jws.encode(pem.openssl("dgst", "-sha256", "-binary", data=canonical.encode()))


def test_further_version_is_of_the_same_type(daemon):
    assert bring(daemon, "versions", pem.pkcs8("ec-p256"), kid="first").status == 201
    with daemon.admin() as admin:
        for text, codes in ((pem.pkcs8("ec-p384"), ("invalid_request", "conflict")), ("nonsense", ("invalid_request",))):
            reply = admin.post("/v1/keys/versions/versions", {"private_key_pem": text, "state": "active"})
            assert reply.code in codes, reply
        second = pem.pkcs8("ec-p256")
        reply = admin.post("/v1/keys/versions/versions", {"private_key_pem": second, "kid": "second", "state": "active"})
        assert reply.status == 201, reply
        assert [(v["kid"], v["state"]) for v in reply.json["versions"]] == [("first", "verifying"), ("second", "active")]
    header, _ = jws.claims(minted(daemon, "versions"), {"keys": [dict(pem.jwk(second), kid="second")]})
    assert header["kid"] == "second"
    assert {"first", "second"} <= {key["kid"] for key in jwks(daemon, "versions")["keys"]}


def test_names_of_keys_are_not_shared(daemon):
    assert bring(daemon, "named", pem.pkcs8("ec-p256"), kid="the-one").status == 201
    problem(bring(daemon, "named-too", pem.pkcs8("ec-p256"), kid="the-one"), "conflict", 409)
    problem(bring(daemon, "named", pem.pkcs8("ec-p256"), kid="another"), "conflict", 409)
    for kid in ("", "k" * 129, 'a"b', "a\\b", "a b\n", "é", 1, None):
        problem(bring(daemon, "badly-named", pem.pkcs8("ec-p256"), kid=kid), "invalid_request", 400)
    with daemon.admin() as admin:
        problem(admin.get("/v1/keys/named-too"), "not_found", 404)


def test_what_is_no_such_key_is_refused(daemon, keys):
    good = keys["ec-p256"]
    encrypted = pem.openssl("pkcs8", "-topk8", "-passout", "pass:secret", data=good.encode()).decode()
    old_encrypted = pem.openssl("rsa", "-traditional", "-aes128", "-passout", "pass:secret", data=keys["rsa-2048"].encode()).decode()
    certificate = pem.openssl("req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=x", "-days", "1", data=good.encode()).decode()
    body = "".join(good.splitlines()[1:-1])
    der = base64.b64decode(body)
    trailing = base64.encodebytes(der + b"\0").decode()
    flipped = base64.encodebytes(der[:-1] + bytes([der[-1] ^ 1])).decode()  # the public point fits the number no more
    bad = {
        "P-521": pem.pkcs8("ec-p521"), "secp256k1": pem.pkcs8("ec-k256"), "RSA-1024": pem.pkcs8("rsa-1024"), "RSA-4096": pem.pkcs8("rsa-4096"),
        "exponent 3": pem.pkcs8("rsa-exponent-3"), "Ed25519": pem.pkcs8("ed25519"), "public key": pem.public(good), "certificate": certificate,
        "encrypted PKCS#8": encrypted, "encrypted PKCS#1": old_encrypted, "empty": "", "garbage": "garbage", "no end": good.rpartition("-----END")[0],
        "two keys": good + keys["ec-p384"], "twice the same": good + good, "key and certificate": good + certificate,
        "bytes after the key": f"-----BEGIN PRIVATE KEY-----\n{trailing}-----END PRIVATE KEY-----\n",
        "another point": f"-----BEGIN PRIVATE KEY-----\n{flipped}-----END PRIVATE KEY-----\n",
        "no base64": good.replace(body[10:14], "!!!!"), "number": 1, "nothing": None,
    }  # fmt: skip
    for what, text in bad.items():
        reply = bring(daemon, "bad", text)
        assert reply.code in ("invalid_request", "unsupported"), (what, reply)
        problem(reply, reply.code)
        # The refusal does not repeat what it got.
        assert not (isinstance(text, str) and len(text) > 100 and text[40:60] in reply.content.decode()), what
    for use in ("sigv4", "tls", ""):
        assert bring(daemon, "bad", good, use=use).code in ("invalid_request", "unsupported"), use
    for more in ({"access_key_id": "AKIA"}, {"secret_access_key": "x"}, {"type": "ec-p256"}, {"public_key_pem": pem.public(good)}):
        problem(bring(daemon, "bad", good, **more), "invalid_request", 400)
    with daemon.admin() as admin:
        problem(admin.get("/v1/keys/bad"), "not_found", 404)
        assert admin.get("/v1/health").json["status"] == "ok"


def test_text_around_the_key_is_passed_over(daemon):
    """RFC 7468 §2 allows it, and openssl writes some: attributes of PKCS#12, EC PARAMETERS."""
    parameters = pem.openssl("ecparam", "-name", "prime256v1", "-genkey").decode()
    assert "BEGIN EC PARAMETERS" in parameters
    assert bring(daemon, "with-parameters", parameters).status == 201
    assert bring(daemon, "with-text", "Bag Attributes\n    friendlyName: it\n" + pem.pkcs8("ec-p256") + "\nand so on\n").status == 201


def test_imported_keys_serve_digests_too(daemon):
    text = pem.pkcs8("rsa-2048")
    assert bring(daemon, "release", text, use="digest").status == 201
    digest = os.urandom(32)
    with daemon.client() as client:
        reply = client.post("/v1/sign/digest", {"key": "release", "algorithm": "PS256", "digest": base64.b64encode(digest).decode()})
        assert reply.status == 200, reply
    key = jws.public_key(pem.jwk(text), "PS256")
    key.verify(base64.b64decode(reply.json["signature"]), digest, padding.PSS(padding.MGF1(hashes.SHA256()), 32), utils.Prehashed(hashes.SHA256()))
    assert mint(daemon, "release").code in ("not_permitted", "invalid_request")


# It does not come out again.


def files(folder):
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, "rb") as file:
                    yield path, file.read()


@pytest.mark.parametrize("kind", ["ec-p256", "rsa-2048"])
def test_no_file_and_no_process_has_the_private_key(root, daemon, kind):
    text = pem.pkcs8(kind)
    name = f"hidden-{kind}"
    assert bring(daemon, name, text, kid=f"KIDHIDDEN{kind}").status == 201
    minted(daemon, name)
    traces = [(part, trace) for part, secret in pem.secrets(text).items() for trace in pem.traces(secret)]
    for path, content in list(files(daemon.state)) + list(files(daemon.runtime)) + [(daemon.log, daemon.log_text().encode())]:
        for part, trace in traces:
            assert trace not in content, f"{part} is in {path}"
    for process in ("core", "device"):
        found = {part for content in memory(daemon.part(process)) for part, trace in traces if trace in content}
        assert not found, f"{sorted(found)} in the memory of the {process} process"
    assert any(f"KIDHIDDEN{kind}".encode() in content for content in memory(daemon.part("core"))), "the search finds nothing at all"


class Loaded:
    """An imported key, in tpm2-tools' hands, with all that the state folder gives away about it."""

    def __init__(self, tpm, path, folder):
        with open(path, encoding="ascii") as file:
            text = file.read()
        self.auth = (re.search(r"^Holdfast-Auth: ([0-9a-f]+)$", text, re.MULTILINE) or [None, ""])[1]
        self.tpm, self.folder = tpm, folder
        with open(os.path.join(folder, "k.pem"), "w", encoding="ascii") as file:
            file.write(text[text.index("-----BEGIN") :])
        self.run("tpm2_load", "-r", "k.pem", "-c", "k.ctx", check=True)
        self.secrets = [self.auth, f"hex:{self.auth}"] if self.auth else [""]

    def run(self, *command, check=False):
        result = self.tpm.tool(*(os.path.join(self.folder, part) if part.endswith((".ctx", ".pem", ".out", ".dig")) and "/" not in part and ":" not in part else part
                                 for part in command), check=False)  # fmt: skip
        self.tpm.tool("tpm2_flushcontext", "-t", check=False)
        assert not check or result.returncode == 0, (command, result.stderr)
        return result

    def session(self, *policy):
        """A fresh session after these policy commands."""
        name = os.path.join(self.folder, "session.ctx")
        self.tpm.tool("tpm2_flushcontext", "-l", check=False)
        self.run("tpm2_startauthsession", *(["--policy-session"] if policy != ("hmac",) else ["--hmac-session"]), "-S", "session.ctx", check=True)
        for command in policy:
            if command != "hmac":
                self.run(*command, "-S", "session.ctx", check=True)
        return f"session:{name}"


@pytest.fixture(scope="module")
def apart():
    """A TPM and daemon that are stopped and started here."""
    with temporary_folder() as folder, Swtpm(os.path.join(folder, "t")) as tpm, Daemon(os.path.join(folder, "d"), tpm.tcti, GRANT) as running:
        for kind in ("ec-p256", "rsa-2048"):
            assert bring(running, kind, pem.pkcs8(kind)).status == 201
        running.stop()
        yield folder, tpm, running


DUPLICATE = ("tpm2_policycommandcode", "TPM2_CC_Duplicate")


@pytest.mark.parametrize("kind", ["ec-p256", "rsa-2048"])
def test_tpm2_tools_can_not_get_it_out(apart, kind):
    folder, tpm, daemon = apart
    key = Loaded(tpm, os.path.join(daemon.state, "keys", kind, "v1.pem"), folder)
    shown = key.run("tpm2_readpublic", "-c", "k.ctx", check=True).stdout
    assert "sign" in shown and "decrypt" not in shown and "restricted" not in shown.split("attributes")[1].split("raw")[0], shown
    assert "authorization policy" not in shown, shown

    def duplicate(auth, *more):
        out = [part for name in ("-r", "-s") for part in (name, os.path.join(folder, f"copy{name}.out"))]
        result = key.run("tpm2_duplicate", "-C", "null", "-c", "k.ctx", "-G", "null", *(["-p", auth] if auth else []), *out, *more)
        assert result.returncode != 0, "it was duplicated"
        return result.stderr

    attempts = [duplicate("")] + [duplicate(secret) for secret in key.secrets]
    for policy in ((), (DUPLICATE,), (("tpm2_policyauthvalue",),), (("tpm2_policypassword",),), (("tpm2_policypassword",), DUPLICATE), (DUPLICATE, ("tpm2_policyauthvalue",)), ("hmac",)):
        for secret in key.secrets:
            session = key.session(*policy)
            attempts.append(duplicate(session + (f"+{secret}" if secret else "")))
    # The TPM refused, not the tool's command line.
    refused = [text for text in attempts if re.search(r"Esys_Duplicate\(0x|0x124|0x99D|0x9A2|0x98E|0x12F|0x99d|0x98e|0x12f", text)]
    assert len(refused) >= 4, attempts

    for command in (("tpm2_unseal", "-c", "k.ctx"), ("tpm2_rsadecrypt", "-c", "k.ctx", "-o", "plain.out", "k.pem"),
                    ("tpm2_create", "-C", "k.ctx", "-u", "u.out", "-r", "r.out"), ("tpm2_encryptdecrypt", "-c", "k.ctx", "-o", "e.out", "k.pem")):  # fmt: skip
        for secret in key.secrets:
            auth = ["-p", secret] if secret and command[0] != "tpm2_create" else ["-P", secret] if secret else []
            assert key.run(*command[:1], *auth, *command[1:]).returncode != 0, command
    tpm.tool("tpm2_flushcontext", "-l", check=False)


def test_control_a_key_made_to_be_duplicated_is(apart):
    """The same commands do duplicate a key whose policy allows it, so the refusals above mean something."""
    folder, tpm, _ = apart
    path = lambda name: os.path.join(folder, name)  # noqa: E731
    tpm.tool("tpm2_flushcontext", "-l", check=False)
    tpm.tool("tpm2_startauthsession", "-S", path("trial.ctx"))
    tpm.tool("tpm2_policycommandcode", "TPM2_CC_Duplicate", "-S", path("trial.ctx"), "-L", path("policy.dig"))
    tpm.tool("tpm2_flushcontext", path("trial.ctx"))
    tpm.tool("tpm2_createprimary", "-C", "o", "-G", "ecc", "-c", path("parent.ctx"))
    tpm.tool("tpm2_create", "-C", path("parent.ctx"), "-G", "ecc", "-L", path("policy.dig"), "-a", "sensitivedataorigin|userwithauth|sign", "-u", path("u.out"), "-r", path("r.out"))
    tpm.tool("tpm2_flushcontext", "-t")
    tpm.tool("tpm2_load", "-C", path("parent.ctx"), "-u", path("u.out"), "-r", path("r.out"), "-c", path("k2.ctx"))
    tpm.tool("tpm2_flushcontext", "-t")
    tpm.tool("tpm2_startauthsession", "--policy-session", "-S", path("session.ctx"))
    tpm.tool("tpm2_policycommandcode", "TPM2_CC_Duplicate", "-S", path("session.ctx"))
    tpm.tool("tpm2_duplicate", "-C", "null", "-c", path("k2.ctx"), "-G", "null", "-p", "session:" + path("session.ctx"), "-r", path("copy.out"), "-s", path("seed.out"))
    assert os.path.getsize(path("copy.out")) > 0
    tpm.tool("tpm2_flushcontext", "-t", check=False)
    tpm.tool("tpm2_flushcontext", "-l", check=False)


def test_it_signs_on_after_all_that(apart):
    _, _, daemon = apart
    daemon.start()
    for kind in ("ec-p256", "rsa-2048"):
        jws.verify(minted(daemon, kind), jwks(daemon))
    daemon.stop()
