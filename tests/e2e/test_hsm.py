"""A daemon with a token of SoftHSM: keys of each use, keys that were there before, a wrong PIN, a token that goes and comes."""

import base64
import contextlib
import hashlib
import os
import pwd
import shutil
import subprocess
import time
from concurrent import futures

import pytest

from holdfast_testing import jws, openapi, sigv4
from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.processes import wait_until
from holdfast_testing.softhsm import PIN, SoftHsm
from holdfast_testing.tokens import jwks, minted

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def daemon(folder, softhsm):
    with Daemon(os.path.join(folder, "daemon"), softhsm, everything()) as running:
        wait_until(lambda: device_of(running)["state"] == "ready", 20, "the device is ready")
        yield running


def device_of(daemon):
    with daemon.client() as client:
        return client.get("/v1/health").json["devices"][0]


def enrol(daemon, **body):
    with daemon.admin() as admin:
        reply = admin.post("/v1/keys/enrol", {"device": "hsm", **body})
    fault = openapi.fault("POST", "/v1/keys/enrol", reply)
    assert fault == "", fault
    return reply


def sign_digest(daemon, key, algorithm, message=b"message"):
    sha = hashlib.sha384 if algorithm == "ES384" else hashlib.sha256
    encoding = "der" if algorithm.startswith("ES") else "raw"
    body = {"key": key, "algorithm": algorithm, "encoding": encoding, "digest": base64.b64encode(sha(message).digest()).decode()}
    with daemon.client() as client:
        return client.post("/v1/sign/digest", body)


def openssl_takes(folder, daemon, key, algorithm, reply, message=b"message"):
    files = {"pem": daemon.cli("key", "show", key, "--pem").stdout.encode(), "sig": base64.b64decode(reply.json["signature"]), "msg": message}
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if algorithm == "PS256" else []
    command = ["openssl", "dgst", "-sha384" if algorithm == "ES384" else "-sha256", *padding, "-verify", "pem", "-signature", "sig", "msg"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=30).returncode == 0


def test_the_device_says_what_it_is(daemon):
    with daemon.client() as client:
        reply = client.get("/v1/health")
    assert openapi.fault("GET", "/v1/health", reply) == ""
    assert reply.json["status"] == "ok", reply
    device = reply.json["devices"][0]
    assert (device["backend"], device["state"], device["software"], device["verify"]) == ("pkcs11", "ready", True, "always")
    assert "sessions" not in device, "they are a TPM's"
    assert "hsm" in daemon.cli("health").stdout


def test_a_secret_that_is_sealed_in_the_hsm_signs_as_aws_expects(daemon, softhsm):
    daemon.import_aws("aws", "AKIAHSM", SECRET)
    reply = daemon.sign(sigv4.get("aws", explain=True))
    assert reply.status == 200, reply
    assert sigv4.wrong(reply.json, SECRET) == ""
    assert SECRET not in softhsm.tool("--list-objects")


@pytest.mark.parametrize("kind, algorithms", [("ec-p256", ["ES256"]), ("ec-p384", ["ES384"]), ("rsa-2048", ["RS256", "PS256"])])
def test_keys_of_each_type_sign_what_openssl_verifies(folder, daemon, kind, algorithms):
    key = daemon.create_key(f"digest.{kind}", kind)
    assert (key["origin"], key["software"], key["verify"]) == ("generated", True, "always")
    for algorithm in algorithms:
        reply = sign_digest(daemon, key["name"], algorithm)
        assert reply.status == 200, reply
        assert openssl_takes(folder, daemon, key["name"], algorithm, reply), algorithm
        assert not openssl_takes(folder, daemon, key["name"], algorithm, reply, b"another message"), algorithm


def test_many_callers_sign_at_once_and_an_administrator_between_them(folder, daemon):
    daemon.create_key("busy")
    with futures.ThreadPoolExecutor(16) as pool:
        replies = [pool.submit(sign_digest, daemon, "busy", "ES256") for _ in range(300)]
        for number in range(3):
            daemon.create_key(f"between-{number}")
        for reply in futures.as_completed(replies):
            assert reply.result().status == 200, reply.result()
    assert openssl_takes(folder, daemon, "busy", "ES256", replies[-1].result())
    assert device_of(daemon)["state"] == "ready"


def test_tokens_are_taken_by_a_verifier(daemon):
    daemon.create_key("jwt", "ec-p256", "jwt")
    header, claims = jws.claims(minted(daemon, "jwt"), jwks(daemon, "jwt"))
    assert header["alg"] == "ES256" and claims["aud"] == "https://api.example.com"


def test_an_ed25519_key_signs_tokens_and_no_digests(daemon):
    daemon.create_key("ed", "ed25519", "jwt")
    header, _ = jws.claims(minted(daemon, "ed", audience=["a" * 1024] * 16), jwks(daemon, "ed"))
    assert header["alg"] == "EdDSA"
    shown = daemon.cli("key", "show", "ed").stdout
    assert "ed25519" in shown, shown
    with daemon.admin() as admin:
        refused = problem(admin.post("/v1/keys", {"name": "ed-digest", "type": "ed25519", "device": "hsm", "use": "digest"}), "invalid_request", 400)
    assert "ed25519 for jwt" in refused["detail"], refused
    refused = problem(sign_digest(daemon, "ed", "EdDSA"), "invalid_request", 400)
    assert "no digests" in refused["detail"], refused
    problem(sign_digest(daemon, "ed", "ES256"), "not_permitted", 403)


