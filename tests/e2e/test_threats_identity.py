"""Threat rows 4, 5 and 22: programs, units, labels and containers that somebody made up."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from holdfast_testing import units
from holdfast_testing.client import exchange
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import program
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get
from holdfast_testing.users import ALICE, MALLORY, as_user, become, in_child

TRUSTED = os.path.realpath("/usr/bin/curl")
JOBS = "games"  # a user that every Debian has, for `holdfast run --user`
CONTAINER, POD = "0123456789abcdef" * 4, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
SLICED_POD = POD.replace("-", "_")
LABELLED = "holdfast-label-nightly-0123456789abcdef.scope"
A, B = "holdfast-test-a.service", "holdfast-test-b.service"


def digest():
    with open(TRUSTED, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def grants():
    """Each for a key of its name."""
    callers = {
        "uid": f"uid = {ALICE}",
        "exe": f'uid = {ALICE}, exe = "{TRUSTED}"',
        "unit-and-exe": f'uid = {ALICE}, unit = "{A}", exe = "{TRUSTED}"',
        "digest": f'uid = {ALICE}, exe = "{TRUSTED}", exe_sha256 = "{digest()}"',
        "other-digest": f'uid = {ALICE}, exe = "{TRUSTED}", exe_sha256 = "{"0" * 64}"',
        "unit-a": f'unit = "{A}"',
        "unit-b": f'unit = "{B}"',
        "container": f'container = "{CONTAINER}"',
        "pod": f'pod = "{POD}"',
        "label": 'label = "nightly"',
        "other-label": 'label = "weekly"',
        "nested": f"uid = {ALICE}, nested = true",
    }
    return callers, "".join(f'[[grant]]\nname = "{name}"\nkey = "{name}"\ncaller = {{ {caller} }}\n' for name, caller in callers.items())


KEYS = list(grants()[0])


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, grants()[1]) as running:
        for key in KEYS:
            running.import_aws(key, "AKIAIDENTITY", "the-secret-of-the-identity-tests")
        yield running


def post(key):
    data = json.dumps(get(key)).encode()
    return f"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def signed(daemon):
    """The keys with which this process gets a signature."""
    replies = {key: exchange(daemon.socket, post(key)) for key in KEYS}
    assert all(reply.status == 200 or reply.code == "not_permitted" for reply in replies.values()), replies
    return {key for key, reply in replies.items() if reply.status == 200}


def signed_in(daemon, procs, uid):
    return in_child(lambda: signed(daemon), before=lambda: (units.move(os.getpid(), procs), become(uid)))


def curl(daemon, key, uid, command=(TRUSTED,), procs=None, environment=None, wrapper=()):
    """What a program that is curl, or says so, is answered: the HTTP status."""

    def before():
        if procs:
            units.move(os.getpid(), procs)
        become(uid)

    command = [*wrapper, *command, "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", daemon.socket,
               "-d", json.dumps(get(key)), "http://localhost/v1/sign/sigv4"]  # fmt: skip
    done = subprocess.run(command, preexec_fn=before, capture_output=True, text=True, timeout=60, check=False,
                          env=dict(os.environ, **(environment or {})), cwd="/")  # fmt: skip
    assert done.returncode == 0, done
    return int(done.stdout)


# Row 4: what an executable is worth.


def exec_after_connect(daemon, folder, uid, key):
    """While the core is held up, who connected and asked becomes the trusted program; a child reads the answer."""
    fifo = os.path.join(folder, "fifo")
    if not os.path.exists(fifo):
        os.mkfifo(fifo)
    reader, writer = os.pipe()
    core = daemon.part("core")
    os.kill(core, signal.SIGSTOP)
    try:
        attacker = os.fork()
        if attacker == 0:
            try:
                become(uid)
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(daemon.socket)
                connection.sendall(post(key))
                if os.fork() == 0:
                    connection.settimeout(20)
                    os.write(writer, connection.recv(65536))
                    os._exit(0)
                os.execv(TRUSTED, [TRUSTED, "-s", f"file://{fifo}"])
            finally:
                os._exit(1)
        os.close(writer)
        wait_until(lambda: os.readlink(f"/proc/{attacker}/exe") == TRUSTED, 10, "the attacker is the trusted program")
    finally:
        os.kill(core, signal.SIGCONT)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.kill(attacker, signal.SIGKILL)
    os.waitpid(attacker, 0)
    return b'"signature"' in answer


def test_row04_exec_after_connect_gives_what_the_uid_has_and_no_more(daemon, cgroups, folder):
    """The pidfd survives exec."""
    assert exec_after_connect(daemon, folder, ALICE, "uid")
    for key in ("exe", "digest", "unit-and-exe"):
        assert not exec_after_connect(daemon, folder, MALLORY, key), key
    # ALICE could have started the program herself: her uid gives it. Her unit it does not give.
    assert exec_after_connect(daemon, folder, ALICE, "exe")
    assert not exec_after_connect(daemon, folder, ALICE, "unit-and-exe")
    with cgroups.unit(f"system.slice/{A}") as procs:
        assert curl(daemon, "unit-and-exe", ALICE, procs=procs) == 200


def test_row04_program_that_was_written_is_none_that_a_grant_names(root, daemon, folder):
    place = os.path.join(folder, "own")
    os.makedirs(place)
    os.chown(place, ALICE, ALICE)
    copy = os.path.join(place, "curl")

    def write():
        shutil.copy(TRUSTED, copy)
        return True

    assert as_user(ALICE, write)
    assert curl(daemon, "uid", ALICE, [copy]) == 200
    for key in ("exe", "digest"):
        assert curl(daemon, key, ALICE) == 200, key
        assert curl(daemon, key, ALICE, [copy]) == 403, key
    # Nor where it was root's when it was started, or stands at a path of that name.
    os.chown(copy, 0, 0)
    assert curl(daemon, "exe", ALICE, [copy]) == 403


def test_row04_bind_mount_in_a_user_namespace_does_not_show_another_program(root, daemon, folder):
    place = os.path.join(folder, "bound")
    os.makedirs(place)
    os.chmod(place, 0o755)
    fake = os.path.join(place, "fake")
    shutil.copy(os.path.realpath("/usr/bin/python3"), fake)
    code = ("import json,os,sys;from holdfast_testing.client import exchange\n"
            "data=sys.argv[2].encode()\n"
            "reply=exchange(sys.argv[1],b'POST /v1/sign/sigv4 HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n'%len(data)+data)\n"
            "print(json.dumps([os.readlink('/proc/self/exe'),reply.status]))\n")  # fmt: skip
    answers = {}
    for key in ("uid", "exe", "digest"):
        script = f'mount --bind {fake} {TRUSTED} && exec {TRUSTED} -c "$0" "$@"'
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, code, daemon.socket, json.dumps(get(key))]
        done = subprocess.run(command, preexec_fn=lambda: become(ALICE), capture_output=True, text=True, timeout=60, check=False, cwd="/")
        if done.returncode != 0 and ("unshare" in done.stderr or "mount" in done.stderr):
            pytest.skip(f"no user and mount namespaces for other users here: {done.stderr.strip()}")
        shown, answers[key] = json.loads(done.stdout)
        assert shown == TRUSTED, "the mount shows the path it is meant to fake"
    assert answers == {"uid": 200, "exe": 403, "digest": 403}


def test_row04_preloaded_code_gets_what_the_uid_has_and_no_more(root, daemon, folder):
    """It runs in the trusted program, whose digest stays as it is: so a digest needs a uid or unit beside it."""
    place = os.path.join(folder, "preload")
    os.makedirs(place)
    os.chmod(place, 0o777)
    library, source = os.path.join(place, "own.so"), os.path.join(place, "own.c")
    with open(source, "w", encoding="ascii") as file:
        file.write('#include <fcntl.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void run(void) {\n'
                   '  open(getenv("MARK"), O_CREAT | O_WRONLY, 0600);\n}\n')  # fmt: skip
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True)
    for uid, key, status in ((MALLORY, "exe", 403), (MALLORY, "digest", 403), (ALICE, "unit-and-exe", 403), (ALICE, "digest", 200)):
        mark = os.path.join(place, f"{uid}-{key}")
        assert curl(daemon, key, uid, environment={"LD_PRELOAD": library, "MARK": mark}) == status, (uid, key)
        assert os.path.exists(mark), "other code ran in the trusted program"


def test_row04_digest_narrows_to_the_bytes_of_a_file(root, daemon):
    for _ in range(2):  # the second from what is known
        assert curl(daemon, "digest", ALICE) == 200
        assert curl(daemon, "other-digest", ALICE) == 403
    record = [one for one in daemon.audit() if one["key"] == "digest"][-1]
    assert record["details"]["caller"]["exe_sha256"] == digest(), record
    # No grant that could match asks for another's: nothing is read.
    assert curl(daemon, "digest", MALLORY) == 403
    record = [one for one in daemon.audit() if one["key"] == "digest"][-1]
    assert record["details"]["caller"]["exe_sha256"] == "", record


# Row 5: units, labels and containers.


def test_row05_two_units_of_one_uid_have_each_its_own_key(daemon, cgroups):
    with cgroups.unit(f"system.slice/{A}") as a, cgroups.unit(f"system.slice/{B}") as b:
        for uid in (ALICE, MALLORY):
            own = {"uid"} if uid == ALICE else set()
            assert signed_in(daemon, a, uid) == own | {"unit-a"} | ({"nested"} if uid == ALICE else set())
            assert signed_in(daemon, b, uid) == own | {"unit-b"} | ({"nested"} if uid == ALICE else set())


GOOD = {
    f"system.slice/docker-{CONTAINER}.scope": {"container"},
    f"docker/{CONTAINER}": {"container"},
    f"system.slice/docker-{CONTAINER}.scope/init": {"container"},
    f"machine.slice/libpod-{CONTAINER}.scope/container": {"container"},
    f"system.slice/holdfast-quadlet.service/libpod-payload-{CONTAINER}": {"container"},
    f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICED_POD}.slice/cri-containerd-{CONTAINER}.scope": {"container", "pod"},
    f"kubepods.slice/kubepods-pod{SLICED_POD}.slice/crio-{CONTAINER}.scope": {"container", "pod"},
    f"kubepods/besteffort/pod{POD}/{CONTAINER}": {"container", "pod"},
    f"system.slice/{LABELLED}": {"label"},
}
FORGED = [A, f"system.slice/{A}", LABELLED, f"system.slice/{LABELLED}", *list(GOOD)]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.replace(CONTAINER, "ID").replace(POD, "POD").replace(SLICED_POD, "POD"))
def test_row05_container_and_label_are_known_where_root_made_the_cgroup(daemon, cgroups, path):
    with cgroups.unit(path) as procs:
        assert signed_in(daemon, procs, MALLORY) == GOOD[path]
        who = in_child(lambda: exchange(daemon.socket, b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n").json,
                       before=lambda: (units.move(os.getpid(), procs), become(MALLORY)))  # fmt: skip
        assert who["container"] == (CONTAINER if "container" in GOOD[path] else ""), who
        assert who["pod"] == (POD if "pod" in GOOD[path] else ""), who
        assert who["label"] == ("nightly" if "label" in GOOD[path] else ""), who


@pytest.mark.parametrize("above", [
    "holdfast-user.slice/holdfast-user-61002.slice/user@61002.service", "system.slice/holdfast-delegated.service"])  # fmt: skip
def test_row05_forged_cgroups_below_what_is_a_users_are_nothing(daemon, cgroups, above):
    """The manager's or the delegated unit's cgroup is the user's: MALLORY makes in it what she likes."""
    with cgroups.unit(above) as procs:
        place = os.path.dirname(procs)
        for name in ("", "cgroup.procs", "tasks"):
            with contextlib.suppress(FileNotFoundError):
                os.chown(os.path.join(place, name), MALLORY, MALLORY)
        for path in FORGED:
            made = [os.path.join(place, *path.split("/")[: depth + 1]) for depth in range(path.count("/") + 1)]

            def forge(made=made):
                for one in made:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(one)
                return True

            assert as_user(MALLORY, forge)
            try:
                assert signed_in(daemon, os.path.join(made[-1], "cgroup.procs"), MALLORY) == set(), path
            finally:
                for one in reversed(made):
                    with contextlib.suppress(OSError):
                        os.rmdir(one)


