"""One key in SoftHSM, signed with directly, through `p11-kit server` and through the daemon; and an HSM that takes its time.

No process is kept on a processor: all of them share those that there are, with whoever asks."""

import contextlib
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import BUILD
from holdfast_testing.processes import accepts, end, start, wait_until
from holdfast_testing.softhsm import MODULE, SoftHsm
from measure import load, tool
from processes import Group

KEY = "bench-hsm"
TOKEN = "pkcs11:token=holdfast"
SESSIONS, MILLISECONDS = 8, 20  # of the slow one, and for each of its signatures
NEEDED = {"softhsm2-util": "softhsm2", "pkcs11-tool": "opensc", "p11-kit": "p11-kit"}


def is_there():
    """May we leave this out? Only where what it is measured with is missing, and nowhere in CI."""
    packages = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if not packages:
        return True
    reason = f"apt-get install {' '.join(packages)}"
    if os.environ.get("CI") == "true":
        sys.exit(f"hsm can't be measured: {reason}")
    print(f"SKIPPED hsm: {reason}", file=sys.stderr, flush=True)
    return False


class SlowHsm:
    """The tests' module as an HSM of SESSIONS sessions that takes MILLISECONDS for a signature, from slow() on."""

    name = "slow"

    def __init__(self, folder):
        self.folder = folder
        self.pin_file = os.path.join(folder, "pin")
        with open(os.open(self.pin_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="ascii") as file:
            file.write("7391\n")
        self.faults = os.path.join(folder, "faults")
        self.say(f"sessions={SESSIONS}")

    def slow(self):
        self.say(f"sessions={SESSIONS} Sign=sleep:{MILLISECONDS}")

    def say(self, words):
        with open(self.faults + ".new", "w", encoding="ascii") as file:
            file.write(words)
        os.replace(self.faults + ".new", self.faults)

    @property
    def settings(self):
        module = os.environ.get("HOLDFAST_HOSTILE_MODULE") or os.path.join(BUILD, "tests", "support", "libholdfast_hostile_module.so")
        return (
            f'backend = "pkcs11"\nmodule = "{module}"\nuri = "pkcs11:token=hostile"\npin_file = "{self.pin_file}"\n'
            f'writable = ["{self.folder}"]\nenvironment = {{ HOLDFAST_HOSTILE_FILE = "{self.faults}" }}'
        )


@contextlib.contextmanager
def running(folder, token, verify="always"):
    """A daemon with this token as its only device."""
    daemon = Daemon(os.path.join(folder, verify), token, everything(), device=f'verify = "{verify}"')
    try:
        with daemon.client() as client:
            wait_until(lambda: client.get("/v1/health").json["devices"][0]["state"] == "ready", 20, "the HSM is ready")
        yield daemon
    finally:
        daemon.stop()


@contextlib.contextmanager
def p11_kit_server(folder, token):
    """Its module for clients, with their environment."""
    environment = dict(os.environ, **token.environment)
    socket = os.path.join(folder, "p11-kit.sock")
    server = start(["p11-kit", "server", "--foreground", "--name", socket, "--provider", MODULE, TOKEN],
                   os.path.join(folder, "p11-kit.log"), env=environment)  # fmt: skip
    try:
        wait_until(lambda: accepts(socket), 10, "p11-kit server listens")
        yield glob.glob("/usr/lib/*/pkcs11/p11-kit-client.so")[0], {"P11_KIT_SERVER_ADDRESS": f"unix:path={socket}"}
    finally:
        end(server)


def loop(bench, token, module, environment, **count):
    counts = [word for name, value in count.items() for word in (f"--{name}", str(value))]
    result = tool("token", "--module", module, "--uri", TOKEN, "--pin-file", token.pin_file, "--key", KEY, *counts,
                  seconds=bench.seconds, environment=environment)  # fmt: skip
    result["cpu_us"] = {"loop": result.pop("own_cpu_us")}
    return result


def through_daemon(bench, daemon, connections):
    return load(daemon, Group(daemon), bench.digest(KEY), connections, bench.seconds, bench.warm_up)


def softhsm(bench, folder):
    token = SoftHsm(os.path.join(folder, "token"))
    token.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", KEY, "--id", "01", "--sensitive", "--usage-sign")
    report = {f"direct {n}": loop(bench, token, MODULE, token.environment, threads=n) for n in (1, 8)}
    # Processes: the client module sends the calls of all threads of one through one connection, one after the
    # other, and the server has a process for each connection.
    with p11_kit_server(folder, token) as (module, environment):
        report.update((f"p11-kit {n}", loop(bench, token, module, environment, processes=n)) for n in (1, 8))
    for verify in ("always", "sampled"):
        with running(folder, token, verify) as daemon:
            with daemon.admin() as admin:
                reply = admin.post("/v1/keys/enrol", {"device": token.name, "name": KEY, "use": "digest", "uri": f"pkcs11:object={KEY}"})
            assert reply.status == 201, reply
            report.update((f"{verify} {n}", through_daemon(bench, daemon, n)) for n in (1, 8, 64))
    return report


def slow_hsm(bench, folder):
    hsm_folder = os.path.join(folder, "slow")
    os.mkdir(hsm_folder)
    token = SlowHsm(hsm_folder)
    with running(hsm_folder, token) as daemon:
        daemon.create_key(KEY)
        token.slow()
        return {f"slow {n}": through_daemon(bench, daemon, n) for n in (8, 64)}


def hsm(bench):
    folder = tempfile.mkdtemp(dir=bench.folder)  # of this round
    version = subprocess.run(["softhsm2-util", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"softhsm": version, "slow_rate": SESSIONS * 1000 / MILLISECONDS, **softhsm(bench, folder), **slow_hsm(bench, folder)}