def test_a_key_that_is_on_the_token_is_enrolled_signs_and_outlives_its_deletion(folder, daemon, softhsm):
    softhsm.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "release", "--id", "a1", "--sensitive", "--usage-sign")
    reply = enrol(daemon, name="release", use="digest", uri="pkcs11:object=release")
    assert reply.status == 201, reply
    assert (reply.json["type"], reply.json["origin"]) == ("ec-p256", "generated")
    assert openssl_takes(folder, daemon, "release", "ES256", sign_digest(daemon, "release", "ES256"))
    problem(enrol(daemon, name="again", use="digest", uri="pkcs11:object=nothing"), "invalid_request")
    problem(enrol(daemon, name="pin", use="digest", uri="pkcs11:object=release?pin-value=1"), "invalid_request")
    with daemon.admin() as admin:
        assert admin.delete("/v1/keys/release").status == 204
    assert "release" in softhsm.labels()
    shown = daemon.cli("key", "enrol", "release", "--uri", "pkcs11:object=release", "--use", "digest").stdout
    assert shown == "key release is the ec-p256 key that was on hsm\n"


def test_a_key_that_could_leave_the_token_is_not_enrolled(daemon, softhsm):
    softhsm.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "weak", "--id", "a2", "--extractable", "--usage-sign")
    refused = problem(enrol(daemon, name="weak", use="digest", uri="pkcs11:object=weak"), "conflict")
    assert "EXTRACTABLE" in refused["detail"] or "SENSITIVE" in refused["detail"], refused


def test_what_is_deleted_or_fails_leaves_nothing_on_the_token(daemon, softhsm):
    before = softhsm.private_keys()
    daemon.create_key("short-lived", "ec-p256")
    assert softhsm.private_keys() == before + 1
    with daemon.admin() as admin:
        assert admin.delete("/v1/keys/short-lived").status == 204
    assert softhsm.private_keys() == before


def test_keys_survive_a_restart_and_a_killed_device_process(daemon):
    daemon.create_key("durable", "ec-p256")
    os.kill(daemon.part("device"), 9)
    reply = wait_until(lambda: answered(daemon, "durable"), 10, "it signs again")
    assert reply.status == 200
    daemon.stop()
    daemon.start()
    wait_until(lambda: device_of(daemon)["state"] == "ready", 20, "the device is ready")
    assert sign_digest(daemon, "durable", "ES256").status == 200


def answered(daemon, key):
    reply = sign_digest(daemon, key, "ES256")
    return reply if reply.status == 200 else None


@pytest.mark.parametrize("dies", [False, True], ids=["in the same process", "in a new process"])
def test_a_token_that_is_gone_is_said_and_used_again_once_it_is_back(daemon, softhsm, dies):
    key = daemon.create_key(f"pulled-{dies}".lower())["name"]
    softhsm.pull_out()
    try:
        if dies:
            os.kill(daemon.part("device"), 9)
        else:
            problem(sign_digest(daemon, key, "ES256"), "device_unavailable")
        wait_until(lambda: device_of(daemon)["state"] == "unavailable", 20, "it is noticed")
        problem(sign_digest(daemon, key, "ES256"), "device_unavailable")
    finally:
        softhsm.put_back()
    wait_until(lambda: answered(daemon, key), 30, "it signs again")


def test_a_token_that_is_another_is_refused_until_it_is_accepted(folder):
    token = SoftHsm(os.path.join(folder, "another"))
    with Daemon(os.path.join(folder, "another-daemon"), token, everything()) as running:
        wait_until(lambda: device_of(running)["state"] == "ready", 20, "the device is ready")
        running.create_key("former")
        running.stop()
        token.initialise_anew()
        running.start()
        wait_until(lambda: device_of(running)["state"] == "refused", 20, "it is refused")
        with running.client() as client:
            assert any("the token is another than the one on record" in reason for reason in client.get("/v1/health").json["reasons"])
        problem(sign_digest(running, "former", "ES256"), "device_unavailable")
        running.cli("device", "accept", "hsm", "--yes")
        wait_until(lambda: device_of(running)["state"] == "ready", 20, "it is accepted")
        problem(sign_digest(running, "former", "ES256"), "key_lost")
        running.create_key("new")
        assert sign_digest(running, "new", "ES256").status == 200


def test_the_pin_is_nowhere_but_in_its_file(daemon, softhsm):
    with open(softhsm.pin_file, encoding="utf-8") as file:
        pin = file.read().strip()
    for name in ("cmdline", "environ"):
        with open(f"/proc/{daemon.part('device')}/{name}", "rb") as file:
            assert pin.encode() not in file.read(), name
    assert pin not in daemon.log_text()


