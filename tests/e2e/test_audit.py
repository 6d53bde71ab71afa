"""The log as evidence (threat row 10): signed checkpoints, proofs that another verifier accepts, tampering that is found."""

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess

import pytest

from holdfast_testing import tlog
from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.paths import program
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.tokens import mint

SECRET = "a-secret-of-the-audit-tests"
AUDIT = 'signing_key = "audit-log"\norigin = "machine.example/holdfast"\ncheckpoint_seconds = 1'


def audit_folder(daemon):
    return os.path.join(daemon.state, "audit")


def health(daemon):
    with daemon.client() as client:
        return client.get("/v1/health").json


def is_signed(daemon):
    """Everything so far is covered by a checkpoint; asking adds no record."""
    log = health(daemon)["audit"]
    return log["signed_records"] >= log["records"] and log


def verify(daemon, *options, folder=None):
    result = daemon.cli("--json", "audit", "verify", "--from", folder or audit_folder(daemon), *options, check=False)
    verdict = json.loads(result.stdout)
    assert (result.returncode == 0) == verdict["good"]
    return verdict


@pytest.fixture(scope="module")
def signing(folder, swtpm):
    """A daemon whose checkpoints are signed, some records, and its public key."""
    with Daemon(os.path.join(folder, "signing"), swtpm.tcti, everything(), audit=AUDIT) as daemon:
        daemon.create_key("audit-log", use="audit")
        daemon.import_aws("aws", "AKIAAUDIT", SECRET)
        daemon.create_key("tokens", use="jwt")
        daemon.create_key("digests")
        daemon.key = os.path.join(daemon.folder, "audit-log.pem")
        with open(daemon.key, "w", encoding="utf-8") as file:
            file.write(daemon.cli("key", "show", "audit-log", "--pem").stdout)
        with open(daemon.key, encoding="utf-8") as file:
            daemon.pem = file.read()
        for _ in range(20):
            assert daemon.sign(get("aws")).status == 200
        wait_until(lambda: is_signed(daemon), 60, "a checkpoint is signed")
        yield daemon


def test_every_reply_carries_its_records_index(signing):
    signed = signing.sign(get("aws"))
    refused = signing.sign(get("no-such-key"))
    problem(refused, "not_permitted", 403)
    with signing.admin() as admin:
        shown = admin.get("/v1/keys/aws")
        missing = admin.get("/v1/keys/no-such-key")
    seqs = [signed.json["audit_seq"], refused.json["audit_seq"], int(shown.headers["Audit-Seq"]), missing.json["audit_seq"]]
    assert seqs == list(range(seqs[0], seqs[0] + 4))
    records = {record["seq"]: record for record in signing.audit(after=seqs[0] - 1)}
    assert [records[seq]["operation"] for seq in seqs] == ["sign.sigv4", "sign.sigv4", "admin.key.show", "admin.key.show"]
    assert [records[seq]["code"] for seq in seqs] == ["ok", "not_permitted", "ok", "not_found"]


def test_checkpoint_binds_log_policy_and_catalogue(signing):
    with open(os.path.join(audit_folder(signing), "checkpoint"), encoding="utf-8") as file:
        checkpoint = tlog.Checkpoint(file.read(), signing.pem)
    assert checkpoint.origin == "machine.example/holdfast"
    assert checkpoint.extensions["policy"] == health(signing)["policy_digest"]
    keys = os.path.join(signing.state, "keys")
    metadata = b""
    for name in sorted(os.listdir(keys)):
        with open(os.path.join(keys, name, "key.json"), "rb") as file:
            metadata += file.read()
    assert checkpoint.extensions["catalogue"] == hashlib.sha256(metadata).hexdigest()
    assert set(checkpoint.extensions) == {"time", "policy", "catalogue", "anchor"}