@pytest.mark.parametrize("name", [
    f"docker-{CONTAINER[1:]}.scope", f"docker-{CONTAINER.upper()}.scope", f"docker-{CONTAINER}.service", f"xdocker-{CONTAINER}.scope",
    "holdfast-label-nightly.scope", "holdfast-label-nightly-0123456789abcde.scope", "holdfast-label-Nightly-0123456789abcdef.scope",
    "holdfast-label-nightly-0123456789abcdef.service", "holdfast-label-nightly-0123456789abcdeX.scope"])  # fmt: skip
def test_row05_names_that_are_nearly_so_are_nothing(daemon, cgroups, name):
    with cgroups.unit(f"system.slice/{name}") as procs:
        assert signed_in(daemon, procs, MALLORY) == set()


# `holdfast run --label`


def run(daemon, *arguments, **options):
    return daemon.cli("run", *arguments, check=False, **options)


SIGN = ["sign", "sigv4", "--region", "eu-west-1", "--service", "s3", "--method", "GET", "https://bucket.s3.eu-west-1.amazonaws.com/a"]


def test_row05_label_tells_jobs_of_one_user_apart(daemon, cgroups):
    """Two jobs of one uid: each signs with its own key, and what it starts does too."""
    for label, own, other in (("nightly", "label", "other-label"), ("weekly", "other-label", "label")):
        for key, status in ((own, 0), (other, 3)):
            for start in ([], ["setsid", "--wait"]):
                done = run(daemon, "--label", label, "--user", JOBS, "--", *start, program("holdfast"), *SIGN, "--key", key)
                assert done.returncode == status, (label, key, done)
    who = json.loads(run(daemon, "--label", "nightly", "--user", JOBS, "--", program("holdfast"), "--json", "whoami").stdout)
    assert (who["user"], who["label"], who["grants"]) == (JOBS, "nightly", ["label"]), who
    assert units.labelled("nightly") == []


