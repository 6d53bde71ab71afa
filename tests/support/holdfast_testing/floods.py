"""Attackers in a control group of their own, and a victim that measures what they do to it. Only for root."""

import contextlib
import json
import os
import random
import select
import signal
import socket
import time
import traceback

from holdfast_testing.client import Client
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get
from holdfast_testing.users import become

# Of half a processor, so that what is measured is what they do to the daemon and not to the machine.
QUOTA, PERIOD = 50_000, 100_000
SUB_UIDS = range(200_000, 265_536)

BODY = 65_536
HEAD = b"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % BODY


@contextlib.contextmanager
def group_of_attackers(name="holdfast-attackers"):
    """Its cgroup.procs; None, and a word, where no cgroup with a processor quota can be made."""
    for root, files in (
        ("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": PERIOD, "cpu.cfs_quota_us": QUOTA}),
        ("/sys/fs/cgroup", {"cpu.max": f"{QUOTA} {PERIOD}"}),
    ):
        folder = os.path.join(root, name)
        try:
            os.makedirs(folder, exist_ok=True)
            for file, value in files.items():
                with open(os.path.join(folder, file), "w", encoding="ascii") as setting:
                    setting.write(str(value))
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
            continue
        try:
            yield os.path.join(folder, "cgroup.procs")
        finally:
            with contextlib.suppress(OSError, TimeoutError):
                wait_until(lambda: not open(os.path.join(folder, "cgroup.procs"), encoding="ascii").read(), 5, "it is empty")
                os.rmdir(folder)
        return
    print("no cgroup with a quota can be made here: the attackers run at the lowest priority instead")
    yield None


class Attack:
    """Processes that each run `function(number)`, which never returns; `procs` are cgroups they move into first."""

    def __init__(self, function, count, procs=()):
        self.pids = []
        for number in range(count):
            pid = os.fork()
            if pid == 0:
                try:
                    for one in procs:
                        if one is None:
                            os.nice(19)
                            continue
                        with open(one, "w", encoding="ascii") as file:
                            file.write("0")
                    function(number)
                finally:
                    os._exit(1)
            self.pids.append(pid)

    def stop(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def act_as(uid):
    """Another uid, from which root can come back."""
    os.setresuid(0, 0, 0)
    os.setresuid(uid, uid, 0)


def connected(path):
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    try:
        one.connect(path)
    except OSError:
        one.close()
        return None
    return one


def connect_and_leave(path):
    """Connections of ever other sub-uids, closed at once."""

    def attack(number):
        rng = random.Random(number)
        while True:
            act_as(rng.choice(SUB_UIDS))
            for _ in range(20):
                one = connected(path)
                if one:
                    one.close()

    return attack


def _refill(path, held, most, uids, first):
    while len(held) < most:
        if uids:
            act_as(random.choice(uids))
        one = connected(path)
        if one is None:
            return
        with contextlib.suppress(OSError):
            one.send(first)
        held.append(one)


def _drop_closed(held):
    for one in select.select(held, [], [], 0)[0] if held else []:
        with contextlib.suppress(OSError):
            if one.recv(65536):
                continue
        one.close()
        held.remove(one)


def drip(path, each=200, uids=(), own=None):
    """Requests that never come to their end, a byte at a time; as ever other `uids`, or all as `own`."""

    def attack(_number):
        if own is not None:
            become(own)
        held = []
        while True:
            _drop_closed(held)
            _refill(path, held, each, uids, HEAD)
            for one in held:
                with contextlib.suppress(OSError):
                    one.send(b"{")
            time.sleep(0.2)

    return attack


def fill_memory(path, each=200, uids=(), own=None):
    """Requests as large as may be, but for the last byte."""

    def attack(_number):
        if own is not None:
            become(own)
        held, rest = [], {}
        while True:
            _drop_closed(held)
            _refill(path, held, each, uids, HEAD)
            for one in held:
                left = rest.get(one, BODY - 1)
                with contextlib.suppress(OSError):
                    rest[one] = left - one.send(b"x" * min(left, 16384)) if left else 0
            rest = {one: left for one, left in rest.items() if one in held}
            time.sleep(0.02)

    return attack


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


class Victim:
    """One that a grant names, in a process of its own: asks on a kept connection, and connects anew now and then."""

    def __init__(self, path, uid, key):
        orders, self.orders = os.pipe()
        answers, self.answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.orders)
                # As the daemon: only what floods do is to be seen, not what else the machine does.
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
                become(uid)
                self._run(path, key, orders)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(orders)
        os.close(self.answers)
        self.reader = os.fdopen(answers)

    def _run(self, path, key, orders):
        client = Client(path, timeout=20)
        client.post("/v1/sign/sigv4", get(key))
        with os.fdopen(orders) as lines, os.fdopen(self.answers, "w") as out:
            for line in lines:
                times, new, refusals = [], [], []
                for number in range(int(line)):
                    start = time.perf_counter()
                    code = client.post("/v1/sign/sigv4", get(key)).code
                    times.append(time.perf_counter() - start)
                    if number % 50 == 0:
                        start = time.perf_counter()
                        with Client(path, timeout=20) as fresh:
                            code = fresh.post("/v1/sign/sigv4", get(key)).code if code == "ok" else code
                        new.append(time.perf_counter() - start)
                    if code != "ok":
                        refusals.append(code)
                print(json.dumps([times, new, refusals]), file=out, flush=True)

    def ask(self, count):
        """(latencies in seconds, those of new connections, refusals)."""
        os.write(self.orders, b"%d\n" % count)
        return json.loads(self.reader.readline())

    def close(self):
        os.close(self.orders)
        os.waitpid(self.pid, 0)
        self.reader.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def status_of(pid, name):
    """A number of /proc/PID/status, such as VmHWM in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise KeyError(name)