def test_proof_is_accepted_by_another_verifier(signing):
    reply = signing.sign(get("aws"))
    seq = reply.json["audit_seq"]
    wait_until(lambda: is_signed(signing), 60, "a checkpoint covers it")
    place = ("--from", audit_folder(signing))
    leaf, _ = tlog.check_tlog_proof(signing.cli("audit", "proof", str(seq), "--tlog-proof", *place).stdout, signing.pem)
    record = json.loads(leaf)
    assert record["seq"] == seq
    assert record["signature_sha256"] == hashlib.sha256(bytes.fromhex(reply.json["signature"])).hexdigest()
    proof = json.loads(signing.cli("--json", "audit", "proof", str(seq), *place).stdout)
    checkpoint = tlog.Checkpoint(proof["checkpoint"], signing.pem)
    hashes = [base64.b64decode(text) for text in proof["hashes"]]
    assert tlog.root_from_proof(tlog.leaf_hash(proof["leaf"].encode()), seq, checkpoint.size, hashes) == checkpoint.root
    changed = proof["leaf"].replace('"uid":', '"uid":1').encode()
    assert tlog.root_from_proof(tlog.leaf_hash(changed), seq, checkpoint.size, hashes) != checkpoint.root
    shown = signing.cli("audit", "proof", "0", *place).stdout
    assert shown.startswith('record  {"seq":0,') and "\nroot    " in shown
    # For a checkpoint that someone kept, too; and not for one that is older than the record.
    kept = os.path.join(signing.folder, "kept-checkpoint")
    with open(kept, "w", encoding="utf-8") as file:
        file.write(proof["checkpoint"])
    later = signing.sign(get("aws")).json["audit_seq"]
    wait_until(lambda: is_signed(signing), 60, "a checkpoint covers the later one")
    _, old = tlog.check_tlog_proof(signing.cli("audit", "proof", str(seq), "--tlog-proof", "--checkpoint", kept, *place).stdout, signing.pem)
    assert old.size == checkpoint.size
    assert "not yet" in signing.cli("audit", "proof", str(later), "--checkpoint", kept, *place, check=False).stderr


def test_export_is_a_log_of_static_files(signing):
    for _ in range(300):
        assert signing.sign(get("aws")).status == 200
    wait_until(lambda: is_signed(signing), 60, "a checkpoint covers them")
    site = os.path.join(signing.folder, "site")
    for _ in range(2):  # the second time over the first
        signing.cli("audit", "export", site, "--from", audit_folder(signing))
        entries = tlog.Site(site, signing.pem).verify()
        assert [json.loads(entry)["seq"] for entry in entries] == list(range(len(entries)))
        assert signing.sign(get("aws")).status == 200
        wait_until(lambda: is_signed(signing), 60, "a checkpoint covers it")
    assert len(entries) > 300
    assert not [name for _, _, files in os.walk(site) for name in files if "details" in name]


def test_export_says_where_it_can_not_write(signing):
    """Roots too: a file where a folder should be, at the top and below, and a file system without new files."""
    file, earlier = os.path.join(signing.folder, "a-file"), os.path.join(signing.folder, "earlier")
    os.mkdir(earlier)
    for path in (file, os.path.join(earlier, "tile")):
        with open(path, "wb"):
            pass
    for target, named in ((file, file), (os.path.join(file, "site"), file), (earlier, os.path.join(earlier, "tile")), ("/proc/site", "/proc/site")):
        done = signing.cli("audit", "export", target, "--from", audit_folder(signing), check=False)
        assert done.returncode == 1 and f"can't write {named}" in done.stderr, done
        assert "name a folder that you can write to" in done.stderr and "defect" not in done.stderr, done


