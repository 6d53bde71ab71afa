"""What the log withstands (threat row 8): a disk that stalls, and a flood of refusals."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import digest_in_audit, get, wrong
from holdfast_testing.users import ALICE, as_user

SECRET = "a-secret-of-the-audit-tests"


@pytest.fixture
def freezing_disk(root, folder):
    """A file system that stalls every write while it is frozen."""
    place = tempfile.mkdtemp(dir=folder)
    image = place + ".img"
    with open(image, "wb") as file:
        file.truncate(64 * 1024 * 1024)
    for command in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, place]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system to freeze here: {done.stderr.strip()}")
    os.chmod(place, 0o700)
    yield place
    subprocess.run(["fsfreeze", "-u", place], check=False, capture_output=True)
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("durability", ["written", "fsync"])
def test_row08_stalled_disk_is_refused_within_a_second_and_comes_back(freezing_disk, folder, swtpm, durability):
    options = {"state": os.path.join(freezing_disk, "state"), "audit": f'durability = "{durability}"'}
    with Daemon(os.path.join(folder, "stalled-" + durability), swtpm.tcti, everything(), **options) as daemon:
        daemon.import_aws("aws", "AKIASTALLED", SECRET)
        answered, waits = {}, []
        with daemon.client() as client:

            def ask():
                begun = time.monotonic()
                reply = client.post("/v1/sign/sigv4", get("aws", explain=True))
                if reply.status == 200:
                    answered[reply.json["audit_seq"]] = digest_in_audit(reply.json["signature"])
                    return None
                problem(reply, "audit_unavailable", 503)
                return time.monotonic() - begun

            for _ in range(3):
                wait_until(lambda: ask() is None, 20, "it signs")
                subprocess.run(["fsfreeze", "-f", freezing_disk], check=True)
                try:
                    waits.append(ask())
                    assert waits[-1] is not None, "nothing unrecorded leaves"
                    assert client.get("/v1/health").json["status"] == "down"
                    assert ask() is not None
                finally:
                    subprocess.run(["fsfreeze", "-u", freezing_disk], check=True)
            wait_until(lambda: ask() is None, 20, "it signs again by itself")
            assert client.get("/v1/health").json["status"] == "ok"
        print(f"refused after {', '.join(f'{wait:.2f} s' for wait in waits)}")
        assert min(waits) <= 1, "of three, for other work of this machine"
        records = {record["seq"]: record for record in daemon.audit()}
        for seq, digest in answered.items():
            assert records[seq]["signature_sha256"] == digest
        assert json.loads(daemon.verify_audit().stdout)["good"] is True


def test_row08_flood_of_denials_is_counted_exactly_and_harms_nobody(root, folder, swtpm):
    """100,000 refusals of one caller: exact counts, few bytes, and a victim who is always served."""
    place = os.path.join(folder, "flooded")
    with Daemon(place, swtpm.tcti, everything()) as daemon:
        daemon.import_aws("aws", "AKIAFLOOD", SECRET)
        assert daemon.sign(get("aws")).status == 200
        body = json.dumps(get("aws")).encode()
        unknown = [json.dumps(get(f"invented-{n}")).encode() for n in range(100)]
        size = sum(entry.stat().st_size for kind in ("leaves", "details") for entry in os.scandir(os.path.join(os.path.join(daemon.state, "audit"), kind)))
        ended = threading.Event()
        served, refused = [], []

        def be_victim():
            with daemon.client() as client:
                while not ended.is_set():
                    reply = client.post("/v1/sign/sigv4", get("aws", explain=True))
                    (served if reply.status == 200 and wrong(reply.json, SECRET) == "" else refused).append(reply)
                    time.sleep(0.02)

        victim = threading.Thread(target=be_victim)
        victim.start()
        asked = 100_000
        try:
            as_user(ALICE, lambda: flood(daemon.socket, body, unknown, asked))
        finally:
            ended.set()
            victim.join()
        assert served and not refused, refused[:3]
        log = os.path.join(daemon.state, "audit")
        daemon.stop()
        records = []
        for entry in sorted(os.listdir(os.path.join(log, "leaves"))):
            with open(os.path.join(log, "leaves", entry), encoding="utf-8") as file:
                records += [json.loads(line) for line in file]
        ours = [record for record in records if record["uid"] == ALICE]
        counts = {}
        for record in ours:
            key = record["key"] if record["key"] == "aws" else ""
            counts[key, record["code"]] = counts.get((key, record["code"]), 0) + record.get("count", 1)
        assert counts == {("aws", "not_permitted"): asked // 2, ("", "not_permitted"): asked // 2}
        grown = sum(entry.stat().st_size for kind in ("leaves", "details") for entry in os.scandir(os.path.join(log, kind))) - size
        print(f"{asked} refusals in {len(ours)} records; the log grew by {grown} bytes with {len(served)} signatures of the victim's")
        assert len(ours) < 2000
        assert json.loads(daemon.verify_audit().stdout)["good"] is True


def flood(path, body, unknown, asked):
    """Requests in a row on one connection, half of them for a key that exists."""
    def request(payload):
        return b"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: holdfast\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        stream = connection.makefile("rb")
        for at in range(asked):
            connection.sendall(request(body if at % 2 == 0 else unknown[at // 2 % len(unknown)]))
            status = stream.readline()
            assert status.startswith(b"HTTP/1.1 403"), status
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
