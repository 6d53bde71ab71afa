"""Callers in real units and user managers, and what a kernel without SO_PEERPIDFD makes of them."""

import json
import os
import pwd
import shutil
import subprocess

import pytest

from conftest import DAEMON, health, run, show, write
from holdfast_testing.processes import wait_until

ALLOWED, REFUSED = 0, 3
# Each grant has an audience of its name.
GRANTS = {
    "unit": '{ unit = "orders.service" }',
    "user": '{ user = "hf-orders" }',
    "exe": '{ user = "hf-orders", exe = "/usr/bin/holdfast" }',
    "user-unit": '{ user = "hf-alice", user_unit = "orders.service" }',
    "unit-of-the-manager": '{ unit = "user@61002.service" }',
    "digest": '{ user = "hf-orders", exe = "/usr/bin/holdfast", exe_sha256 = "%s" }',
    "other-digest": f'{{ user = "hf-orders", exe = "/usr/bin/holdfast", exe_sha256 = "{"0" * 64}" }}',
    "label": '{ label = "nightly", user = "hf-orders" }',
}
# Asks for a token under each grant, and who the daemon takes it for.
ASK = """for audience in {audiences}; do
  /usr/bin/holdfast token jwt --key {key} --audience "$audience" >/dev/null 2>&1
  echo "$audience $?"
done
exec /usr/bin/holdfast --json whoami
"""
SERVICE = "[Service]\nType=oneshot\nExecStart=/bin/sh /run/lab-ask\nStandardOutput=truncate:%s\n"


@pytest.fixture(scope="module")
def units(key):
    for name, uid in (("hf-orders", "61001"), ("hf-alice", "61002")):
        run("useradd", "-m", "-u", uid, name)
    write("/run/lab-ask", ASK.format(audiences=" ".join(GRANTS), key=key))
    for name in ("orders", "other"):
        write(f"/run/systemd/system/{name}.service", SERVICE % f"/run/asked-{name}" + "User=hf-orders\n")
    write("/run/systemd/user/orders.service", SERVICE % "%t/asked-orders")
    write("/run/systemd/user/other.service", SERVICE % "%t/asked-other")
    digest = run("sha256sum", "/usr/bin/holdfast").stdout.split()[0]
    callers = {**GRANTS, "digest": GRANTS["digest"] % digest}
    write("/etc/holdfast/policy.d/callers.toml", "".join(
        f'[[grant]]\nname = "{name}"\nkey = "{key}"\ncaller = {caller}\nfacts = {{ audience = "{name}" }}\n' for name, caller in callers.items()))  # fmt: skip
    run("systemctl", "daemon-reload")
    run("systemctl", "reload", DAEMON)
    # Not for who comes after: they make health degraded on an old kernel.
    yield
    os.unlink("/etc/holdfast/policy.d/callers.toml")
    run("systemctl", "reload", DAEMON)


@pytest.fixture(scope="module")
def alice(units):
    """A user with a manager of her own; runs a command as her."""
    uid = pwd.getpwnam("hf-alice").pw_uid
    run("systemctl", "start", f"user@{uid}.service")
    environment = {"XDG_RUNTIME_DIR": f"/run/user/{uid}", "HOME": "/home/hf-alice", "PATH": os.environ["PATH"]}
    yield lambda *command, **options: run("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", *command, env=environment, **options)
    run("systemctl", "stop", f"user@{uid}.service")


def answers(path):
    """{audience: exit status}, and whoami's reply."""
    with open(path, encoding="utf-8") as file:
        *lines, who = file.read().splitlines()
    return {line.split()[0]: int(line.split()[1]) for line in lines}, json.loads(who)


def expected(pidfd, *allowed):
    """Without SO_PEERPIDFD, grants by user alone."""
    return {name: ALLOWED if name in allowed and (pidfd or name == "user") else REFUSED for name in GRANTS}


@pytest.mark.short
def test_health_says_what_the_kernel_can_not_tell(units, kernel_has_pidfd):
    said = health()
    if kernel_has_pidfd:
        assert said["status"] == "ok", said
    else:
        assert said["status"] == "degraded" and any("SO_PEERPIDFD" in reason for reason in said["reasons"]), said


@pytest.mark.short
def test_a_unit_is_known_by_its_name(units, kernel_has_pidfd):
    run("systemctl", "start", "orders.service")
    got, who = answers("/run/asked-orders")
    assert got == expected(kernel_has_pidfd, "unit", "user", "exe", "digest"), who
    assert (who["user"], who["unit"]) == ("hf-orders", "orders.service" if kernel_has_pidfd else ""), who