def test_who_finds_the_caller_of_a_signature(signing):
    sigv4 = signing.sign(get("aws", explain=True)).json
    with signing.client() as client:
        token = mint(signing, "tokens").json
        digest = hashlib.sha256(b"a release").digest()
        body = {"key": "digests", "algorithm": "ES256", "digest": base64.b64encode(digest).decode(), "encoding": "der"}
        release = client.post("/v1/sign/digest", body).json
    for what, seq in [
        (dict(sigv4["headers"])["Authorization"], sigv4["audit_seq"]),
        (sigv4["signature"], sigv4["audit_seq"]),
        (token["token"], token["audit_seq"]),
        ("Bearer " + token["token"], token["audit_seq"]),
        (token["jti"], token["audit_seq"]),
        (release["signature"], release["audit_seq"]),
        (digest.hex(), release["audit_seq"]),
    ]:
        found = json.loads(signing.cli("--json", "audit", "who", what, "--from", audit_folder(signing)).stdout)
        assert found["seq"] == seq and found["uid"] == os.geteuid(), what
        assert found["details"]["grant"] == "everything" and found["policy_digest"] == health(signing)["policy_digest"]
    nobody = signing.cli("audit", "who", hashlib.sha256(b"nothing").hexdigest(), "--from", audit_folder(signing), check=False)
    assert nobody.returncode == 1 and nobody.stdout == ""


def test_audit_key_signs_nothing_else(signing):
    """A grant for every key does not reach it, nor show it."""
    digest = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    with signing.client() as client:
        problem(client.post("/v1/sign/digest", {"key": "audit-log", "algorithm": "ES256", "digest": digest, "encoding": "der"}), "not_permitted", 403)
        problem(mint(signing, "audit-log"), "not_permitted", 403)
        problem(client.get("/v1/keys/audit-log"), "not_permitted", 403)
        assert "audit-log" not in [key["name"] for key in client.get("/v1/keys").json["keys"]]
    with signing.admin() as admin:
        for kind in ("rsa-2048", "ec-p384"):
            problem(admin.post("/v1/keys", {"name": "no", "type": kind, "device": "tpm", "use": "audit"}), "invalid_request", 400)


def test_rotated_key_verifies_with_both(folder):
    # Another daemon's keys would take the slots of a TPM without a resource manager.
    with Swtpm(os.path.join(folder, "rotated-tpm")) as tpm, Daemon(os.path.join(folder, "rotated"), tpm.tcti, everything(), audit=AUDIT) as daemon:
        daemon.create_key("audit-log", use="audit")
        pems = []
        for number in range(2):
            path = os.path.join(daemon.folder, f"{number}.pem")
            with open(path, "w", encoding="utf-8") as file:
                file.write(daemon.cli("key", "show", "audit-log", "--pem").stdout)
            pems.append(path)
            wait_until(lambda: is_signed(daemon), 60, "a checkpoint is signed")
            if number == 0:
                with daemon.admin() as admin:
                    assert admin.post("/v1/keys/audit-log/versions", {"state": "active"}).status == 201
    assert verify(daemon, "--key", pems[0], "--key", pems[1])["good"] is True
    for one in pems:
        assert verify(daemon, "--key", one)["good"] is False, "half of the checkpoints are another key's"


def test_stop_signs_what_is_there(folder, swtpm, signing):
    """A new log on a TPM whose counter another one moved: said before the one checkpoint that there is is signed."""
    with Daemon(os.path.join(folder, "stopped"), swtpm.tcti, everything(), audit=AUDIT.replace("checkpoint_seconds = 1", "")) as daemon:
        daemon.create_key("audit-log", use="audit")
        pem = daemon.cli("key", "show", "audit-log", "--pem").stdout
        assert health(daemon)["audit"]["signed_records"] == 0, "no minute has passed"
        daemon.stop()
        with open(os.path.join(audit_folder(daemon), "checkpoint"), encoding="utf-8") as file:
            checkpoint = tlog.Checkpoint(file.read(), pem)
        with open(os.path.join(audit_folder(daemon), "leaves", "000000000000.jsonl"), encoding="utf-8") as file:
            leaves = file.read().splitlines()
        assert checkpoint.size == len(leaves)
        assert checkpoint.root == tlog.tree_hash([tlog.leaf_hash(line.encode()) for line in leaves])
        assert [json.loads(line)["operation"] for line in leaves[-2:]] == ["stop", "audit.behind_anchor"]
        daemon.start()
        assert is_signed(daemon) or health(daemon)["audit"]["signed_records"] == checkpoint.size


