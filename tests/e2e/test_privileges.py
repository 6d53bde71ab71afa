"""Started as root, each process becomes the user the configuration names, and keeps nothing it does not need."""

import grp
import os
import pwd
import stat

import pytest

from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.swtpm import Swtpm

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
    assert health["status"] == "ok" and health["notes"] == []


def test_processes_give_up_what_they_do_not_need(daemon):
    for part, kept in (("core", CAP_SYS_PTRACE), ("device", 0)):
        status = status_of(daemon.part(part))
        for name in ("CapPrm", "CapEff"):
            assert int(status[name], 16) == kept, f"{part} {name}"
        assert int(status["CapAmb"], 16) == 0 and int(status["CapInh"], 16) == 0
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", part


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
