"""A daemon under half of the load it can take, looked at between the rounds, and judged at the end."""

import concurrent.futures
import os
import shutil
import subprocess
import time

from holdfast_testing.daemon import everything
from holdfast_testing.paths import program
from holdfast_testing.processes import wait_until
from measure import Bench, tool, write_requests
from mix import GRANT, JWT_KEY, Rare, core_stream, device_stream
from processes import descriptors, sizes

STREAMS = {"core": 16, "device": 64}  # connections
LEAST_FREE = 2 << 30
SLOPE_MIB_PER_HOUR = 1.0


def ours(of):
    """The daemon's processes among those of a group or a sample."""
    return [name for name in ("supervisor", "core", "caller", "device") if name in of]


def slope_per_hour(samples, value):
    """Least squares; 0 where there is no time between them."""
    points = [(sample["seconds"] / 3600, value(sample)) for sample in samples]
    mean_t, mean_v = (sum(point[i] for point in points) / len(points) for i in (0, 1))
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    return sum((t - mean_t) * (v - mean_v) for t, v in points) / spread if spread else 0.0


class Soak:
    def __init__(self, folder, round_seconds):
        self.round_seconds = round_seconds
        self.bench = Bench(folder, round_seconds)
        self.daemon = self.bench.daemon
        self.daemon.create_key(JWT_KEY, use="jwt")
        self.daemon.write_policy(everything() + GRANT)
        self.daemon.reload()
        self.files = {"core": write_requests(os.path.join(folder, "core-stream"), core_stream()),
                      "device": write_requests(os.path.join(folder, "device-stream"), device_stream())}  # fmt: skip
        self.rare = Rare(self.daemon)
        self.rates = dict.fromkeys(STREAMS, 0)
        self.samples, self.errors = [], []
        self.at_first = None  # descriptors of each process with none of the callers
        self.signed = 0

    def stop(self):
        self.rare.close()
        self.bench.stop()

    def _stream(self, name, seconds):
        return tool("load", "--socket", self.daemon.socket, "--requests", self.files[name], "--rate", str(self.rates[name]),
                    "--connections", str(STREAMS[name]), seconds=seconds)  # fmt: skip

    def measure(self, seconds):
        """Both streams as fast as they are answered, side by side; from then on they run at half of that."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            found = {name: pool.submit(self._stream, name, seconds) for name in STREAMS}
        self.full = {name: result.result()["rate"] for name, result in found.items()}
        self.rates = {name: rate / 2 for name, rate in self.full.items()}

    def run(self, seconds, say):
        self.began = time.monotonic()
        self._sample({})
        while time.monotonic() - self.began < seconds:
            results = self._round()
            self._sample(results)
            self._prune()
            say(self.samples[-1])
        self._look_back()

    def _round(self):
        until = time.monotonic() + self.round_seconds
        with concurrent.futures.ThreadPoolExecutor() as pool:
            # The tool also warms up for a second.
            streams = {name: pool.submit(self._stream, name, self.round_seconds - 1) for name in STREAMS}
            streams["rare"] = pool.submit(self.rare.round, until)
        results = {}
        for name, one in streams.items():
            try:
                results[name] = one.result()
            except Exception as error:  # each is told in the report
                self.errors.append(f"{name}: {error}")
        self.signed += sum(result["count"] for result in results.values() if result)
        return results

    def _descriptors(self):
        pids = self.bench.group.pids
        return {name: descriptors(pids[name]) for name in ours(pids)}

    def _settle(self):
        """Until the core has noticed which of its callers went. What is not as at first after ten seconds shows in the sample."""
        if self.at_first is None:
            seen = [self._descriptors(), time.monotonic()]

            def steady():
                if self._descriptors() != seen[0]:
                    seen[:] = self._descriptors(), time.monotonic()
                return time.monotonic() - seen[1] >= 1

            wait_until(steady, 30, "the daemon has closed its callers' connections")
            self.at_first = seen[0]
        try:
            wait_until(lambda: self._descriptors() == self.at_first, 10, "the daemon's descriptors are as at first")
        except TimeoutError:
            return

    def _sample(self, results):
        self._settle()
        sample = {"seconds": round(time.monotonic() - self.began, 1)}
        for name, pid in self.bench.group.pids.items():
            try:
                sample[name] = dict(sizes(pid), descriptors=descriptors(pid))
            except OSError:
                raise RuntimeError(f"{name} (pid {pid}) is gone:\n{self.daemon.log_text()[-4000:]}") from None
        sample["log_bytes"] = os.path.getsize(self.daemon.log)
        sample["audit_bytes"] = _size(os.path.join(self.daemon.state, "audit"))
        sample["streams"] = {name: {key: result[key] for key in ("rate", "p50_us", "p99_us")} for name, result in results.items() if result}
        self.samples.append(sample)

    def _prune(self):
        """As docs/audit.md allows, and as an operator has to: hours of this are tens of gigabytes."""
        folder = os.path.join(self.daemon.state, "audit", "details")
        for name in sorted(os.listdir(folder))[:-2]:
            os.unlink(os.path.join(folder, name))
        if shutil.disk_usage(folder).free < LEAST_FREE:
            raise RuntimeError(f"less than 2 GiB are free below {folder}: take another --folder, or fewer minutes")

    def _look_back(self):
        """What the daemon says of itself: the log of events, and that the whole audit log verifies."""
        self.errors += self.rare.errors
        for line in self.daemon.log_text().splitlines():
            if " warning" in line or " error" in line:
                self.errors.append(f"holdfastd.log: {line}")
        self.bench.stop()
        audit = os.path.join(self.daemon.state, "audit")
        verified = subprocess.run([program("holdfast"), "--json", "audit", "verify", "--from", audit],
                                  capture_output=True, text=True, check=False)  # fmt: skip
        if verified.returncode != 0:
            self.errors.append(f"audit verify: {verified.stdout}{verified.stderr}")

    def judge(self, slopes=True):
        """(what, measured, good) of each bar. Warm-up is the first sixth: caches fill, the allocator finds its size."""
        last = self.samples[-1]["seconds"]
        warm = [sample for sample in self.samples if sample["seconds"] >= last / 6]
        bars = []
        for name in ours(warm[0]):
            slope = slope_per_hour(warm, lambda sample: sample[name]["VmRSS"] / 1024)
            if slopes:
                bars.append((f"{name}: RSS slope < {SLOPE_MIB_PER_HOUR} MiB/h", f"{slope:+.2f}", slope < SLOPE_MIB_PER_HOUR))
            for what, key in (("descriptors", "descriptors"), ("threads", "Threads")):
                values = sorted({sample[name][key] for sample in warm})
                bars.append((f"{name}: {what} constant", ", ".join(map(str, values)), len(values) == 1))
        bars.append(("no error", str(len(self.errors)), not self.errors))
        return bars


def _size(folder):
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(path, name))
            except FileNotFoundError:
                continue
    return total