def test_key_that_is_not_there_is_said_and_stops_nothing(folder, swtpm):
    with Daemon(os.path.join(folder, "keyless"), swtpm.tcti, everything(), audit=AUDIT) as daemon:
        daemon.import_aws("aws", "AKIAKEYLESS", SECRET)
        reasons = wait_until(lambda: health(daemon)["reasons"], 60, "health says that nothing is signed")
        assert reasons == ["audit: checkpoints are not signed; the admin socket's health says why"]
        with daemon.admin() as admin:
            assert "holdfast key create audit-log" in admin.get("/v1/health").json["reasons"][0]
        assert daemon.sign(get("aws")).status == 200
        daemon.create_key("audit-log", use="audit")
        wait_until(lambda: is_signed(daemon), 60, "the key is used once it is there")
        assert health(daemon)["status"] == "ok"


def test_device_that_is_away_stops_no_other_and_its_lag_is_shown(folder, softhsm):
    """The checkpoints' key is on a TPM that goes; keys of the HSM sign on, and it is signed again when the TPM is back."""
    other = f'[[device]]\nname = "hsm"\n{softhsm.settings}'
    with Swtpm(os.path.join(folder, "going-tpm")) as tpm:
        with Daemon(os.path.join(folder, "going"), tpm.tcti, everything(), audit=AUDIT, device=other) as daemon:
            daemon.create_key("audit-log", use="audit")
            with daemon.admin() as admin:
                assert admin.post("/v1/keys", {"name": "release", "type": "ec-p256", "device": "hsm", "use": "digest"}).status == 201
            before = wait_until(lambda: is_signed(daemon), 60, "a checkpoint is signed")
            tpm.kill()
            body = {"key": "release", "algorithm": "ES256", "digest": base64.b64encode(hashlib.sha256(b"x").digest()).decode(), "encoding": "der"}
            with daemon.client() as client:

                def said():
                    assert client.post("/v1/sign/digest", body).status == 200
                    return any(reason.startswith("audit: ") for reason in health(daemon)["reasons"])

                wait_until(said, 60, "health says that checkpoints are not signed")
            behind = health(daemon)
            assert behind["status"] == "degraded" and behind["audit"]["records"] > behind["audit"]["signed_records"]
            assert behind["audit"]["signed_records"] >= before["signed_records"]
            tpm.start()
            wait_until(lambda: is_signed(daemon), 60, "what came meanwhile is signed")
            assert health(daemon)["status"] == "ok"


# Row 10.


@pytest.fixture(scope="module")
def evidence(folder, swtpm):
    """A stopped daemon with a signed log over one full tile, its key, and an older copy."""
    with Daemon(os.path.join(folder, "evidence"), swtpm.tcti, everything(), audit=AUDIT) as daemon:
        daemon.create_key("audit-log", use="audit")
        daemon.import_aws("aws", "AKIAEVIDENCE", SECRET)
        daemon.key = os.path.join(daemon.folder, "key.pem")
        with open(daemon.key, "w", encoding="utf-8") as file:
            file.write(daemon.cli("key", "show", "audit-log", "--pem").stdout)
        for _ in range(300):
            assert daemon.sign(get("aws")).status == 200
        daemon.stop()
        daemon.older = os.path.join(daemon.folder, "older")
        shutil.copytree(audit_folder(daemon), daemon.older)
        daemon.start()
        for _ in range(20):
            assert daemon.sign(get("aws")).status == 200
        daemon.stop()
        daemon.saved = os.path.join(daemon.folder, "saved-checkpoint")
        shutil.copy(os.path.join(audit_folder(daemon), "checkpoint"), daemon.saved)
        yield daemon


