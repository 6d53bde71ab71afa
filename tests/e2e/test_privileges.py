"""Started as root, each process becomes the user the configuration names, and keeps nothing it does not need."""

import grp
import json
import os
import pwd
import signal
import stat
import subprocess

import pytest

from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.users import as_user

# Users that every Debian has.
CORE, DEVICE, ADMINS = "daemon", "games", "adm"
CAP_SYS_PTRACE = 1 << 19


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.fixture(scope="module")
def daemon(root, folder):
    place = os.path.join(folder, "users")
    with Swtpm(os.path.join(place, "tpm")) as tpm:
        for path in (tpm.socket, tpm.socket + ".ctrl"):
            os.chown(path, pwd.getpwnam(DEVICE).pw_uid, -1)
        for path in (folder, place, tpm.folder):
            os.chmod(path, 0o755)
        state = os.path.join(place, "state")
        os.makedirs(state, 0o700)
        os.chown(state, pwd.getpwnam(CORE).pw_uid, -1)
        settings = f'user = "{CORE}"\ndevice_user = "{DEVICE}"\nadmin_group = "{ADMINS}"'
        with Daemon(os.path.join(place, "daemon"), tpm.tcti, everything(), settings=settings, state=state) as running:
            yield running


def test_processes_run_as_their_users_and_sign(daemon):
    for part, user in (("core", CORE), ("device", DEVICE)):
        entry, status = pwd.getpwnam(user), status_of(daemon.part(part))
        assert status["Uid"].split() == [str(entry.pw_uid)] * 4, part
        assert status["Gid"].split() == [str(entry.pw_gid)] * 4, part
    daemon.import_aws("aws", "AKIAUSERS", "a-secret")
    daemon.create_key("digests")
    with daemon.client() as client:
        health = client.get("/v1/health").json
    assert health["status"] == "ok" and health["notes"] == ["the log's checkpoints are not signed: [audit] signing_key names no key"]


def test_processes_give_up_what_they_do_not_need(daemon):
    for part, kept in (("core", 0), ("caller", CAP_SYS_PTRACE), ("device", 0)):
        status = status_of(daemon.part(part))
        for name in ("CapPrm", "CapEff"):
            assert int(status[name], 16) == kept, f"{part} {name}"
        assert int(status["CapAmb"], 16) == 0 and int(status["CapInh"], 16) == 0
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", part


def test_health_has_what_each_process_finds_of_itself(daemon):
    with daemon.client() as client:
        health = client.get("/v1/health").json
    processes = {one["name"]: one for one in health["processes"]}
    assert sorted(processes) == ["caller", "core", "device tpm", "supervisor"]
    parts = {"core": "core", "caller": "caller", "device tpm": "device"}
    for name, found in processes.items():
        pid = daemon.part(parts[name]) if name in parts else daemon.process.pid
        status = status_of(pid)
        assert found["no_new_privileges"] is (status["NoNewPrivs"] == "1") is True, name
        assert found["seccomp"] == int(status["Seccomp"]) == 2, name
        assert found["locked_kib"] == int(status["VmLck"].split()[0]), name
        assert int(found["capabilities"], 16) == int(status["CapPrm"], 16) | int(status["CapEff"], 16), name
        assert found["dumpable"] is False and found["core_dumps"] is False and found["gaps"] == [], name
    for name in ("core", "device tpm"):
        assert processes[name]["landlock"] >= 1 and processes[name]["locked_kib"] >= 1024


def test_executables_of_other_users_are_known(daemon):
    known = as_user(pwd.getpwnam(DEVICE).pw_uid, lambda: whoami(daemon.socket))
    assert known["exe"] == os.path.realpath("/usr/bin/curl") and known["user"] == DEVICE


def whoami(path):
    command = ["/usr/bin/curl", "-s", "--unix-socket", path, "http://localhost/v1/whoami"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=20).stdout)


def test_caller_process_that_dies_is_replaced_and_nobody_is_turned_away(daemon):
    pid = daemon.part("caller")
    os.kill(pid, signal.SIGKILL)
    assert whoami(daemon.socket)["exe"] == os.path.realpath("/usr/bin/curl")
    assert daemon.part("caller") != pid


def test_reload_reads_files_that_were_replaced(daemon):
    """The core may open its configuration's folder, not only the files that were there when it started."""
    fresh = daemon.policy + ".new"
    with open(fresh, "w", encoding="utf-8") as file:
        file.write(everything() + everything(pwd.getpwnam(DEVICE).pw_uid).replace('"everything', '"more'))
    os.chmod(fresh, 0o644)
    os.rename(fresh, daemon.policy)
    reply = daemon.reload()
    assert reply.status == 200 and reply.json["grants"] == 4, reply


def test_admin_sockets_are_the_admin_groups(daemon):
    for path in (daemon.admin_socket, daemon.metrics_socket):
        found = os.stat(path)
        assert stat.S_IMODE(found.st_mode) == 0o660 and found.st_gid == grp.getgrnam(ADMINS).gr_gid
    assert stat.S_IMODE(os.stat(daemon.socket).st_mode) == 0o666


def test_state_is_the_cores_alone(daemon):
    for root, folders, files in os.walk(daemon.state):
        for name in folders + files:
            found = os.stat(os.path.join(root, name))
            assert found.st_uid == pwd.getpwnam(CORE).pw_uid and stat.S_IMODE(found.st_mode) & 0o077 == 0, name
