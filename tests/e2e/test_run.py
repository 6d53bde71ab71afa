"""`holdfast run`: what root's command for another user gets, and what is left of it when either ends."""

import os
import signal
import subprocess
import termios

import pytest

from holdfast_testing import units
from holdfast_testing.paths import program
from holdfast_testing.processes import end, wait_until
from holdfast_testing.terminal import on_terminal

JOBS = "games"  # a user that every Debian has
LABEL = f"test-{os.getpid()}"
AS_ROOT = [program("holdfast"), "run", "--label", LABEL]
AS_JOBS = [*AS_ROOT, "--user", JOBS]
# A job that says who it is, and so that it runs, by a file: $0.
SAY = "echo $$ >$0.new; mv $0.new $0; "
STAY = "while :; do sleep 0.1; done"

pytestmark = pytest.mark.usefixtures("cgroups")


def run(*arguments, as_user=True, **options):
    command = [*(AS_JOBS if as_user else AS_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def said(mark):
    wait_until(lambda: os.path.exists(mark), 20, "the command runs")
    with open(mark, encoding="ascii") as file:
        return int(file.read())


@pytest.fixture
def mark(folder, request):
    """Where a job of any user may write a file."""
    place = os.path.join(folder, request.node.name)
    os.mkdir(place)
    os.chmod(folder, 0o755)
    os.chmod(place, 0o777)
    return os.path.join(place, "pid")


@pytest.fixture
def start():
    """Starts `holdfast run` and sees to its end."""
    started = []

    def start_one(*command):
        started.append(subprocess.Popen(command))
        return started[-1]

    yield start_one
    for one in started:
        end(one)


def test_has_its_user_and_hands_its_status_on():
    done = run("--", "sh", "-c", "id -un; id -G; exit 42")
    assert done.returncode == 42, done
    name, groups = done.stdout.splitlines()
    wanted = subprocess.run(["id", "-G", JOBS], capture_output=True, text=True, check=True).stdout.split()
    assert (name, sorted(groups.split())) == (JOBS, sorted(wanted)), done.stdout
    assert run("--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL
    assert run("--", "/nonexistent").returncode == 1
    assert run("--user", "no-such-user", "--", "true", as_user=False).returncode == 2
    assert units.labelled(LABEL) == []


ROOTS = {"PATH": "/root/bin:/usr/bin:/bin", "AWS_SECRET_ACCESS_KEY": "roots", "LD_PRELOAD": "", "XDG_RUNTIME_DIR": "/run/user/0",
         "HOLDFAST_ADMIN_SOCKET": "/run/admin.sock", "HOLDFAST_SOCKET": "/run/some.sock", "LC_ALL": "C", "TERM": "dumb", "TZ": "UTC",
         "HOME": "/root", "USER": "root", "CI_JOB": "7"}  # fmt: skip


def test_environment_of_another_user_starts_anew():
    done = run("--env", "CI_JOB", "--env", "NOT_SET", "--env", "STAGE=a=b", "--", "env", env=ROOTS)
    assert done.returncode == 0, done
    entry = subprocess.run(["getent", "passwd", JOBS], capture_output=True, text=True, check=True).stdout.strip().split(":")
    assert dict(line.split("=", 1) for line in done.stdout.splitlines()) == {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": entry[5], "USER": JOBS, "LOGNAME": JOBS, "SHELL": entry[6],
        "HOLDFAST_SOCKET": "/run/some.sock", "LC_ALL": "C", "TERM": "dumb", "TZ": "UTC", "CI_JOB": "7", "STAGE": "a=b"}  # fmt: skip
    assert run("--env", "=x", "--", "true").returncode == 2
    own = run("--env", "STAGE=b", "--", "env", as_user=False, env=ROOTS)
    assert dict(line.split("=", 1) for line in own.stdout.splitlines()) == {**ROOTS, "STAGE": "b"}, own


def test_open_files_are_not_handed_on_to_another_user(folder):
    with open(os.path.join(folder, "roots"), "w+b") as file:
        done = run("--", "ls", "-l", "/proc/self/fd", pass_fds=[file.fileno()])
        assert done.returncode == 0 and file.name not in done.stdout, done
        done = run("--", "ls", "-l", "/proc/self/fd", as_user=False, pass_fds=[file.fileno()])
        assert file.name in done.stdout, done


# keyctl(2) by number: x86-64 and aarch64.
KEYRING = """import ctypes, platform, subprocess, sys
c = ctypes.CDLL(None, use_errno=True)
add, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
session = ctypes.c_int(-3)
if c.syscall(keyctl, 1, None) < 0 or c.syscall(add, b"user", b"holdfast-test", b"roots", 5, session) < 0:
    sys.exit(77)
seek = f"import ctypes,sys; sys.exit(ctypes.CDLL(None).syscall({keyctl}, 10, ctypes.c_int(-3), b'user', b'holdfast-test', 0) >= 0)"
assert subprocess.run(["/usr/bin/python3", "-c", seek]).returncode == 1, "root's own command finds it"
sys.exit(subprocess.run([*sys.argv[1:], "--", "/usr/bin/python3", "-c", seek]).returncode)
"""


def test_session_keyring_of_root_is_not_anothers():
    done = subprocess.run(["/usr/bin/python3", "-c", KEYRING, *AS_JOBS], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("no kernel keyrings here")
    assert done.returncode == 0, done


def test_another_user_has_no_hold_on_the_terminal():
    inject = f"import fcntl,sys; fcntl.ioctl(0, {termios.TIOCSTI}, b'x')"
    script = f"(: </dev/tty) 2>/dev/null && echo held; /usr/bin/python3 -c '{inject}' 2>/dev/null && echo typed; echo done"
    status, shown = on_terminal([*AS_JOBS, "--", "sh", "-c", script], [])
    assert (status, shown.split()) == (0, ["done"]), shown
    status, shown = on_terminal([*AS_ROOT, "--", "sh", "-c", "(: </dev/tty) && echo held"], [])
    assert (status, shown.split()) == (0, ["held"]), shown


@pytest.mark.parametrize("command", [AS_ROOT, AS_JOBS], ids=["root", "user"])
def test_keys_of_the_terminal_reach_all_of_it(command):
    for key, name, number in (("\x03", "INT", 7), ("\x1c", "QUIT", 8)):
        # The outer shell waits for the inner one, which has to be told as well.
        script = f"trap 'echo told; exit {number}' {name}; sh -c 'trap exit {name}; echo ready; {STAY}'"
        status, shown = on_terminal([*command, "--", "sh", "-c", script], [("ready", key)])
        assert status == number and "told" in shown, shown


def test_another_users_is_not_left_behind_by_the_key_that_stops():
    """It would go on reading from the terminal that the shell reads from then."""
    job = [*AS_JOBS, "--", "sh", "-c", "echo ready; read line; echo got $line; exit 7"]
    # -m: a group of its own in a shell that would notice.
    status, shown = on_terminal(["/bin/bash", "-m", "-c", '"$@"; exit $?', "bash", *job], [("ready", "\x1a"), ("^Z", "a\n")])
    assert status == 7 and "got a" in shown, shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_gets_signals_and_leaves_nothing_behind(start, mark, number):
    script = f"trap 'exit 7' {number.name[3:]}; setsid sh -c '{SAY + STAY}' $0 & {STAY}"
    process = start(*AS_JOBS, "--", "sh", "-c", script, mark)
    left = said(mark)
    assert len(units.labelled(LABEL)) == 1 and not is_gone(left)
    process.send_signal(number)
    assert process.wait(timeout=30) == 7
    assert units.labelled(LABEL) == []
    wait_until(lambda: is_gone(left), 10, "what it left behind is ended")


@pytest.mark.parametrize("command", [AS_ROOT, AS_JOBS], ids=["root", "user"])
def test_is_ended_with_run_however_that_ends(start, mark, command):
    """Neither it nor what it started has to agree."""
    script = f"trap '' TERM HUP; setsid sh -c '{SAY + STAY}' $0.below & {SAY + STAY}"
    process = start(*command, "--", "sh", "-c", script, mark)
    pids = [said(mark), said(mark + ".below")]
    process.kill()
    process.wait()
    wait_until(lambda: all(is_gone(pid) for pid in pids), 20, "the whole scope is ended")
    wait_until(lambda: units.labelled(LABEL) == [], 20, "the scope is gone")


def test_is_asked_to_end_where_nobody_can_kill_its_scope(start, mark):
    """run and the process that sees to the scope, both killed."""
    process = start(*AS_JOBS, "--", "sh", "-c", f"{SAY} exec sleep 1000", mark)
    pid, (scope,) = said(mark), units.labelled(LABEL)
    place = os.path.join(units.tree(), "system.slice", scope)

    def others():
        with open(os.path.join(place, "cgroup.procs"), encoding="ascii") as procs:
            return {int(line) for line in procs} - {pid}

    wait_until(lambda: len(others()) == 1, 20, "it is sleep, without what the shell started")
    (other,) = others()
    assert os.stat(f"/proc/{other}").st_uid == 0
    os.kill(other, signal.SIGKILL)
    process.kill()
    process.wait()
    try:
        wait_until(lambda: is_gone(pid), 20, "it is asked to end")
    finally:
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_gone(pid), 20, "it is ended")
        os.rmdir(place)


def test_without_cgroups_it_says_so_once():
    command = ["unshare", "--mount", "sh", "-c", 'umount -R /sys/fs/cgroup && exec "$@"', "sh", *AS_ROOT, "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stderr.count("no cgroup tree") == 1, done
    assert "outside the container" in done.stderr, done
