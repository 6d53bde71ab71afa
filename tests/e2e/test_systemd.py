"""What systemd sees: notifications, watchdog, socket activation, reload by signal, a stop that finishes its work."""

import json
import os
import signal
import socket
import time

import pytest

from holdfast_testing.client import Raw, exchange
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.listening import Listening
from holdfast_testing.processes import accepts, wait_until
from holdfast_testing.sigv4 import get

HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Notified:
    """The service manager's end of sd_notify(3)."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.seen = []

    def wait(self, wanted, seconds=20):
        """Reads until a message has this line; returns its lines."""
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                lines = self.socket.recv(65536).decode().split("\n")
            except TimeoutError as error:
                raise TimeoutError(f"no {wanted} in {seconds} s; seen: {self.seen[-5:]}") from error
            self.seen.append(lines)
            if wanted in lines:
                return lines

    def drain(self):
        self.socket.settimeout(0)
        while True:
            try:
                self.socket.recv(65536)
            except BlockingIOError:
                return

    def close(self):
        self.socket.close()
        os.unlink(self.path)


@pytest.fixture
def notified(folder):
    manager = Notified(folder)
    yield manager
    manager.close()


def test_ready_reload_and_stop_are_told(folder, swtpm, notified):
    place = os.path.join(folder, "told")
    with Daemon(place, swtpm.tcti, everything(), environment={"NOTIFY_SOCKET": notified.path}, run=False) as daemon:
        daemon.launch()
        notified.wait("READY=1")
        # It is not ready before it serves.
        assert exchange(daemon.socket, HEALTH).status == 200

        daemon.process.send_signal(signal.SIGHUP)
        lines = notified.wait("RELOADING=1")
        assert any(line.startswith("MONOTONIC_USEC=") for line in lines), lines
        notified.wait("READY=1")

        daemon.write_policy("nonsense")
        daemon.process.send_signal(signal.SIGHUP)
        notified.wait("RELOADING=1")
        lines = notified.wait("READY=1")
        assert any(line.startswith("STATUS=") and "refused" in line for line in lines), lines

        daemon.process.send_signal(signal.SIGTERM)
        notified.wait("STOPPING=1")
        assert daemon.process.wait(20) == 0
        assert not accepts(daemon.socket)


def test_sighup_puts_a_new_policy_in_force(folder, swtpm, notified):
    place = os.path.join(folder, "hup")
    with Daemon(place, swtpm.tcti, "", environment={"NOTIFY_SOCKET": notified.path}) as daemon:
        daemon.import_aws("aws", "AKIAHUP", "a-secret-of-the-reload-test")
        assert daemon.sign(get("aws")).code == "not_permitted"
        notified.drain()
        daemon.write_policy(everything())
        daemon.process.send_signal(signal.SIGHUP)
        notified.wait("RELOADING=1")
        notified.wait("READY=1")
        assert daemon.sign(get("aws")).status == 200


def test_watchdog_is_fed_and_a_core_that_hangs_is_replaced(folder, swtpm, notified):
    place = os.path.join(folder, "watchdog")
    environment = {"NOTIFY_SOCKET": notified.path, "WATCHDOG_USEC": "4000000"}
    with Daemon(place, swtpm.tcti, everything(), environment=environment) as daemon:
        for _ in range(3):
            started = time.monotonic()
            notified.wait("WATCHDOG=1", 4)
            assert time.monotonic() - started < 4
        core = daemon.part("core")
        os.kill(core, signal.SIGSTOP)
        try:
            wait_until(lambda: daemon.part("core") != core, 15, "the hanging core is replaced")
        finally:
            if os.path.exists(f"/proc/{core}"):
                os.kill(core, signal.SIGCONT)
        assert exchange(daemon.socket, HEALTH).status == 200
        notified.drain()
        notified.wait("WATCHDOG=1", 10)
        assert "core_silent" in daemon.log_text()


def test_activated_sockets_are_served_and_outlive_the_daemon(folder, swtpm):
    daemon = Daemon(os.path.join(folder, "activated"), swtpm.tcti, everything(), run=False)
    sockets = Listening(daemon.runtime)
    try:
        for _ in range(2):
            # Asked before the daemon runs: the answer comes when it does.
            with Raw(daemon.socket, timeout=60) as early:
                early.send(b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n")
                daemon.start(**sockets.options())
                who = early.reply().json
                assert (who["pid"], who["uid"]) == (os.getpid(), os.geteuid()), who
            with daemon.admin() as admin:
                assert admin.get("/v1/keys").status == 200
            daemon.stop()
            assert accepts(daemon.socket), "the socket is the manager's to remove"
    finally:
        daemon.stop()
        sockets.close()


def test_sockets_meant_for_another_process_are_not_taken(folder, swtpm):
    with Daemon(os.path.join(folder, "others"), swtpm.tcti, everything(), run=False) as daemon:
        daemon.start(environment={"LISTEN_FDS": "3", "LISTEN_PID": "1", "LISTEN_FDNAMES": "application:admin:metrics"})
        assert exchange(daemon.socket, HEALTH).status == 200


def test_stop_answers_what_is_under_way(folder, swtpm):
    with Daemon(os.path.join(folder, "graceful"), swtpm.tcti, everything()) as daemon:
        daemon.import_aws("aws", "AKIASTOP", "a-secret-of-the-stop-test")
        device = daemon.part("device")
        os.kill(device, signal.SIGSTOP)
        body = json.dumps(get("aws")).encode()
        data = b"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        try:
            with Raw(daemon.socket) as idle, Raw(daemon.socket) as asker:
                asker.send(data)
                wait_until(asker.taken, 5, "the request is read")
                daemon.process.send_signal(signal.SIGTERM)
                assert idle.closed()  # an idle connection is not waited for
                os.kill(device, signal.SIGCONT)
                reply = asker.reply()
        finally:
            if os.path.exists(f"/proc/{device}"):
                os.kill(device, signal.SIGCONT)
        assert daemon.process.wait(20) == 0
        assert reply is not None and reply.status == 200, reply
        seq = reply.json["audit_seq"]
        daemon.start()
        assert [record["code"] for record in daemon.audit() if record["seq"] == seq] == ["ok"]
