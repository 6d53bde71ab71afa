"""The packaged units in the hands of a real systemd: sockets, start by a request, restart, watchdog, stop."""

import os
import signal
import stat

import pytest

from conftest import DAEMON, SOCKETS, health, is_active, is_ready, processes, run, show, write
from holdfast_testing.processes import wait_until

# Of systemd to notice, and of the daemon to come back, in a slow machine.
SOON = 60


@pytest.mark.short
def test_installing_opens_the_sockets_and_starts_no_daemon(installed):
    assert all(is_active(unit) for unit in SOCKETS)
    assert not is_active(DAEMON)
    enabled = run("systemctl", "is-enabled", *SOCKETS).stdout.split()
    assert enabled == ["enabled"] * 3, enabled


@pytest.mark.short
def test_first_request_starts_it_and_it_has_the_kernels_tpm(installed):
    run("holdfast", "version")
    assert is_active(DAEMON)
    wait_until(is_ready, SOON, "the daemon has its TPM")
    (device,) = health()["devices"]
    # Encrypted sessions, were it hardware: libtpms says of itself that it is not.
    assert (device["backend"], device["software"]) == ("tpm", True), device


def test_sockets_are_for_whom_they_are_meant(daemon):
    for name, mode, group in (("holdfast", 0o666, "root"), ("admin", 0o660, "holdfast-admin"), ("metrics", 0o660, "holdfast-admin")):
        found = os.stat(f"/run/holdfast/{name}.sock")
        assert stat.S_IMODE(found.st_mode) == mode
        assert run("stat", "-c", "%U:%G", f"/run/holdfast/{name}.sock").stdout.strip() == f"root:{group}"


@pytest.mark.short
def test_signs_with_a_key_in_the_tpm(key):
    write("/etc/holdfast/policy.d/root.toml", '[[grant]]\nname = "root"\nkey = "lab"\ncaller = { user = "root" }\nfacts = { audience = "root" }\n')
    run("systemctl", "reload", DAEMON)
    assert run("holdfast", "token", "jwt", "--key", key, "--audience", "root").stdout.count(".") == 2


def test_reload_refuses_a_bad_file_and_says_so(daemon):
    before = health()["policy_digest"]
    write("/etc/holdfast/policy.d/bad.toml", "nonsense\n")
    try:
        run("systemctl", "reload", DAEMON)
        wait_until(lambda: "refused" in show(DAEMON, "StatusText")["StatusText"], SOON, "systemd is told")
        assert health()["policy_digest"] == before
    finally:
        os.unlink("/etc/holdfast/policy.d/bad.toml")
    run("systemctl", "reload", DAEMON)
    wait_until(lambda: "refused" not in show(DAEMON, "StatusText")["StatusText"], SOON, "systemd is told")


@pytest.mark.short
@pytest.mark.parametrize("name", ["holdfast-core", "holdfast-device"])
def test_killed_process_is_replaced_by_the_supervisor(daemon, name):
    restarts, before = show(DAEMON, "NRestarts"), processes()
    os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: processes().get(name, before[name]) != before[name], SOON, f"there is another {name}")
    wait_until(is_ready, SOON, "it works again")
    assert processes()["holdfastd"] == before["holdfastd"] and show(DAEMON, "NRestarts") == restarts


@pytest.mark.short
def test_killed_supervisor_is_replaced_by_systemd(daemon):
    before, restarts = processes(), int(show(DAEMON, "NRestarts")["NRestarts"])
    os.kill(before["holdfastd"], signal.SIGKILL)
    wait_until(lambda: int(show(DAEMON, "NRestarts")["NRestarts"]) == restarts + 1, SOON, "systemd starts it again")
    # The sockets were systemd's all the time.
    wait_until(is_ready, SOON, "it works again")
    assert not set(before.values()) & set(processes().values())


def test_core_that_hangs_is_replaced(daemon):
    before, restarts = processes(), show(DAEMON, "NRestarts")
    os.kill(before["holdfast-core"], signal.SIGSTOP)
    wait_until(lambda: processes().get("holdfast-core", before["holdfast-core"]) != before["holdfast-core"], SOON, "there is another core")
    wait_until(is_ready, SOON, "it works again")
    assert show(DAEMON, "NRestarts") == restarts


def test_supervisor_that_hangs_is_ended_by_systemds_watchdog(daemon):
    before, restarts = processes(), int(show(DAEMON, "NRestarts")["NRestarts"])
    os.kill(before["holdfastd"], signal.SIGSTOP)
    wait_until(lambda: int(show(DAEMON, "NRestarts")["NRestarts"]) == restarts + 1, 120, "systemd starts it again")
    wait_until(is_ready, SOON, "it works again")
    assert "watchdog" in run("journalctl", "-u", DAEMON, "--no-pager", "-b").stdout
    assert not set(before.values()) & set(processes().values())


def test_stop_is_clean_and_the_next_request_starts_it_again(daemon):
    run("systemctl", "stop", DAEMON)
    assert show(DAEMON, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    assert all(is_active(unit) for unit in SOCKETS)
    wait_until(is_ready, SOON, "a request starts it again")
    assert is_active(DAEMON)


def test_restarted_sockets_bring_the_daemon_along(daemon):
    run("systemctl", "restart", *SOCKETS)
    wait_until(is_ready, SOON, "it works again")
    assert all(is_active(unit) for unit in SOCKETS)
