"""The measurements. Each returns what goes into the report under its name."""

import base64
import datetime
import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import tempfile
import time

from holdfast_testing.client import Client
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import SOURCE, program
from holdfast_testing.processes import accepts, end, start, wait_until
from holdfast_testing.sigv4 import get
from holdfast_testing.swtpm import Swtpm
from processes import Group

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DIGEST_KEY, AWS_KEY = "bench-digest", "bench-aws"
ALL = set(range(os.cpu_count() or 1))


def tool(*arguments, seconds, processor=-1, environment=None):
    command = [program("bench_load"), "--seconds", str(seconds), "--processor", str(processor), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 3 + 60, check=False,
                            env=dict(os.environ, **(environment or {})))  # fmt: skip
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr}")
    return json.loads(result.stdout)


def http(path, body):
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: holdfast\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def write_requests(path, requests):
    """Whole messages with their answers' statuses, as bench_load takes them."""
    with open(path, "wb") as file:
        for message, status in requests:
            file.write(b"%d %d\n" % (len(message), status) + message)
    return path


class Bench:
    """A TPM and a daemon with an access key, a signing key and a grant for us."""

    def __init__(self, folder, seconds, warm_up=1):
        self.folder, self.seconds, self.warm_up = folder, seconds, warm_up
        self.swtpm = Swtpm(os.path.join(folder, "swtpm"))
        self.daemon = Daemon(os.path.join(folder, "daemon"), self.swtpm.tcti, everything())
        self.daemon.import_aws(AWS_KEY, "AKIABENCHBENCHBENCH0", SECRET)
        self.daemon.create_key(DIGEST_KEY)
        self.group = Group(self.daemon, self.swtpm)
        self.idle_mib = self.group.resident_mib()

    def stop(self):
        self.daemon.stop()
        self.swtpm.stop()

    def requests(self, name, messages):
        return write_requests(os.path.join(self.folder, name), [(message, 200) for message in messages])

    def sigv4(self, key=AWS_KEY):
        base = "https://bucket.s3.eu-west-1.amazonaws.com/invoices/2026/"
        return self.requests(f"sigv4-{key}", [http("/v1/sign/sigv4", get(key, url=f"{base}{n:06}.pdf")) for n in range(64)])

    def digest(self, key=DIGEST_KEY):
        bodies = [{"key": key, "algorithm": "ES256", "encoding": "raw",
                   "digest": base64.b64encode(hashlib.sha256(b"%d" % n).digest()).decode()} for n in range(64)]  # fmt: skip
        return self.requests(f"digest-{key}", [http("/v1/sign/digest", body) for body in bodies])

    def sizes(self):
        """Bytes of one SigV4 request and its reply, as they go over the socket."""
        request = http("/v1/sign/sigv4", get(AWS_KEY, url="https://bucket.s3.eu-west-1.amazonaws.com/invoices/2026/000001.pdf"))
        with Client(self.daemon.socket) as client:
            reply = client.post("/v1/sign/sigv4", json.loads(request.split(b"\r\n\r\n", 1)[1]))
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        return len(request), len("HTTP/1.1 200 OK\r\n\r\n") + len(head) + len(reply.content)

    def load(self, requests, connections, own, others, seconds=None, tpm=None):
        """One load on the daemon; its processes on `others`, the TPM on `tpm` or there too, we on `own`; CPU of each for one signature."""
        self.group.pin(others, tpm or others)
        result = load(self.daemon, self.group, requests, connections, seconds or self.seconds, self.warm_up, own)
        self.group.pin(ALL, ALL)
        return result


def load(daemon, group, requests, connections, seconds, warm_up, own=-1):
    """One load on a daemon whose processes are where they are, with the CPU of each for one signature."""
    before = group.cpu()
    result = tool("load", "--socket", daemon.socket, "--requests", requests, "--warm-up", str(warm_up),
                  "--connections", str(connections), seconds=seconds, processor=own)  # fmt: skip
    after = group.cpu()
    if not result["count"]:
        raise RuntimeError(f"no answer to {connections} connections in {seconds} s")
    # The tool also warms up, at the same rate.
    made = result["count"] * (seconds + warm_up) / seconds
    result["cpu_us"] = {name: round((after[name] - before[name]) / made * 1e6, 1) for name in after}
    return result


