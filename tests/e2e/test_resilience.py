"""Under load: the TPM goes away twenty times, and our own processes are killed two hundred times."""

import contextlib
import json
import os
import random
import signal
import threading
import time

import pytest

from holdfast_testing import paths
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.listening import Listening
from holdfast_testing.load import PASSING, Load, figures
from holdfast_testing.processes import wait_until
from holdfast_testing.swtpm import Swtpm

SECRET = "a-secret-that-outlives-every-kill"
LIMITS = {"refusal": 1.0, "tpm back": 2.0, "process back": 1.0}


@pytest.fixture(scope="module")
def folder():
    """In memory: what is measured is the time that we take, not that of a disk others write to."""
    with paths.temporary_folder("/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        yield name


def every_answer_is_recorded(daemon, load):
    records = {record["seq"]: record for record in daemon.audit()}
    assert sorted(records) == list(range(len(records))), "the log has a gap"
    for seq, digest in load.answered.items():
        assert records[seq]["code"] == "ok" and records[seq]["signature_sha256"] == digest, records[seq]
    verdict = json.loads(daemon.verify_audit().stdout)
    assert verdict["good"] is True, verdict
    print(f"{len(load.answered)} signatures, each in the log of {len(records)} records, which verifies")


def test_tpm_killed_twenty_times_under_load(folder):
    place = os.path.join(folder, "tpm")
    rng = random.Random(20)
    refusals, returns = [], []
    with Swtpm(place) as tpm:
        with Daemon(os.path.join(place, "daemon"), tpm.tcti, everything()) as daemon:
            daemon.import_aws("aws", "AKIARESILIENT", SECRET)
            daemon.create_key("digests")
            with Load(daemon, "aws", SECRET, "digests") as load:
                for _ in range(20):
                    wait_until(lambda: load.since(time.monotonic() - 0.3, {"ok"}), 5, "load is served")
                    time.sleep(rng.uniform(0, 0.2))  # the moment is what is random
                    tpm.kill()
                    gone = time.monotonic()
                    wait_until(lambda: load.since(gone, PASSING), 5, "a refusal while the TPM is away")
                    time.sleep(rng.uniform(0, 0.6))  # and so is how long it stays away
                    refusals += load.since(gone, PASSING)
                    tpm.start()
                    back = time.monotonic()
                    first = wait_until(lambda: load.since(back, {"ok"}), 10, "a signature after the TPM's return")[0]
                    returns.append(first.done - back)
                    refusals += load.since(back, PASSING)
            every_answer_is_recorded(daemon, load)
        assert tpm.lockout_counter() == 0
    figures("refusals while the TPM is away", [outcome.done - outcome.started for outcome in refusals])
    figures("first signature after its return", returns)
    assert not load.faults, load.faults[:5]
    assert max(outcome.done - outcome.started for outcome in refusals) <= LIMITS["refusal"]
    assert max(returns) <= LIMITS["tpm back"]


class Importer:
    """Seals one key after another; remembers which were acknowledged."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.acknowledged = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        number = 0
        while not self.ended.wait(0.1):
            number += 1
            body = {"name": f"sealed{number}", "device": "tpm", "use": "sigv4", "access_key_id": "AKIA", "secret_access_key": SECRET}
            with contextlib.suppress(Exception):  # killed under it; only an acknowledgement counts
                with self.daemon.admin(timeout=10) as admin:
                    if admin.post("/v1/keys/import", body).status == 201:
                        self.acknowledged.append(body["name"])

    def stop(self):
        self.ended.set()
        self.thread.join()


def listed(daemon):
    names, after = set(), ""
    with daemon.admin() as admin:
        while after is not None:
            page = admin.get(f"/v1/keys?limit=1000&after={after}").json
            assert not [key for key in page["keys"] if "damage" in key]
            names.update(key["name"] for key in page["keys"])
            after = page.get("next")
    return names


def test_processes_killed_two_hundred_times_under_load(folder, swtpm):
    rng = random.Random(200)
    back = {"core": [], "device": [], "supervisor": []}
    daemon = Daemon(os.path.join(folder, "killed"), swtpm.tcti, everything(), run=False)
    sockets = Listening(daemon.runtime)
    daemon.start(**sockets.options())
    try:
        daemon.import_aws("aws", "AKIARESILIENT", SECRET)
        daemon.create_key("digests")
        importer = Importer(daemon)
        with Load(daemon, "aws", SECRET, "digests") as load:
            for _ in range(200):
                victim = rng.choice(list(back))
                pid = daemon.process.pid if victim == "supervisor" else daemon.part(victim)
                time.sleep(rng.uniform(0, 0.15))  # the moment is what is random
                os.kill(pid, signal.SIGKILL)
                killed = time.monotonic()
                if victim == "supervisor":
                    daemon.process.wait()
                    daemon.launch(**sockets.options())
                first = wait_until(lambda: load.since(killed, {"ok"}), 15, f"a signature after the {victim} was killed")[0]
                back[victim].append(first.done - killed)
            importer.stop()
        for name, values in back.items():
            figures(f"signing again after the {name} was killed", values)
        missing = set(importer.acknowledged) - listed(daemon)
        print(f"{len(importer.acknowledged)} keys acknowledged, {len(missing)} missing")
        assert not load.faults, load.faults[:5]
        assert len(importer.acknowledged) > 50 and not missing
        every_answer_is_recorded(daemon, load)
        for name, values in back.items():
            assert max(values) <= LIMITS["process back"], name
    finally:
        daemon.stop()
        sockets.close()
