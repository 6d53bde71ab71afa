"""Threat rows 8, 25 and 26: a full disk, torn and damaged key files, bad reloads."""

import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import digest_in_audit, get, wrong
from holdfast_testing.users import ALICE, MALLORY, as_user

SECRET = "a-secret-of-the-storage-tests"


# Row 8: a full disk.


@pytest.fixture
def small_disk(root, folder):
    place = tempfile.mkdtemp(dir=folder)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", place], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no mounting here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk):
    """Leaves not one free byte: small files last, because a big write may fail whole."""
    with open(os.path.join(disk, "ballast"), "ab", 0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


@pytest.mark.parametrize("durability", ["written", "fsync"])
def test_row08_full_disk_lets_nothing_unrecorded_leave(small_disk, folder, swtpm, durability):
    options = {"state": os.path.join(small_disk, "state"), "audit": f'durability = "{durability}"'}
    with Daemon(os.path.join(folder, "full-" + durability), swtpm.tcti, everything(), **options) as daemon:
        daemon.import_aws("aws", "AKIAFULL", SECRET)
        answered, refused = {}, 0

        def ask():
            nonlocal refused
            reply = client.post("/v1/sign/sigv4", get("aws", explain=True))
            if reply.status == 200:
                assert wrong(reply.json, SECRET) == ""
                answered[reply.json["audit_seq"]] = digest_in_audit(reply.json["signature"])
            else:
                problem(reply, "audit_unavailable", 503)
                refused += 1
            return reply.status

        with daemon.client() as client:
            for round_number in range(3):
                assert ask() == 200
                fill(small_disk)
                wait_until(lambda: ask() != 200, 20, "the full disk stops signing")
                before = len(answered)
                for _ in range(50):
                    fill(small_disk)
                    assert ask() != 200
                assert len(answered) == before
                assert client.get("/v1/health").json["status"] == "down"
                # Key changes can't be recorded, and so don't happen.
                with daemon.admin() as admin:
                    body = {"name": f"new{round_number}", "type": "ec-p256", "device": "tpm", "use": "digest"}
                    problem(admin.post("/v1/keys", body), "audit_unavailable", 503)
                os.unlink(os.path.join(small_disk, "ballast"))
                wait_until(lambda: ask() == 200, 20, "service returns after space is freed")
            assert client.get("/v1/health").json["status"] == "ok"
            assert not [key for key in client.get("/v1/keys").json["keys"] if key["name"].startswith("new")]
        assert refused > 150
        records = {record["seq"]: record for record in daemon.audit()}
        for seq, digest in answered.items():
            assert records[seq]["signature_sha256"] == digest and records[seq]["code"] == "ok"
        verdict = json.loads(daemon.verify_audit().stdout)
        assert verdict["good"] is True, verdict


def test_row08_chunk_that_is_not_on_record_is_not_signed(small_disk, folder, swtpm):
    with Daemon(os.path.join(folder, "full-chunks"), swtpm.tcti, everything(), state=os.path.join(small_disk, "state")) as daemon:
        daemon.import_aws("aws", "AKIAFULL", SECRET)
        length = [["X-Amz-Decoded-Content-Length", "8192"]]
        opening = get("aws", method="PUT", headers=length, payload_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        chunk = {"session": daemon.sign(opening).json["session"], "length": 8192, "payload_sha256": "a" * 64}
        with daemon.client() as client:
            fill(small_disk)
            wait_until(lambda: client.post("/v1/sign/sigv4", get("aws")).status != 200, 20, "the full disk stops signing")
            for _ in range(3):
                problem(client.post("/v1/sign/sigv4/chunk", chunk), "audit_unavailable", 503)
            problem(client.post("/v1/sign/sigv4", opening), "audit_unavailable", 503)
            os.remove(os.path.join(small_disk, "ballast"))
            # It is where it was: the very chunk that could not be recorded comes next, and once.
            wait_until(lambda: client.post("/v1/sign/sigv4/chunk", chunk).status == 200, 20, "the emptied disk signs again")
            problem(client.post("/v1/sign/sigv4/chunk", chunk), "invalid_request")


# Row 25: key files.


def signs(daemon, name):
    """Does the daemon sign with this key? Never a wrong signature."""
    reply = daemon.sign(get(name, explain=True))
    if reply.status != 200:
        problem(reply, "key_lost", 503)
        return False
    assert wrong(reply.json, SECRET) == "", reply
    return True


def test_row25_killed_while_changing_keys_leaves_each_whole_or_absent(folder, swtpm):
    """Everything is killed at a random moment of creating, importing, versioning and deleting keys."""
    rng = random.Random(25)
    acknowledged, deleted, begun, number = set(), set(), set(), 0
    place = os.path.join(folder, "torn")
    with Daemon(place, swtpm.tcti, everything()) as daemon:
        for _ in range(30):
            stopped = threading.Event()

            def change():
                nonlocal number
                try:
                    with daemon.admin(timeout=5) as admin:
                        while not stopped.is_set():
                            number += 1
                            name = f"k{number}"
                            body = {"name": name, "device": "tpm", "use": "sigv4", "access_key_id": "AKIA", "secret_access_key": SECRET}
                            begun.add(name)
                            if admin.post("/v1/keys/import", body).status == 201:
                                acknowledged.add(name)
                            version = {"access_key_id": f"AKIA{number}", "secret_access_key": SECRET, "state": "active"}
                            admin.post(f"/v1/keys/{name}/versions", version)
                            if number % 4 == 0 and admin.delete(f"/v1/keys/{name}").status < 300:
                                deleted.add(name)
                except OSError:
                    pass

            worker = threading.Thread(target=change)
            worker.start()
            time.sleep(rng.uniform(0.002, 0.25))  # the moment is what is random
            daemon.kill()
            stopped.set()
            worker.join()
            daemon.start()
        with daemon.admin() as admin:
            listed, after = {}, ""
            while after is not None:
                page = admin.get(f"/v1/keys?limit=1000&after={after}").json
                listed.update((key["name"], key) for key in page["keys"])
                after = page.get("next")
        # A delete that was not acknowledged may have happened.
        maybe_deleted = {name for name in acknowledged if int(name[1:]) % 4 == 0}
        assert acknowledged - maybe_deleted <= set(listed), "an acknowledged key is missing"
        assert not deleted & set(listed), "a deleted key came back"
        assert set(listed) <= begun
        assert not [key for key in listed.values() if "damage" in key]
        for name in sorted(listed)[:60]:
            assert signs(daemon, name), name
        print(f"{len(acknowledged)} keys acknowledged, {len(listed)} there after 30 kills")
        assert len(acknowledged) > 30
        assert json.loads(daemon.verify_audit().stdout)["good"] is True


def test_row25_flipped_bits_lose_that_key_alone(folder, swtpm):
    rng = random.Random(250)
    with Daemon(os.path.join(folder, "flipped"), swtpm.tcti, everything()) as daemon:
        names = [f"key{n:02}" for n in range(40)]
        for name in names:
            daemon.import_aws(name, "AKIAFLIP", SECRET)
        originals = {}
        for name in names:
            base = os.path.join(daemon.state, "keys", name)
            for file in sorted(os.listdir(base)):
                with open(os.path.join(base, file), "rb") as content:
                    originals[os.path.join(base, file)] = content.read()
        files = {name: [path for path in originals if f"/{name}/" in path] for name in names}
        for _ in range(6):
            daemon.stop()
            victims = rng.sample(names, 30)
            for name in victims:
                path = rng.choice(files[name])
                data = bytearray(originals[path])
                how = rng.randrange(10)
                if how == 0:
                    data = data[: rng.randrange(len(data))]
                elif how == 1:
                    data += b"x"
                else:
                    bit = rng.randrange(len(data) * 8)
                    data[bit // 8] ^= 1 << bit % 8
                with open(path, "wb") as file:
                    file.write(data)
            daemon.start()
            for name in names:
                assert signs(daemon, name) == (name not in victims), name
            with daemon.client() as client:
                health = client.get("/v1/health").json
                assert health["status"] == "degraded" and len(health["reasons"]) == len(victims), health
                assert not any(name in reason for name in names for reason in health["reasons"]), health
            with daemon.admin() as admin:
                reasons = admin.get("/v1/health").json["reasons"]
                assert sorted(reason.split()[1].rstrip(":") for reason in reasons) == sorted(victims), reasons
            lost = [record for record in daemon.audit() if record["code"] == "key_lost"]
            assert lost and all(record["decision"] == "allowed" for record in lost), "policy said yes, the device could not"
            for path, data in originals.items():
                with open(path, "wb") as file:
                    file.write(data)
        daemon.stop()
        daemon.start()
        assert all(signs(daemon, name) for name in names)


# Row 26: a bad reload changes nothing.


def test_row26_policy_that_others_can_write_is_not_loaded(folder, swtpm):
    with Daemon(os.path.join(folder, "writable"), swtpm.tcti, everything()) as daemon:
        with daemon.client() as client:
            before = client.get("/v1/health").json["policy_digest"]
            daemon.write_policy(everything() + "\n")
            os.chmod(daemon.policy, 0o666)
            problem(daemon.reload(), "invalid_request", 400)
            assert client.get("/v1/health").json["policy_digest"] == before
            os.chmod(daemon.policy, 0o644)
            assert daemon.reload().status == 200

POLICY = f"""
[[grant]]
name = "reads"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "s3", method = ["GET", "HEAD"], path = "/a/**" }}
limits = {{ rate = "1000/s", burst = 2000, max_skew = "5m" }}
"""

# Each makes POLICY something that must be refused.
WORDS = ["grant", "name", "key", "caller", "uid", "facts", "service", "method", "path", "limits", "rate", "burst", "max_skew"]
BROKEN = (
    [POLICY.replace(word, word + "x", 1) for word in WORDS]
    + [POLICY.replace(word, word[:-1], 1) for word in WORDS]
    + [POLICY.replace(f"{word} =", f"{word}") for word in WORDS[1:]]
    + [POLICY.replace(f"{word} =", f'{word} = "x" =') for word in WORDS[1:]]
    + [POLICY + f"{line}\n" for line in (
        "[[grants]]", "[grant]", "x = 1", "caller = {}", "[[device]]\nname='x'\nbackend='tpm'\ntcti='x'", "[daemon]\nstate_dir='/tmp'", "[audit]", "=", "[",
        "[[grant]]\nname='a'\nkey='b'", "[[grant]]\nname='a'\nkey='b'\ncaller={}", "[[grant]]\nname='reads'\nkey='b'\ncaller={uid=1}\nallow='all'",
        "[[grant]]\nkey='b'\ncaller={uid=1}\nfacts={x='y'}", "[[grant]]\nname='a'\nkey=1\ncaller={uid=1}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=-1}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1.5}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=true}", "[[grant]]\nname='a'\nkey='b'\ncaller=1",
        "[[grant]]\nname='a'\nkey='b'\ncaller=[]", "[[grant]]\nname='a'\nkey='b'\ncaller={user='no-such-user-here'}", "[[grant]]\nname='a'\nkey='b'\ncaller={exe='/bin/x'}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={user_unit='x.service'}", "[[grant]]\nname='a'\nkey='b'\ncaller={group='no-such-group-here'}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nlimits={rate='fast'}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nlimits={rate='0/s'}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nlimits={rate='-1/s'}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nlimits={max_skew='5'}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nlimits={max_skew=5}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nlimits={burst='many'}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nset={x='y'}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nset={issuer='{nonsense}'}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nfacts={signing_options='yes'}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nfacts={method={}}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nfacts={method=[]}", "[[grant]]\nname='a'\nkey='b'\ncaller={uid=1}\nfacts={method=[1]}",
        "[[grant]]\nname='a'\nkey='b'\ncaller={uid=[]}", "name='top'", "\x00", "\x1b", "é = 1",
    )]
    + [POLICY[:cut] for cut in range(3, len(POLICY) - 3) if POLICY[:cut].count("{") > POLICY[:cut].count("}")]
    + [POLICY.replace(char, "", 1) for char in '[]={}"']
)  # fmt: skip


def test_row26_two_hundred_mutated_policies_change_nothing(root, folder, swtpm):
    assert len(set(BROKEN)) >= 200
    with Daemon(os.path.join(folder, "reload"), swtpm.tcti, POLICY) as daemon:
        daemon.import_aws("aws", "AKIARELOAD", SECRET)
        good, bad = get("aws", "https://bucket.s3.amazonaws.com/a/b"), get("aws", "https://bucket.s3.amazonaws.com/b")

        def digest():
            with daemon.client() as client:
                return client.get("/v1/health").json["policy_digest"]

        def decides_as_before():
            assert as_user(ALICE, lambda: daemon.sign(good)).status == 200
            problem(as_user(ALICE, lambda: daemon.sign(bad)), "not_permitted", 403)
            problem(as_user(MALLORY, lambda: daemon.sign(good)), "not_permitted", 403)

        before = digest()
        for number, text in enumerate(BROKEN):
            daemon.write_policy(text)
            body = problem(daemon.reload(), "invalid_request", 400)
            assert "test.toml" in body["detail"], (text, body)
            assert digest() == before, text
            if number % 10 == 0:
                decides_as_before()
        # SIGHUP is the same; its outcome is a record.
        for text in BROKEN[::20]:
            daemon.write_policy(text)
            seen = len(daemon.audit())
            daemon.process.send_signal(signal.SIGHUP)
            record = wait_until(lambda: [r for r in daemon.audit(seen - 1) if r["operation"] == "reload"], 10, "the reload is recorded")[0]
            assert record["code"] == "invalid_request" and digest() == before
        decides_as_before()
        # And a good one does count.
        daemon.write_policy(POLICY.replace('"/a/**"', '"/b"'))
        assert daemon.reload().status == 200 and digest() != before
        assert as_user(ALICE, lambda: daemon.sign(bad)).status == 200
        problem(as_user(ALICE, lambda: daemon.sign(good)), "not_permitted", 403)