def middle(rounds):
    """Of several rounds' reports one: of each figure with a rate the one with the middle rate, of all else the last."""
    report = dict(rounds[-1])
    for key, last in report.items():
        if isinstance(last, dict) and "rate" in last:
            report[key] = sorted((round[key] for round in rounds), key=lambda result: result["rate"])[len(rounds) // 2]
    return report


def floors(bench):
    request, reply = bench.sizes()
    size = ("raw", "--request-bytes", str(request), "--reply-bytes", str(reply))
    last = str(max(ALL))
    return {
        "request_bytes": request, "reply_bytes": reply,
        "a one core": tool(*size, "--others", "0", seconds=bench.seconds, processor=0),
        "a two cores": tool(*size, "--others", last, seconds=bench.seconds, processor=0),
        "a2 one core": tool(*size, "--processes", "2", "--others", "0", seconds=bench.seconds, processor=0),
        "a2 two cores": tool(*size, "--processes", "2", "--others", last, seconds=bench.seconds, processor=0),
    }  # fmt: skip


def sigv4(bench):
    requests = bench.sigv4()
    report = {}
    for connections in (1, 8, 64):
        report[f"{connections} one core"] = bench.load(requests, connections, 0, {0})
        report[f"{connections} two cores"] = bench.load(requests, connections, 0, {max(ALL)})
    report["resident_mib_idle"] = bench.idle_mib
    report["resident_mib_load"] = bench.group.peak_mib()
    return report


def device(bench):
    """The same TPM directly, then through the daemon; the daemon is stopped meanwhile, as a TPM serves one."""
    requests = bench.digest()
    places = {"one core": {0}, "TPM apart": {max(ALL)}}
    report = {f"{n} {place}": bench.load(requests, n, 0, {0}, tpm=tpm) for n in (1, 8, 64) for place, tpm in places.items()}
    bench.daemon.stop()
    for place, tpm in places.items():
        os.sched_setaffinity(bench.swtpm.process.pid, tpm)
        report[f"direct {place}"] = tool("direct", "--tcti", bench.swtpm.tcti, seconds=bench.seconds, processor=0)
    os.sched_setaffinity(bench.swtpm.process.pid, ALL)
    bench.daemon.start()
    bench.group = Group(bench.daemon, bench.swtpm)
    return report


def restart(bench, policy=None, settings=None):
    """The daemon anew, with other grants and tables of the configuration where they are given."""
    bench.daemon.stop()
    if policy is not None:
        bench.daemon.write_policy(policy)
    if settings is not None:
        bench.daemon.write_config(bench.swtpm.tcti, settings)
    bench.daemon.start()
    bench.group = Group(bench.daemon, bench.swtpm)


def fsyncs(folder, seconds):
    """How often a second a record's worth of bytes is appended to a file here and made durable, one after the other."""
    path, count, end_at = os.path.join(folder, "fsyncs"), 0, time.monotonic() + seconds
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while time.monotonic() < end_at:
            os.write(descriptor, b"x" * 1000)
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        os.unlink(path)
    return count / seconds


def durable(bench):
    """Signatures whose records are on the disk before their replies, beside what one fsync after the other gives."""
    folder = os.path.join(bench.folder, "durable")
    bench.daemon.stop()
    with Daemon(folder, bench.swtpm.tcti, everything(), audit='durability = "fsync"') as daemon:
        daemon.import_aws(AWS_KEY, "AKIABENCHBENCHBENCH0", SECRET)
        requests = bench.sigv4()
        alone = fsyncs(daemon.state, bench.seconds)
        report = {"32 two cores": load(daemon, Group(daemon, bench.swtpm), requests, 32, bench.seconds, bench.warm_up)}
        report["fsyncs_per_second"] = (alone + fsyncs(daemon.state, bench.seconds)) / 2
    shutil.rmtree(folder)
    bench.daemon.start()
    bench.group = Group(bench.daemon, bench.swtpm)
    return report


def decisions(bench):
    """Policy alone: ten grants and a deny for each key; one key, and 1,000."""
    return {f"{grants} grants, {keys} keys": tool("decide", "--grants", str(grants), "--keys", str(keys), seconds=bench.seconds, processor=0)
            for grants, keys in ((10, 1), (10_000, 1000))}  # fmt: skip


def starts(bench, times=5):
    """From the start of holdfastd to its first signature, in milliseconds."""
    taken = []
    for _ in range(times):
        bench.daemon.stop()
        begun = time.monotonic()
        bench.daemon.launch()
        while True:
            try:
                if bench.daemon.sign(get(AWS_KEY)).status == 200:
                    break
            except OSError:
                pass
            time.sleep(0.001)
        taken.append(round((time.monotonic() - begun) * 1000, 1))
        bench.daemon._ready()
    bench.group = Group(bench.daemon, bench.swtpm)
    return {"milliseconds": taken, "median_ms": sorted(taken)[len(taken) // 2]}


def ssh_agent(bench):
    """An ECDSA key in ssh-agent, asked for one signature at a time."""
    folder = tempfile.mkdtemp(dir=bench.folder)  # of this round
    socket, key = os.path.join(folder, "agent"), os.path.join(folder, "agent-key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f", key], check=True)
    agent = start(["ssh-agent", "-D", "-a", socket], os.path.join(folder, "agent.log"))
    try:
        wait_until(lambda: accepts(socket), 10, "ssh-agent listens")
        subprocess.run(["ssh-add", "-q", key], check=True, env=dict(os.environ, SSH_AUTH_SOCK=socket))
        with open(key + ".pub", encoding="ascii") as file:
            blob = base64.b64decode(file.read().split()[1])
        # draft-miller-ssh-agent §4.5: 13 SSH_AGENTC_SIGN_REQUEST, key, data, flags.
        body = b"\x0d" + struct.pack(">I", len(blob)) + blob + struct.pack(">I", 32) + bytes(32) + bytes(4)
        requests = bench.requests("agent-requests", [struct.pack(">I", len(body)) + body])
        report = {}
        for name, cores in (("one core", {0}), ("two cores", {max(ALL)})):
            os.sched_setaffinity(agent.pid, cores)
            report[name] = tool("load", "--protocol", "agent", "--socket", socket, "--requests", requests,
                                "--warm-up", str(bench.warm_up), seconds=bench.seconds, processor=0)  # fmt: skip
        return report
    finally:
        end(agent)


def botocore(bench):
    """botocore's SigV4 in its own process, the key in its memory."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    auth = S3SigV4Auth(Credentials("AKIABENCHBENCHBENCH0", SECRET), "s3", "eu-west-1")
    taken, until = [], time.perf_counter() + bench.seconds
    while time.perf_counter() < until:
        request = AWSRequest("GET", "https://bucket.s3.eu-west-1.amazonaws.com/invoices/2026/000001.pdf")
        begun = time.perf_counter()
        auth.add_auth(request)
        taken.append(time.perf_counter() - begun)
    taken.sort()
    return {"count": len(taken), "p50_us": round(taken[len(taken) // 2] * 1e6, 1), "p99_us": round(taken[len(taken) * 99 // 100] * 1e6, 1)}


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=SOURCE).stdout.strip()


def command(name, arguments):
    """With the options that change what is measured, not those that say where files go."""
    given = {key: value for key, value in vars(arguments).items() if key not in ("json", "folder")}
    options = [f"--{key.replace('_', '-')}" + ("" if value is True else f" {value:g}" if isinstance(value, float) else f" {value}")
               for key, value in given.items() if value]  # fmt: skip
    return " ".join([name, *options])


def machine():
    """Where and of what: what the figures hold for."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    changed = "" if not _output("git", "status", "--porcelain", "--untracked-files=no") else " and changes"
    return {"processors": len(models), "model": models[0] if models else "unknown",
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": platform.freedesktop_os_release()["PRETTY_NAME"], "kernel": os.uname().release,
            "swtpm": _output("swtpm", "--version").split(",")[0].removeprefix("TPM emulator version "),
            "commit": _output("git", "rev-parse", "--short", "HEAD") + changed, "date": datetime.date.today().isoformat()}  # fmt: skip