def tampered(daemon, change):
    """The verdict over a copy that `change` was let loose on."""
    copy = os.path.join(daemon.folder, "tampered")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(audit_folder(daemon), copy)
    change(copy)
    return verify(daemon, "--key", daemon.key, folder=copy)


def test_row10_bytes_flipped_anywhere_are_found(evidence):
    assert verify(evidence, "--key", evidence.key)["good"] is True
    rng = random.Random(10)
    files = []
    for place, _, names in os.walk(audit_folder(evidence)):
        files += [os.path.relpath(os.path.join(place, name), audit_folder(evidence)) for name in names if name != "lock"]
    assert {"head", "checkpoint", "leaves/000000000000.jsonl", "details/000000000000.jsonl", "tile/0/000"} <= set(files)
    for name in files:
        for _ in range(6):

            def flip(copy):
                with open(os.path.join(copy, name), "r+b") as file:
                    data = bytearray(file.read())
                    bit = rng.randrange(len(data) * 8)
                    data[bit // 8] ^= 1 << bit % 8
                    file.seek(0)
                    file.write(data)

            verdict = tampered(evidence, flip)
            assert not verdict["good"] and verdict["faults"], name


@pytest.mark.parametrize("change", ["dropped", "doubled", "exchanged", "cut", "cut with its head"])
def test_row10_lines_dropped_reordered_or_cut_are_found(evidence, change):
    def alter(copy):
        for kind in ("leaves", "details"):
            path = os.path.join(copy, kind, "000000000000.jsonl")
            with open(path, encoding="utf-8") as file:
                lines = file.readlines()
            if change == "dropped":
                del lines[100]
            elif change == "doubled":
                lines.insert(100, lines[100])
            elif change == "exchanged":
                lines[100], lines[101] = lines[101], lines[100]
            else:
                del lines[-5:]
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(lines)
        if change == "cut with its head":
            hashes = [tlog.leaf_hash(line.rstrip("\n").encode()) for line in lines_of(copy)]
            with open(os.path.join(copy, "head"), "w", encoding="utf-8") as file:
                file.write(f"holdfast/audit\n{len(hashes)}\n{base64.b64encode(tlog.tree_hash(hashes)).decode()}\n")

    verdict = tampered(evidence, alter)
    assert not verdict["good"] and verdict["faults"]


def lines_of(folder):
    with open(os.path.join(folder, "leaves", "000000000000.jsonl"), encoding="utf-8") as file:
        return file.readlines()


def test_row10_rolled_back_log_is_found_with_a_saved_checkpoint(evidence):
    options = ("--key", evidence.key)
    assert verify(evidence, *options, folder=evidence.older)["good"] is True, "nothing in it shows its age"
    assert "older copy" in verify(evidence, *options, folder=evidence.older)["horizon"]
    verdict = verify(evidence, *options, "--checkpoint", evidence.saved, folder=evidence.older)
    assert not verdict["good"] and "rolled back" in verdict["faults"][0]
    assert verify(evidence, *options, "--checkpoint", evidence.saved)["good"] is True


def test_row10_daemon_does_not_go_on_behind_its_signed_checkpoint(evidence):
    log, kept = audit_folder(evidence), os.path.join(evidence.folder, "kept")
    shutil.copytree(log, kept)
    for name in ("leaves", "details", "head"):
        path = os.path.join(log, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        older = os.path.join(evidence.older, name)
        shutil.copytree(older, path) if os.path.isdir(older) else shutil.copy(older, path)
    try:
        evidence.start()
        problem(evidence.sign(get("aws")), "audit_unavailable", 503)
        assert health(evidence)["status"] == "down"
    finally:
        evidence.stop()
        shutil.rmtree(log)
        shutil.copytree(kept, log)


@pytest.fixture(scope="module")
def anchored(folder):
    """A daemon with a TPM of its own, and a copy of its log from before the TPM's counter went on."""
    with Swtpm(os.path.join(folder, "anchored-tpm")) as tpm, Daemon(os.path.join(folder, "anchored"), tpm.tcti, everything(), audit=AUDIT) as daemon:
        daemon.create_key("audit-log", use="audit")
        daemon.import_aws("aws", "AKIAANCHOR", SECRET)
        daemon.key = os.path.join(daemon.folder, "audit-log.pem")
        with open(daemon.key, "w", encoding="utf-8") as file:
            file.write(daemon.cli("key", "show", "audit-log", "--pem").stdout)
        assert daemon.sign(get("aws")).status == 200
        wait_until(lambda: is_signed(daemon), 60, "a checkpoint is signed")
        daemon.fresh = verify(daemon, "--key", daemon.key, "--device")
        daemon.stop()
        daemon.older = os.path.join(daemon.folder, "older")
        shutil.copytree(audit_folder(daemon), daemon.older)
        # As an hour of a growing log does.
        tpm.tool("tpm2_nvincrement", "0x01A04846")
        daemon.start()
        yield daemon


def test_row10_anchor_shows_an_older_copy(anchored):
    assert anchored.fresh["good"] is True and "counter is the checkpoint's" in anchored.fresh["horizon"]
    assert verify(anchored, "--key", anchored.key, folder=anchored.older)["good"] is True, "nothing in it shows its age"
    verdict = verify(anchored, "--key", anchored.key, "--device", folder=anchored.older)
    assert not verdict["good"] and "the device's counter is at" in verdict["faults"][0], verdict
    # A counter alone says nothing: anybody can make one.
    refused = anchored.cli("audit", "verify", "--device", "--from", anchored.older, check=False)
    assert refused.returncode == 2 and "--key" in refused.stderr


def test_row10_log_that_goes_on_behind_its_anchor_says_so(anchored):
    def said():
        return [record for record in anchored.audit() if record["operation"] == "audit.behind_anchor"]

    records = wait_until(said, 60, "the log says that it is behind")
    assert len(records) == 1 and "rolled back" in records[0]["details"]["reason"], records
    wait_until(lambda: is_signed(anchored), 60, "a checkpoint with the counter's value is signed")
    assert verify(anchored, "--key", anchored.key, "--device")["good"] is True


@pytest.mark.parametrize("command", [["verify"], ["who", "ab" * 32], ["proof", "3"], ["export", "nowhere"]])
def test_log_of_another_user_is_no_defect_of_the_program(folder, command):
    locked = os.path.join(folder, "locked")
    os.makedirs(os.path.join(locked, "audit"), exist_ok=True)
    # Not even for root, without its capabilities.
    without = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    for closed in (locked, os.path.join(locked, "audit")):
        os.chmod(closed, 0)
        try:
            result = subprocess.run([*without, program("holdfast"), "audit", *command, "--from", os.path.join(locked, "audit")],
                                    cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        finally:
            os.chmod(closed, 0o700)
        assert result.returncode == 1
        assert f"holdfast: {locked}/audit: Permission denied" in result.stderr and "sudo" in result.stderr, result.stderr


def test_prune_drops_details_and_keeps_proofs(signing):
    with signing.admin() as admin:
        reply = admin.post("/v1/audit/prune", {"before_seq": 10})
        assert reply.status == 200 and reply.json == {"segments": [], "records": 0}, "the open segment keeps its details"
        problem(admin.post("/v1/audit/prune", {}), "invalid_request", 400)
        problem(admin.post("/v1/audit/prune", {"before": "yesterday"}), "invalid_request", 400)
    shown = signing.cli("audit", "prune", "--keep", "30").stdout
    assert shown.startswith("the details of 0 records are gone")
    last = [record for record in signing.audit() if record["operation"] == "admin.audit.prune"]
    assert [record["code"] for record in last] == ["ok", "invalid_request", "invalid_request", "ok"]
    assert last[-1]["details"]["reason"] == "no segment is that old"
