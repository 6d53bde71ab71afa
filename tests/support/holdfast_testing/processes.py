"""Starting, waiting for and ending what a test starts, and nothing else."""

import os
import pwd
import signal
import socket
import subprocess
import time


def wait_until(condition, seconds, what):
    """Polls until condition() is true; the failure says what never happened."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.002)


def start(command, log, **options):
    """A child in its own session, both outputs appended to the file `log`."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
        )


def end(process, seconds=10, sig=signal.SIGTERM):
    """Asks, waits, then insists. Returns the exit status."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def children(pid):
    """(pid, name) of each child of `pid` that has not ended."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as stat:
                    line = stat.read()
            except OSError:
                continue
            name = line[line.index("(") + 1 : line.rindex(")")]
            state, parent = line[line.rindex(")") + 2 :].split()[:2]
            if int(parent) == pid and state not in "ZX":
                found.append((int(entry), name))
    return found


def accepts(path, kind=socket.SOCK_STREAM):
    """Does someone listen on this Unix socket?"""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def listens(path):
    """As accepts(), of a stream socket, without a connection that its owner would see: by proc(5)'s table of Unix sockets."""
    accepting = 0x10000  # __SO_ACCEPTCON
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as table:
        rows = (line.split(maxsplit=7) for line in table)
        return any(len(row) == 8 and row[7].rstrip("\n") == path and int(row[3], 16) & accepting for row in rows)


def accepts_port(port, address="127.0.0.1"):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def free_ports(count):
    """Ports of the loopback that nobody held a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def user_name():
    return pwd.getpwuid(os.geteuid()).pw_name