def test_the_pin_is_read_as_root_and_the_module_works_as_another_user(root, folder):
    """Users that every Debian has."""
    place = os.path.join(folder, "users")
    token, state = SoftHsm(os.path.join(place, "token")), os.path.join(place, "state")
    os.makedirs(state, 0o700)
    shutil.chown(state, "daemon")
    os.chmod(place, 0o755)
    for path, folders, files in os.walk(token.folder):
        for name in [".", *folders, *files]:
            if name != "pin":
                shutil.chown(os.path.join(path, name), "games", "games")
    settings = 'user = "daemon"\ndevice_user = "games"'
    with Daemon(os.path.join(place, "daemon"), token, everything(), settings=settings, state=state) as running:
        wait_until(lambda: device_of(running)["state"] == "ready", 20, "the device is ready")
        running.create_key("theirs")
        assert sign_digest(running, "theirs", "ES256").status == 200
        device = running.part("device")
        with open(f"/proc/{device}/status", encoding="utf-8") as file:
            assert f"Uid:\t{pwd.getpwnam('games').pw_uid}\t" in file.read()
    assert os.stat(token.pin_file).st_uid == 0


def test_a_folder_that_the_module_may_not_write_to_is_named(root, folder):
    place = os.path.join(folder, "unwritable")
    token, state = SoftHsm(os.path.join(place, "token")), os.path.join(place, "state")
    os.makedirs(state, 0o700)
    shutil.chown(state, "daemon")
    os.chmod(place, 0o755)
    settings = 'user = "daemon"\ndevice_user = "games"'
    with Daemon(os.path.join(place, "daemon"), token, everything(), settings=settings, state=state) as running:
        wait_until(lambda: device_of(running)["state"] == "unavailable", 20, "it is refused")
        with running.client() as client:
            assert any(f"can't write to {token.folder}" in reason for reason in client.get("/v1/health").json["reasons"])


def test_a_wrong_pin_is_tried_once_and_said(folder):
    token = SoftHsm(os.path.join(folder, "wrong"), pin="00000000")
    with Daemon(os.path.join(folder, "wrong-daemon"), token, everything()) as running:
        wait_until(lambda: device_of(running)["state"] == "unavailable", 20, "the PIN is refused")
        first = running.part("device")
        with running.client() as client:
            assert any("PIN" in reason for reason in client.get("/v1/health").json["reasons"])
        time.sleep(12)  # longer than a process tries to open a device that does not open
        assert running.part("device") == first, "a successor would try it again"
        tried = [line for line in running.log_text().splitlines() if "device_not_opened" in line and "PIN_INCORRECT" in line]
        assert len(tried) == 1, tried
        assert "00000000" not in running.log_text()

        # Nor is a right one, before an administrator says so; then it is, though the token's own mark stands.
        token.write_pin(PIN)
        running.stop()
        running.start()
        wait_until(lambda: device_of(running)["state"] == "unavailable", 20, "the refusal is remembered")
        running.cli("device", "accept", "hsm", "--yes")
        wait_until(lambda: device_of(running)["state"] == "ready", 20, "the corrected PIN is taken")


def test_a_pin_that_somebody_else_got_wrong_is_not_given_before_a_right_one(folder):
    token = SoftHsm(os.path.join(folder, "low"))
    with contextlib.suppress(RuntimeError):
        token.tool("--list-objects", pin="00000000")
    with Daemon(os.path.join(folder, "low-daemon"), token, everything()) as running:
        wait_until(lambda: device_of(running)["state"] == "unavailable", 20, "the token's mark is heeded")
        token.tool("--list-objects")
        running.stop()
        running.start()
        wait_until(lambda: device_of(running)["state"] == "ready", 20, "somebody proved the PIN")


@pytest.mark.parametrize("fault, said", [("mode", "chmod 0400"), ("absent", "can't be opened")])
def test_a_pin_file_that_others_could_read_is_not_used(folder, fault, said):
    token = SoftHsm(os.path.join(folder, fault))
    if fault == "mode":
        os.chmod(token.pin_file, 0o644)
    else:
        os.unlink(token.pin_file)
    with Daemon(os.path.join(folder, f"{fault}-daemon"), token, everything()) as running:
        wait_until(lambda: device_of(running)["state"] == "unavailable", 20, "it is refused")
        with running.client() as client:
            assert any(said in reason for reason in client.get("/v1/health").json["reasons"])
        first = running.part("device")
        token.write_pin(PIN)
        wait_until(lambda: device_of(running)["state"] == "ready", 30, "a new process read the corrected file")
        assert running.part("device") != first


def test_sampled_verification_is_shown(folder):
    token = SoftHsm(os.path.join(folder, "sampled"))
    with Daemon(os.path.join(folder, "sampled-daemon"), token, everything(), device='verify = "sampled"') as running:
        wait_until(lambda: device_of(running)["state"] == "ready", 20, "the device is ready")
        assert device_of(running)["verify"] == "sampled"
        assert running.create_key("k")["verify"] == "sampled"
        for _ in range(70):
            assert sign_digest(running, "k", "ES256").status == 200
        assert "sampled" in running.cli("key", "list").stdout
