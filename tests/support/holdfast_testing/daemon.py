"""holdfastd under test: its configuration, its start and end, its parts."""

import fcntl
import json
import os
import re
import signal
import subprocess

from holdfast_testing.client import Client
from holdfast_testing.paths import program
from holdfast_testing.processes import children, end, start, wait_until

# Everything to one uid; an action that can't be known is closed unless a grant names it.
EVERYTHING = """
[[grant]]
name = "everything"
key = "*"
caller = {{ uid = {uid} }}
facts = {{ signing_options = true, encoded_path = true }}
limits = {{ max_skew = "unlimited" }}

[[grant]]
name = "everything-unknown"
key = "*"
caller = {{ uid = {uid} }}
facts = {{ signing_options = true, encoded_path = true, action = "unknown" }}
limits = {{ max_skew = "unlimited" }}
"""


def everything(uid=None):
    return EVERYTHING.format(uid=os.geteuid() if uid is None else uid)


class Daemon:
    """Started by the constructor unless `run` is False; start() again after stop() or kill().

    `tcti` is a TPM's, or a device of another backend: an object with `name` and `settings`, the lines of its table.
    """

    def __init__(self, folder, tcti, grants="", settings="", audit="", allow_software=True, environment=None,
                 run=True, state=None, device="", supervisor=None):  # fmt: skip
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.state = state or os.path.join(self.folder, "state")
        self.runtime = os.path.join(self.folder, "run")
        self.socket = os.path.join(self.runtime, "holdfast.sock")
        self.admin_socket = os.path.join(self.runtime, "admin.sock")
        self.metrics_socket = os.path.join(self.runtime, "metrics.sock")
        self.config = os.path.join(self.folder, "holdfast.toml")
        self.policy = os.path.join(self.folder, "policy.d", "test.toml")
        self.log = os.path.join(self.folder, "holdfastd.log")
        self.environment = dict(os.environ, **(environment or {}))
        self.supervisor = supervisor or program("holdfastd")
        self.process = None
        self._ready_end = None
        self.device = "tpm"  # the configured one's name
        os.makedirs(os.path.dirname(self.policy), exist_ok=True)
        self.write_config(tcti, settings, audit, allow_software, device)
        self.write_policy(grants)
        if run:
            self.start()

    def write_config(self, tcti, settings="", audit="", allow_software=True, device=""):
        if isinstance(tcti, str):
            name, table = "tpm", f'backend = "tpm"\ntcti = "{tcti}"'
        else:
            name, table = tcti.name, tcti.settings
        self.device = name
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(
                f'[daemon]\nstate_dir = "{self.state}"\nruntime_dir = "{self.runtime}"\n'
                f"allow_software_devices = {str(allow_software).lower()}\n{settings}\n"
                f"[audit]\n{audit}\n"
                f'[[device]]\nname = "{name}"\n{table}\n{device}\n'
            )

    def write_policy(self, grants):
        with open(self.policy, "w", encoding="utf-8") as file:
            file.write(grants)

    def start(self, seconds=60, **options):
        self.launch(**options)
        wait_until(self._ready, seconds, f"holdfastd says it is ready (see {self.log})")

    def launch(self, pass_fds=(), environment=None, wrapper=()):
        """Starts without waiting; `wrapper` is put before the command."""
        if self._ready_end is not None:
            os.close(self._ready_end)
        self._ready_end, low_end = os.pipe()
        os.set_blocking(self._ready_end, False)
        # Out of the way of the numbers that socket activation fixes.
        write_end = fcntl.fcntl(low_end, fcntl.F_DUPFD_CLOEXEC, 100)
        os.close(low_end)
        self.process = start(
            [*wrapper, self.supervisor, "--config", self.config, "--ready-fd", str(write_end)],
            self.log,
            pass_fds=(write_end, *pass_fds),
            env=dict(self.environment, **(environment or {})),
        )
        os.close(write_end)

    def _ready(self):
        try:
            if os.read(self._ready_end, 100):
                return True
        except BlockingIOError:
            return False
        self.process.wait()
        raise RuntimeError(f"holdfastd ended with {self.process.returncode}:\n{self.log_text()[-4000:]}")

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        return end(self.process) if self.process else 0

    def kill(self):
        """Supervisor, core and device processes, all at once and without warning."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def part(self, name):
        """The pid of the "core" or a "device" process; waits for it while it is being replaced."""
        return wait_until(lambda: self._part(name), 10, f"holdfastd has a {name} process")

    def _part(self, name):
        for pid, command in children(self.process.pid):
            if command.startswith(f"holdfast-{name}"):
                return pid
        return None

    def client(self, timeout=30):
        return Client(self.socket, timeout)

    def admin(self, timeout=60):
        return Client(self.admin_socket, timeout)

    def import_aws(self, name, access_key_id, secret, use="sigv4"):
        body = {"name": name, "device": self.device, "use": use}
        body.update(access_key_id=access_key_id, secret_access_key=secret)
        with self.admin() as admin:
            reply = admin.post("/v1/keys/import", body)
        assert reply.status == 201, reply
        return reply.json

    def create_key(self, name, kind="ec-p256", use="digest"):
        with self.admin() as admin:
            reply = admin.post("/v1/keys", {"name": name, "type": kind, "device": self.device, "use": use})
        assert reply.status == 201, reply
        return reply.json

    def reload(self):
        with self.admin() as admin:
            return admin.post("/v1/reload")

    def sign(self, body):
        with self.client() as client:
            return client.post("/v1/sign/sigv4", body)

    def audit(self, after=-1):
        """Every record after that sequence number, up to this call (which is recorded too)."""
        records, size = [], None
        with self.admin() as admin:
            while True:
                reply = admin.get(f"/v1/audit?after={after}&limit=1000")
                assert reply.status == 200, reply
                size = reply.json["size"] if size is None else size
                records += reply.json["records"]
                after = records[-1]["seq"] if records else after
                if after + 1 >= size or not reply.json["records"]:
                    return [record for record in records if record["seq"] < size]

    def cli(self, *arguments, check=True, **options):
        """The command line, talking to this daemon; its outputs as text."""
        environment = dict(self.environment, HOLDFAST_SOCKET=self.socket, HOLDFAST_ADMIN_SOCKET=self.admin_socket)
        environment.update(options.pop("env", {}))
        result = subprocess.run(
            [program("holdfast"), *arguments], env=environment, capture_output=True, text=True, timeout=60, **options
        )
        if check and result.returncode != 0:
            raise AssertionError(f"holdfast {' '.join(arguments)}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def verify_audit(self):
        """`holdfast audit verify` on the stored log."""
        return self.cli("--json", "audit", "verify", "--from", os.path.join(self.state, "audit"), check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        report = re.search(r"(?:ERROR|WARNING): \w+Sanitizer.*|.*: runtime error: .*", self.log_text())
        assert not report, f"{report[0]} (built with sanitizers):\n{self.log_text()[report.start():][:4000]}"


def problem(reply, code, status=None):
    """Asserts that a reply is this documented error, in the documented form."""
    assert reply is not None, f"closed without a reply instead of {code}"
    assert reply.code == code, f"wanted {code}: {reply}"
    assert reply.headers["Content-Type"] == "application/problem+json", reply.headers
    body = reply.json
    assert body["status"] == reply.status and (status is None or reply.status == status), reply
    assert body["request_id"] == reply.request_id, reply
    assert body["type"] and body["title"] and body["detail"], json.dumps(body)
    return body
