"""Threat rows 3, 21 and 22: who is at the other end."""

import array
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from holdfast_testing.client import Raw, exchange
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.namespaces import OWN_PIDS
from holdfast_testing.processes import start, wait_until
from holdfast_testing.sigv4 import get
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.users import ALICE, MALLORY, as_user, in_child

URL = "https://bucket.s3.eu-west-1.amazonaws.com"
GOOD = get("aws", URL + "/allowed/a")

GRANTS = f"""
[[grant]]
name = "alice-reads"
key = "aws"
caller = {{ uid = {ALICE} }}
facts = {{ service = "s3", method = "GET", path = "/allowed/**" }}
"""


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, everything() + GRANTS) as running:
        running.import_aws("aws", "AKIACALLERS", "the-secret-of-the-callers-tests")
        yield running


def post(body):
    data = json.dumps(body).encode()
    return f"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def ask(daemon, uid, body):
    return as_user(uid, lambda: exchange(daemon.socket, post(body)))


# Row 3: a connected socket in other hands.


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(path)
    return connection


def receive(connection):
    """The first bytes that come, or b"" for the end."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def handed_over(daemon, connector, sender, before=b""):
    """`connector` connects and hands the socket, by SCM_RIGHTS, to a process of `sender`, which sends the request."""
    ours, theirs = socket.socketpair()

    def hand():
        connection = connect(daemon.socket)
        if before:
            connection.sendall(before)
        socket.send_fds(ours, [b"x"], [connection.fileno()])
        ours.recv(1)  # until the answer has been looked at
        return True

    def take():
        _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
        with socket.socket(fileno=fds[0]) as connection:
            connection.settimeout(10)
            if before:
                assert b" 200 " in receive(connection)[:20]
            try:
                connection.sendall(post(GOOD))
            except BrokenPipeError:
                return b""
            finally:
                theirs.send(b"x")
            return receive(connection)

    child = os.fork()
    if child == 0:
        try:
            as_user(connector, hand)
        finally:
            os._exit(0)
    try:
        return as_user(sender, take)
    finally:
        ours.close()
        theirs.close()
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    "connector,sender",
    [(ALICE, MALLORY), (MALLORY, ALICE), (ALICE, ALICE)],
    ids=["from a permitted one", "to a permitted one", "between two of one uid"],
)
def test_row03_socket_handed_to_another_process_is_refused(root, daemon, connector, sender):
    assert ask(daemon, ALICE, GOOD).status == 200
    assert b'"signature"' not in handed_over(daemon, connector, sender)
    # Also after the connector itself was served on it.
    health = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert b'"signature"' not in handed_over(daemon, connector, sender, before=health)


def test_row03_request_that_two_processes_wrote_is_refused(root, daemon):
    data = post(GOOD)

    def both():
        connection = connect(daemon.socket)
        connection.sendall(data[:60])
        in_child(lambda: connection.sendall(data[60:]))
        return receive(connection)

    assert b'"signature"' not in as_user(ALICE, both)


def test_row03_descriptors_sent_to_the_daemon_close_the_connection(daemon):
    connection = connect(daemon.socket)
    fds = array.array("i", [0])
    connection.sendmsg([post(GOOD)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    assert b'"signature"' not in receive(connection)


def test_row03_real_and_effective_uid_have_to_be_one(root, daemon):
    def ask_with_two_uids():
        os.setresuid(MALLORY, ALICE, ALICE)
        return exchange(daemon.socket, post(GOOD))

    reply = in_child(ask_with_two_uids)
    assert reply is None or reply.status != 200


# Row 21: a false daemon.


class Squatter:
    """Listens where a daemon is expected, under another uid, and keeps what it is sent."""

    def __init__(self, folder, uid):
        self.path = os.path.join(folder, "holdfast.sock")
        self.heard = os.path.join(folder, "heard")
        code = (
            "import os,socket,sys\n"
            "s=socket.socket(socket.AF_UNIX);s.bind(sys.argv[1]);os.chmod(sys.argv[1],0o666);s.listen(8)\n"
            "while True:\n"
            " c,_=s.accept();c.settimeout(2)\n"
            " try: d=c.recv(65536)\n"
            " except OSError: d=b''\n"
            " open(sys.argv[2],'ab').write(d)\n"
            " c.close()\n"
        )
        os.chown(folder, uid, uid)
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "/usr/bin/python3", "-c", code]
        self.process = start([*command, self.path, self.heard], os.path.join(os.path.dirname(folder), "squatter.log"))
        wait_until(lambda: os.path.exists(self.path), 10, "the squatter listens")

    def said(self):
        if not os.path.exists(self.heard):
            return b""
        with open(self.heard, "rb") as file:
            return file.read()


@pytest.fixture
def squatter(root, folder):
    place = os.path.join(folder, "squat")
    os.makedirs(place)
    one = Squatter(place, MALLORY)
    yield one
    one.process.kill()
    one.process.wait()
    shutil.rmtree(place)


def test_row21_client_tells_a_squatted_or_linked_socket_nothing(daemon, squatter, folder):
    link = os.path.join(folder, "link.sock")
    os.symlink(squatter.path, link)
    for path in (squatter.path, link):
        for command in (["whoami"], ["sign", "sigv4", "--key", "aws", "--region", "eu-west-1", "--service", "s3", "--method", "GET", URL + "/"]):
            done = daemon.cli(*command, check=False, env={"HOLDFAST_SOCKET": path})
            assert done.returncode == 1 and "own" in done.stderr, done
            done = daemon.cli(*command, "--socket", path, check=False)
            assert done.returncode == 1 and "own" in done.stderr, done
        done = daemon.cli("key", "import-aws", "stolen", "--access-key-id", "AKIA", check=False, input="CANARY-STOLEN\n",
                          env={"HOLDFAST_ADMIN_SOCKET": path})  # fmt: skip
        assert done.returncode == 1, done
    assert squatter.said() == b""
    # It would have heard us, had we spoken.
    with Raw(squatter.path) as raw:
        raw.send(b"hello")
        wait_until(lambda: squatter.said() == b"hello", 5, "the squatter hears")


@pytest.mark.parametrize("trap", ["linked folder", "other's folder", "writable folder"])
def test_row21_daemon_does_not_serve_from_a_folder_that_others_control(root, folder, swtpm, trap):
    place = os.path.join(folder, "trap-" + trap.split()[0].strip("'s"))
    daemon = Daemon(place, swtpm.tcti, everything(), run=False)
    target = os.path.join(place, "target")
    os.mkdir(target)
    if trap == "linked folder":
        os.chown(target, MALLORY, MALLORY)
        os.symlink(target, daemon.runtime)
    else:
        os.mkdir(daemon.runtime)
        if trap == "other's folder":
            os.chown(daemon.runtime, MALLORY, MALLORY)
        else:
            os.chmod(daemon.runtime, 0o777)
    with pytest.raises(RuntimeError, match="holdfastd ended"):
        daemon.start(seconds=20)
    assert daemon.process.returncode != 0
    assert daemon.runtime in daemon.log_text()


# Row 22: other namespaces.


def test_row22_peer_from_an_unrelated_pid_namespace_is_refused(root, folder):
    """The daemon lives in a pid namespace of its own; we are outside it, and so a pid it can't name."""
    place = os.path.join(folder, "apart")
    with Swtpm(place) as tpm:
        daemon = Daemon(os.path.join(place, "daemon"), tpm.tcti, everything(), run=False)
        daemon.start(wrapper=OWN_PIDS)
        try:
            for path in (daemon.socket, daemon.admin_socket):
                reply = exchange(path, b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert reply is None or reply.code == "not_permitted", reply
            reply = exchange(daemon.socket, post(GOOD))
            assert reply is None or reply.code == "not_permitted", reply
        finally:
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()


def test_row22_overflow_uid_is_refused_though_a_grant_names_it(root, folder, swtpm):
    with Daemon(os.path.join(folder, "overflow"), swtpm.tcti, everything(65534)) as daemon:
        daemon.import_aws("aws", "AKIAOVERFLOW", "another-secret")
        reply = ask(daemon, 65534, GOOD)
        assert reply is None or reply.code == "not_permitted", reply


def test_row22_root_of_a_user_namespace_is_who_it_was_outside(root, daemon):
    """MALLORY as uid 0 of a namespace of its own is MALLORY."""
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode != 0:
        return  # not even root gets such a namespace (in a chroot, say): there is nothing to attack from

    def inside():
        command = ["unshare", "--user", "--map-root-user", "curl", "-s", "--unix-socket", daemon.socket, "http://localhost/v1/whoami"]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    done = as_user(MALLORY, inside)
    if done.returncode != 0 and "unshare" in done.stderr:
        pytest.skip(f"no user namespaces for other users here: {done.stderr.strip()}")
    assert json.loads(done.stdout)["uid"] == MALLORY
