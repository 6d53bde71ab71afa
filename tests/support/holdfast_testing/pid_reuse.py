"""The pid-reuse attack, run as the first process of a pid namespace of its own, where nothing else takes pids.

python3 -m holdfast_testing.pid_reuse FOLDER RUNS: prints what came of it as JSON.

One run: with the core stopped, an attacker connects, sends its request and ends; a child keeps the connection. The
next process gets the attacker's pid: it is a program that a grant names, by its unit or by its executable. Then the
core goes on and looks at the connection.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

from holdfast_testing import units
from holdfast_testing.client import exchange
from holdfast_testing.daemon import Daemon
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.users import ALICE, become, in_child

UNIT = "holdfast-test-orders.service"
TRUSTED = "/usr/bin/curl"

GRANTS = f"""
[[grant]]
name = "by-unit"
key = "prize"
caller = {{ unit = "{UNIT}" }}
facts = {{ service = "s3" }}

[[grant]]
name = "by-exe"
key = "prize"
caller = {{ uid = {ALICE}, exe = "{TRUSTED}" }}
facts = {{ service = "s3" }}
"""

REQUEST = json.dumps(get("prize")).encode()
BYTES = b"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(REQUEST) + REQUEST


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def attack(path):
    """Returns the attacker's pid, free again, and the pipe its child tells the answer through."""
    reader, writer = os.pipe()
    attacker = os.fork()
    if attacker == 0:
        become(ALICE)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        connection.sendall(BYTES)
        if os.fork() == 0:
            connection.settimeout(10)
            try:
                answer = connection.recv(65536)
            except ConnectionResetError:
                answer = b""
            os.write(writer, answer or b"closed")
        os._exit(0)
    os.close(writer)
    os.waitpid(attacker, 0)
    return attacker, reader


def victim(fifo, procs):
    """Starts the trusted program as ALICE, in the trusted unit if there are units. Its pid."""
    started, program = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if procs:
                units.move(0, procs)
            become(ALICE)
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.execv(TRUSTED, [TRUSTED, "-s", f"file://{fifo}"])
        finally:
            os._exit(1)
    os.close(program)
    os.read(started, 1)  # the end of the file comes with its exec
    os.close(started)
    return pid


def run(daemon, core, fifo, procs):
    """The victim's pid if it is the attacker's, and what the attacker was answered."""
    os.kill(core, signal.SIGSTOP)
    wait_until(lambda: state(core) == "T", 5, "the core is stopped")
    new, reader, answer = None, None, b""
    try:
        old, reader = attack(daemon.socket)
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
            last.write(str(old - 1))
        new = victim(fifo, procs)
    finally:
        os.kill(core, signal.SIGCONT)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.kill(new, signal.SIGKILL)
    os.waitpid(new, 0)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # the child that kept the connection
    return new == old, answer


def controls(daemon, procs):
    """The real callers are served, so that a refusal means something."""
    served = {}
    if procs:
        def caller():
            return exchange(daemon.socket, BYTES).status

        served["unit"] = in_child(caller, before=lambda: (units.move(os.getpid(), procs), become(ALICE)))
    command = [TRUSTED, "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", daemon.socket]
    command += ["-d", REQUEST.decode(), "http://localhost/v1/sign/sigv4"]
    curl = subprocess.run(command, preexec_fn=lambda: become(ALICE), capture_output=True, check=True, timeout=30)
    served["exe"] = int(curl.stdout)
    return served


def main():
    folder, runs = sys.argv[1], int(sys.argv[2])
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo, 0o644)
    result = {"runs": 0, "missed": 0, "signed": 0, "refused": 0, "closed": 0, "answers": []}
    with contextlib.ExitStack() as stack:
        tpm = stack.enter_context(Swtpm(os.path.join(folder, "swtpm")))
        daemon = stack.enter_context(Daemon(os.path.join(folder, "daemon"), tpm.tcti, GRANTS))
        procs = stack.enter_context(units.unit("system.slice/" + UNIT)) if units.tree() else None
        daemon.import_aws("prize", "AKIAPRIZE", "the-secret-that-is-the-prize")
        result["controls"] = controls(daemon, procs)
        core = daemon.part("core")
        while result["runs"] < runs and result["missed"] < runs:
            reused, answer = run(daemon, core, fifo, procs if result["runs"] % 2 else None)
            if not reused:
                result["missed"] += 1
                continue
            result["runs"] += 1
            outcome = "closed" if answer == b"closed" else "signed" if b'"signature"' in answer else "refused"
            result[outcome] += 1
            first = answer.split(b"\r\n")[0].decode()
            if first not in result["answers"]:
                result["answers"].append(first)
        result["same_core"] = daemon.part("core") == core
    print(json.dumps(result))


if __name__ == "__main__":
    main()
