"""Threat row 23: nobody attaches to the processes that hold secrets, and a crash leaves nothing of them."""

import ctypes
import faulthandler
import os
import pwd
import resource
import signal

import pytest

from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.processes import wait_until
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.users import as_user

CORE, DEVICE = "daemon", "games"
CANARY = "canary-of-row-23-" + "k" * 40
PARTS = ("core", "device", "caller")
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
pytestmark = pytest.mark.usefixtures("root")
libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def place(folder):
    path = os.path.join(folder, "crash")
    os.makedirs(path)
    os.chmod(folder, 0o755)
    return path


@pytest.fixture(scope="module")
def daemon(place):
    """Started where a core file would be written, by one who may write as large ones as it likes."""
    with Swtpm(os.path.join(place, "tpm")) as tpm:
        for path in (tpm.socket, tpm.socket + ".ctrl"):
            os.chown(path, pwd.getpwnam(DEVICE).pw_uid, -1)
        state = os.path.join(place, "state")
        os.makedirs(state, 0o700)
        os.chown(state, pwd.getpwnam(CORE).pw_uid, -1)
        settings = f'user = "{CORE}"\ndevice_user = "{DEVICE}"'
        before, limits = os.getcwd(), resource.getrlimit(resource.RLIMIT_CORE)
        cores = os.path.join(place, "cores")
        os.makedirs(cores)
        os.chmod(cores, 0o777)
        os.chdir(cores)
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        try:
            running = Daemon(os.path.join(place, "daemon"), tpm.tcti, everything(), settings=settings, state=state)
        finally:
            os.chdir(before)
        # No `with`: it would take the faults that are forced here for a sanitizer's findings.
        try:
            running.import_aws("aws", "AKIACRASH", CANARY)
            assert running.sign({"key": "aws", "region": "eu-west-1", "service": "s3", "method": "GET",
                                 "url": "https://b.s3.eu-west-1.amazonaws.com/a"}).status == 200
            yield running
        finally:
            running.stop()
        resource.setrlimit(resource.RLIMIT_CORE, (limits[0], limits[1]))


def attempts(pid):
    """Everything by which one process gets at another's memory; what came of each."""

    class Iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    def of(call, *arguments):
        ctypes.set_errno(0)
        return "done" if call(*arguments) >= 0 else os.strerror(ctypes.get_errno())

    def opening(name, flags):
        try:
            os.close(os.open(f"/proc/{pid}/{name}", flags))
            return "done"
        except OSError as error:
            return error.strerror

    buffer = ctypes.create_string_buffer(64)
    ours = Iovec(ctypes.cast(buffer, ctypes.c_void_p), 64)
    theirs = Iovec(0x400000, 64)
    libc.ptrace.restype = ctypes.c_long
    found = {"ptrace attach": of(libc.ptrace, PTRACE_ATTACH, pid, None, None)}
    found["ptrace seize"] = of(libc.ptrace, PTRACE_SEIZE, pid, None, None)
    for name in ("process_vm_readv", "process_vm_writev"):
        found[name] = of(getattr(libc, name), pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
    for name in ("mem", "maps", "environ", "auxv", "pagemap"):
        found[name] = opening(name, os.O_RDONLY)
    found["mem, to write"] = opening("mem", os.O_RDWR)
    found["fd"] = opening("fd", os.O_RDONLY | os.O_DIRECTORY)
    found["map_files"] = opening("map_files", os.O_RDONLY | os.O_DIRECTORY)
    pidfd = os.pidfd_open(pid)
    found["pidfd_getfd"] = of(libc.syscall, 438, pidfd, 0, 0)
    return found


def sleeper(uid):
    """A process of that uid that is as any other."""
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.execv("/bin/sleep", ["sleep", "1000"])
    wait_until(lambda: open(f"/proc/{pid}/comm", encoding="ascii").read() == "sleep\n", 5, "it sleeps")
    return pid


def test_row23_control_other_processes_of_the_uid_can_be_attached_to():
    uid = pwd.getpwnam(CORE).pw_uid
    pid = sleeper(uid)
    try:
        found = as_user(uid, lambda: attempts(pid))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    yama = "/proc/sys/kernel/yama/ptrace_scope"
    if os.path.exists(yama) and open(yama, encoding="ascii").read().strip() != "0":
        pytest.skip("Yama keeps everybody from attaching, so that this shows nothing")
    assert found["ptrace attach"] == "done" and found["mem"] == "done" and found["maps"] == "done", found


@pytest.mark.parametrize("part", PARTS)
def test_row23_nobody_of_the_same_uid_attaches(daemon, part):
    uid = pwd.getpwnam(DEVICE if part == "device" else CORE).pw_uid
    found = as_user(uid, lambda: attempts(daemon.part(part)))
    assert not [name for name, outcome in found.items() if outcome == "done"], found


@pytest.mark.parametrize("part", ("core", "device"))
def test_row23_secrets_are_in_memory_that_is_not_swapped(daemon, part):
    with open(f"/proc/{daemon.part(part)}/status", encoding="ascii") as status:
        locked = int(next(line.split()[1] for line in status if line.startswith("VmLck:")))
    print(f"{part}: {locked} KiB are locked")
    assert locked >= 1024


def cores_in(folder):
    return [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names if name.startswith("core")]


def test_row23_control_a_crash_leaves_a_core_file_here(place):
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as pattern:
        if pattern.read().startswith(("|", "/", "@")):
            pytest.skip("core_pattern gives core files to somebody else")
    folder = os.path.join(place, "control")
    os.makedirs(folder)
    pid = os.fork()
    if pid == 0:
        faulthandler.disable()
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.kill(os.getpid(), signal.SIGSEGV)
        signal.pause()
    assert os.WCOREDUMP(os.waitpid(pid, 0)[1])
    assert cores_in(folder)


@pytest.mark.parametrize("fault", ("SIGSEGV", "SIGABRT"))
@pytest.mark.parametrize("part", PARTS)
def test_row23_crash_leaves_no_core_and_no_canary(daemon, place, part, fault):
    pid = daemon.part(part)
    os.kill(pid, getattr(signal, fault))
    wait_until(lambda: daemon.part(part) != pid, 10, f"the {part} is back")
    assert not cores_in(os.path.join(place, "cores")) and not cores_in(os.path.join(place, "daemon"))
    # Whatever else they left: what was sealed stands in clear in no file.
    for root, _, names in os.walk(place):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path) and not path.startswith(os.path.join(place, "control")):
                with open(path, "rb") as file:
                    assert CANARY.encode() not in file.read(), path
    wait_until(lambda: daemon.client().get("/v1/health").json["status"] == "ok", 10, "all is well again")
