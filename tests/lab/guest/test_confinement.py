"""What the kernel says of the daemon's processes, started by systemd with all that the unit asks for."""

import os
import pwd

import pytest

from conftest import DAEMON, processes, run, show

# capabilities(7)
KILL, SETGID, SETUID, SYS_PTRACE = 1 << 5, 1 << 6, 1 << 7, 1 << 19


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.mark.short
def test_systemd_put_the_sandbox_up(daemon):
    wanted = {
        "NoNewPrivileges": "yes", "PrivateDevices": "yes", "PrivateNetwork": "yes", "PrivateTmp": "yes", "ProtectSystem": "strict",
        "ProtectHome": "yes", "ProtectProc": "invisible", "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes",
        "RestrictSUIDSGID": "yes", "LockPersonality": "yes", "SystemCallArchitectures": "native", "DevicePolicy": "closed",
        "WatchdogUSec": "30s", "NotifyAccess": "main", "Restart": "on-failure",
    }  # fmt: skip
    assert show(DAEMON, *wanted) == wanted


@pytest.mark.short
def test_every_process_is_filtered_and_gains_nothing(daemon):
    found = processes()
    assert {"holdfastd", "holdfast-core", "holdfast-caller", "holdfast-device"} <= set(found)
    for name, pid in found.items():
        status = status_of(pid)
        assert status["NoNewPrivs"] == "1", name
        # systemd's filter, and in all but the supervisor their own.
        assert status["Seccomp"] == "2" and int(status["Seccomp_filters"]) >= (1 if name == "holdfastd" else 2), (name, status["Seccomp_filters"])
        assert int(status["CapBnd"], 16) & ~(KILL | SETGID | SETUID | SYS_PTRACE) == 0, name
        assert int(status["CapAmb"], 16) == int(status["CapInh"], 16) == 0, name
    assert int(status_of(found["holdfast-caller"])["CapEff"], 16) == SYS_PTRACE
    for name in ("holdfast-core", "holdfast-device"):
        assert int(status_of(found[name])["CapEff"], 16) == 0, name


@pytest.mark.short
def test_processes_are_users_of_their_own(daemon):
    found = processes()
    for name, user in (("holdfastd", "root"), ("holdfast-core", "holdfast"), ("holdfast-caller", "holdfast"),
                       ("holdfast-device", "holdfast-device")):
        assert status_of(found[name])["Uid"].split() == [str(pwd.getpwnam(user).pw_uid)] * 4, name


@pytest.mark.short
def test_every_process_has_namespaces_of_its_own(daemon):
    for name, pid in processes().items():
        for kind in ("mnt", "net"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/1/ns/{kind}"), (name, kind)
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            assert [line.split(":")[0].strip() for line in file if ":" in line] == ["lo"], name


def test_the_tpm_is_the_only_hardware_there(daemon):
    pid = processes()["holdfast-device"]
    inside = set(os.listdir(f"/proc/{pid}/root/dev"))
    assert "tpmrm0" in inside and not inside & {"tpm0", "mem", "kmsg", "ttyS0", "port", "vda"}, inside


def test_nothing_but_state_and_sockets_can_be_written(daemon):
    pid = str(processes()["holdfast-core"])
    for folder, writable in (("/usr", False), ("/etc/holdfast", False), ("/root", False), ("/var/lib/holdfast", True), ("/run/holdfast", True)):
        tried = run("nsenter", "-t", pid, "-m", "touch", f"{folder}/lab-tried", check=False)
        assert (tried.returncode == 0) == writable, (folder, tried.stderr)
        if writable:
            run("nsenter", "-t", pid, "-m", "rm", f"{folder}/lab-tried")


@pytest.mark.short
def test_apparmor_enforces_the_profile(daemon):
    assert run("aa-enabled", check=False).stdout.strip() == "Yes"
    for name, pid in processes().items():
        with open(f"/proc/{pid}/attr/apparmor/current", encoding="ascii") as file:
            assert file.read().strip() == "holdfastd (enforce)", name