@pytest.mark.short
def test_another_unit_of_the_same_user_is_not_taken_for_it(units, kernel_has_pidfd):
    run("systemctl", "start", "other.service")
    got, who = answers("/run/asked-other")
    assert got == expected(kernel_has_pidfd, "user", "exe", "digest"), who


@pytest.mark.short
def test_a_users_unit_is_no_system_unit_whatever_its_name(alice, kernel_has_pidfd):
    alice("systemctl", "--user", "start", "orders.service")
    got, who = answers("/run/user/61002/asked-orders")
    assert got == expected(kernel_has_pidfd, "user-unit", "unit-of-the-manager"), who
    if kernel_has_pidfd:
        assert (who["unit"], who["user_unit"]) == ("user@61002.service", "orders.service"), who


def test_another_unit_of_a_users_manager_is_told_apart(alice, kernel_has_pidfd):
    alice("systemctl", "--user", "start", "other.service")
    got, who = answers("/run/user/61002/asked-other")
    assert got == expected(kernel_has_pidfd, "unit-of-the-manager"), who


def test_a_cgroup_that_a_user_names_is_no_system_unit(alice, units, kernel_has_pidfd):
    """Below the manager the tree is the user's, and can have a system.slice/orders.service: a unit of hers, which she names as
    she likes, and no more than that."""
    place = "/sys/fs/cgroup" + show("user@61002.service", "ControlGroup")["ControlGroup"] + "/app.slice/system.slice/orders.service"
    # It moves itself: nobody but root moves processes into the tree from outside.
    write("/home/hf-alice/forge", f"mkdir -p {place} && echo $$ >{place}/cgroup.procs && exec sh /run/lab-ask\n")
    write("/run/systemd/user/forge.service", "[Service]\nType=oneshot\nExecStart=/bin/sh /home/hf-alice/forge\nStandardOutput=truncate:%t/asked-forge\n")
    alice("systemctl", "--user", "daemon-reload")
    alice("systemctl", "--user", "start", "forge.service")
    got, who = answers("/run/user/61002/asked-forge")
    assert got == expected(kernel_has_pidfd, "user-unit", "unit-of-the-manager"), who
    if kernel_has_pidfd:
        assert (who["unit"], who["user_unit"]) == ("user@61002.service", "orders.service"), who


def test_a_session_without_a_unit_has_none_of_them(alice, kernel_has_pidfd):
    # A child of this test's own unit, under the user's uid.
    copy = "/run/lab-asked-plain"
    got = alice("sh", "/run/lab-ask")
    write(copy, got.stdout)
    answered, who = answers(copy)
    assert answered == expected(kernel_has_pidfd), who
    shutil.os.unlink(copy)


def scopes():
    listed = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "--type=scope", "holdfast-label-*").stdout
    return [line.split()[0] for line in listed.splitlines()]


@pytest.mark.short
def test_a_label_is_known_of_what_root_started_with_it(units, kernel_has_pidfd):
    """A scope of the real manager's, gone when the command has ended."""
    copy = "/run/lab-asked-label"
    for label in ("nightly", "weekly"):
        got = run("/usr/bin/holdfast", "run", "--label", label, "--user", "hf-orders", "--", "sh", "/run/lab-ask")
        write(copy, got.stdout)
        answered, who = answers(copy)
        assert answered == expected(kernel_has_pidfd, "user", "exe", "digest", *(["label"] if label == "nightly" else [])), who
        assert who["label"] == (label if kernel_has_pidfd else ""), who
    os.unlink(copy)
    done = run("/usr/bin/holdfast", "run", "--label", "nightly", "--", "sh", "-c", "cat /proc/self/cgroup; sleep 1000 & exit 7", check=False)
    assert done.returncode == 7 and "/system.slice/holdfast-label-nightly-" in done.stdout, done
    wait_until(lambda: not scopes(), 30, "the scopes are gone")


def test_a_labelled_command_is_ended_with_run_however_that_ends(units):
    started = "/run/lab-labelled"
    job = f"trap '' TERM; setsid sleep 1000 & >{started}; while :; do sleep 0.1; done"
    process = subprocess.Popen(["/usr/bin/holdfast", "run", "--label", "nightly", "--", "sh", "-c", job])
    wait_until(lambda: os.path.exists(started), 60, "the command runs")
    assert len(scopes()) == 1
    process.kill()
    process.wait()
    wait_until(lambda: not scopes(), 60, "the scope is gone, and so all in it")