def test_row05_label_is_roots_to_give_and_can_not_be_left(daemon, cgroups):
    done = daemon.cli("run", "--label", "nightly", "--", "true", check=False, preexec_fn=lambda: become(ALICE))
    assert done.returncode == 1 and "only root" in done.stderr, done
    for wrong in ("", "Nightly", "a/b", "-a", "a" * 64, "a b"):
        assert run(daemon, "--label", wrong, "--", "true").returncode == 2, wrong
    leave = f"for p in {units.tree()}/cgroup.procs {units.tree()}/system.slice/cgroup.procs; do echo $$ >$p && echo left; done; true"
    done = run(daemon, "--label", "nightly", "--user", JOBS, "--", "sh", "-c", leave)
    assert "left" not in done.stdout and done.returncode == 0, done


# Row 22: nested pid namespaces.

ASK = """import json,sys;from holdfast_testing.client import exchange
answers={}
for key in sys.argv[2].split():
    data=open(sys.argv[3]+'/'+key,'rb').read()
    reply=exchange(sys.argv[1],data)
    answers[key]=reply.status
who=exchange(sys.argv[1],b'GET /v1/whoami HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n').json
print(json.dumps([sorted(key for key,status in answers.items() if status==200),who]))
"""


def signed_nested(daemon, folder, uid, procs=None):
    requests = os.path.join(folder, "requests")
    os.makedirs(requests, exist_ok=True)
    os.chmod(requests, 0o755)
    for key in KEYS:
        with open(os.path.join(requests, key), "wb") as file:
            file.write(post(key))
    command = ["unshare", "--pid", "--fork", "--kill-child", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--",
               "/usr/bin/python3", "-c", ASK, daemon.socket, " ".join(KEYS), requests]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/",
                          preexec_fn=(lambda: units.move(os.getpid(), procs)) if procs else None)  # fmt: skip
    assert done.returncode == 0, done
    keys, who = json.loads(done.stdout)
    return set(keys), who


