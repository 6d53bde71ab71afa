"""The machine the tests run in: its systemd, the installed packages, users and units of the tests."""

import json
import os
import subprocess

import pytest

from holdfast_testing.processes import wait_until

SOURCE, STAGE = os.environ["SOURCE"], os.environ["STAGE"]
DAEMON, SOCKETS = "holdfastd.service", ("holdfast.socket", "holdfast-admin.socket", "holdfast-metrics.socket")


def pytest_configure(config):
    config.addinivalue_line("markers", "short: belongs to the short run")


# The suites clear the TPM, which is not for a daemon to see that has keys in it; the units are looked at from their
# installation on; the journal when all is done.
ORDER = ["test_tpm", "test_units", "test_confinement", "test_callers", "test_credentials", "test_hsm", "test_log"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: ORDER.index(item.path.stem))


def run(*command, check=True, seconds=120, **options):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False, **options)
    assert not check or result.returncode == 0, f"{' '.join(command)}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def show(unit, *properties):
    """The properties of a unit, by name."""
    said = run("systemctl", "show", unit, *[f"-p{name}" for name in properties]).stdout
    return dict(line.split("=", 1) for line in said.splitlines())


def is_active(unit):
    return show(unit, "ActiveState")["ActiveState"] == "active"


def health():
    return json.loads(run("holdfast", "--json", "health").stdout)


def is_ready():
    said = run("holdfast", "--json", "health", check=False)
    return said.returncode == 0 and all(device["state"] == "ready" for device in json.loads(said.stdout)["devices"])


def processes():
    """Pid of each process of the daemon, by name; the supervisor is holdfastd."""
    found = {}
    with open(f"/sys/fs/cgroup{show(DAEMON, 'ControlGroup')['ControlGroup']}/cgroup.procs", encoding="ascii") as procs:
        for pid in procs.read().split():
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                    found[comm.read().strip()] = int(pid)
            except OSError:
                continue  # it has ended
    return found


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture(scope="session")
def kernel_has_pidfd():
    """SO_PEERPIDFD came with Linux 6.5."""
    return tuple(int(part) for part in os.uname().release.split(".")[:2]) >= (6, 5)


@pytest.fixture(scope="session")
def installed(request):
    """The packages' files, and what their postinst does with them."""
    run("sh", "-c", 'tar -C "$STAGE" -c . | tar -C / -x --no-same-owner --no-overwrite-dir')
    # The TPM is swtpm's, however real the driver is.
    path = "/etc/holdfast/holdfast.toml"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    write(path, text.replace("[daemon]\n", "[daemon]\nallow_software_devices = true\n"))
    if request.config.getoption("markexpr") == "short":
        # The same without Debian's helpers, whose Perl takes longer than all else together.
        run("systemd-sysusers", "holdfast.conf")
        run("systemd-tmpfiles", "--create", "holdfast.conf")
        run("apparmor_parser", "-r", "-T", "-W", "/etc/apparmor.d/usr.sbin.holdfastd")
        run("systemctl", "enable", "--now", *SOCKETS)
    else:
        dpkg = dict(os.environ, DPKG_MAINTSCRIPT_PACKAGE="holdfast-daemon", DPKG_MAINTSCRIPT_NAME="postinst")
        run("sh", f"{SOURCE}/packaging/debian/holdfast-daemon/postinst", "configure", env=dpkg, seconds=300)


@pytest.fixture(scope="session")
def daemon(installed):
    """It runs and has its TPM."""
    wait_until(is_ready, 60, "the daemon has its TPM")


@pytest.fixture(scope="session")
def key(daemon):
    """A key that signs tokens."""
    run("holdfast", "key", "create", "lab", "--type", "ec-p256", "--use", "jwt")
    return "lab"