def test_row22_nested_pid_namespace_is_refused_unless_a_grant_is_for_such(root, daemon, folder):
    assert "uid" in as_user(ALICE, lambda: signed(daemon))
    keys, who = signed_nested(daemon, folder, ALICE)
    assert keys == {"nested"}, keys
    assert who["nested"] is True and who["uid"] == ALICE and who["grants"] == ["nested"], who
    record = [one for one in daemon.audit() if one["key"] == "uid"][-1]
    assert record["decision"] == "denied" and "pid namespace" in record["details"]["reason"], record
    assert record["details"]["caller"]["nested"] is True, record


def test_row22_caller_of_whom_nothing_is_known_is_refused(root, daemon):
    """As long as holdfast-caller does not answer: who asks might be in a namespace of its own."""
    ask = lambda: exchange(daemon.socket, post("uid"))  # noqa: E731
    assert as_user(ALICE, ask).status == 200
    silent = daemon.part("caller")
    os.kill(silent, signal.SIGSTOP)
    try:
        assert as_user(ALICE, ask).code == "not_permitted"
    finally:
        os.kill(silent, signal.SIGCONT)
    wait_until(lambda: as_user(ALICE, ask).status == 200, 20, "it answers again")


def test_row22_nested_namespace_is_what_a_grant_for_a_container_is_for(daemon, cgroups, folder):
    with cgroups.unit(f"system.slice/docker-{CONTAINER}.scope") as procs:
        keys, who = signed_nested(daemon, folder, MALLORY, procs)
    assert keys == {"container"} and who["container"] == CONTAINER and who["nested"], (keys, who)
    # A unit's or a label's caller in a namespace of its own is not the one that was meant.
    for path in (f"system.slice/{A}", f"system.slice/{LABELLED}"):
        with cgroups.unit(path) as procs:
            assert signed_nested(daemon, folder, MALLORY, procs)[0] == set(), path
