"""libholdfast where it goes wrong: no daemon, a false one, refusals, broken replies."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from holdfast_testing import paths
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import program
from holdfast_testing.sigv4 import get
from holdfast_testing.users import ALICE, MALLORY, as_user

CODES = """invalid_request not_permitted not_found method_not_allowed timeout conflict too_large unsupported limit_exceeded
overloaded device_unavailable key_lost audit_unavailable clock_untrusted internal""".split()

LIMITED = """
[[grant]]
name = "limited"
key = "limited"
caller = {{ uid = {uid} }}
limits = {{ rate = "1/h", burst = 1, max_skew = "unlimited" }}
"""


class Outcome:
    def __init__(self, line):
        self.code, status, retry_after, self.request_id, self.text = line.split(" ", 4)
        self.status, self.retry_after = int(status), int(retry_after)

    def __repr__(self):
        return f"<{self.code} {self.status} {self.retry_after} {self.request_id} {self.text}>"


# The blocking client and the Asio one keep the same rules.
CLIENT = ["sdk_call"]


@pytest.fixture(autouse=True, params=["sdk_call", "sdk_asio_call"])
def client(request):
    CLIENT[:] = [request.param]


def call_many(path, *arguments, name=None, environment=None):
    variables = {key: value for key, value in os.environ.items() if key not in ("HOLDFAST_SOCKET", "XDG_RUNTIME_DIR")}
    if path:
        variables["HOLDFAST_SOCKET"] = path
    variables.update(environment or {})
    result = subprocess.run([program(name or CLIENT[0]), *arguments], env=variables, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, (result.returncode, result.stderr)  # 3: a descriptor is open over exec
    return [Outcome(line) for line in result.stdout.splitlines()]


def call(path, *arguments, **options):
    (one,) = call_many(path, *(arguments or ("GET", "/v1/version")), **options)
    return one


@pytest.fixture
def place():
    with paths.temporary_folder() as name:
        yield name


def listener(path, backlog=8):
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    one.listen(backlog)
    return one


# Finding the socket, row 21.


def test_no_daemon(place):
    missing = os.path.join(place, "no.sock")
    assert call(missing).code == "no_socket"
    assert missing in call(missing).text and "systemctl start" in call(missing).text
    left = os.path.join(place, "left.sock")
    listener(left).close()
    assert call(left).code == "no_socket" and "nothing listens" in call(left).text


def test_the_runtime_folder_is_searched(place):
    os.mkdir(os.path.join(place, "holdfast"))
    with listener(os.path.join(place, "holdfast", "holdfast.sock")) as one:
        with Server(one, [reply(200, "{}")]):
            assert call(None, environment={"XDG_RUNTIME_DIR": place}).code == "ok"


def test_what_is_no_socket_of_the_daemon(place):
    path = os.path.join(place, "holdfast.sock")
    with listener(path):
        link = os.path.join(place, "link.sock")
        os.symlink(path, link)
        assert call(link).code == "untrusted_socket" and "symbolic link" in call(link).text
        plain = os.path.join(place, "plain")
        open(plain, "w").close()
        assert call(plain).code == "untrusted_socket"
        deep = os.path.join(place, "x" * 100)
        open(deep, "w").close()
        assert call(deep).code == "path_too_long"
        os.chmod(place, 0o777)
        assert call(path).code == "untrusted_socket" and "others can write" in call(path).text


def test_squatted_sockets(place, root):
    path = os.path.join(place, "holdfast.sock")
    with listener(path) as one:
        os.chown(path, MALLORY, MALLORY)
        assert call(path).code == "untrusted_socket" and str(MALLORY) in call(path).text
        os.chown(path, 0, 0)
        os.chown(place, MALLORY, MALLORY)
        assert call(path).code == "untrusted_socket" and "folder" in call(path).text
        os.chown(place, 0, 0)
        # The file is root's; who listens is not.
        as_user_listens = os.fork()
        if as_user_listens == 0:
            os.setresuid(MALLORY, MALLORY, MALLORY)
            one.listen(8)
            os._exit(0)
        os.waitpid(as_user_listens, 0)
        assert call(path).code == "untrusted_socket" and "listener" in call(path).text


def test_a_socket_that_is_closed_to_the_caller(place, root):
    path = os.path.join(place, "holdfast.sock")
    with listener(path):
        os.chmod(path, 0o600)
        assert as_user(ALICE, lambda: call(path).code) == "access_denied"


# Replies of a server that does as it is told.


def reply(status, body, headers="", length=None):
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nX-Request-Id: r-1\r\n{headers}\r\n{body}".encode()


class Server:
    """Each of `turns` answers one request: bytes to send, or None to close; a list is one connection's turns."""

    def __init__(self, listening, connections):
        self.listening = listening
        self.connections = [one if isinstance(one, list) else [one] for one in connections]
        self.requests = 0
        self.accepted = 0
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        for turns in self.connections:
            connection, _ = self.listening.accept()
            self.accepted += 1
            with connection:
                for turn in turns:
                    if callable(turn):
                        turn(connection)
                        continue
                    if not self._read(connection):
                        break
                    self.requests += 1
                    if turn is None:
                        break
                    with contextlib.suppress(OSError):
                        connection.sendall(turn)

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
        return True

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listening.settimeout(0.01)
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def serving(place, *connections):
    path = os.path.join(place, "holdfast.sock")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with listener(path) as one:
        with Server(one, connections) as server:
            yield path, server


def problem_text(code, status):
    return json.dumps({"type": "x", "title": "x", "status": status, "detail": f"about {code}", "code": code, "request_id": "r-2"})


def test_every_code_is_mapped(place):
    for code in [*CODES, "of_tomorrow"]:
        with serving(place, reply(503, problem_text(code, 503), "Retry-After: 7\r\n")) as (path, _):
            one = call(path)
        assert (one.code, one.status, one.retry_after) == (code, 503, 7), one
        assert (one.request_id, one.text) == ("r-2", f"about {code}"), one


BROKEN = {
    "not HTTP": b"220 smtp ready\r\n\r\n",
    "another version": b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a NUL": b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\n{}",
    "100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /v1/health\r\nContent-Length: 0\r\n\r\n",
    "too long a header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40000,
    "too long a body": reply(200, "", length=1024 * 1024 + 1),
    "no problem document": reply(500, "{}"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_reply(place, what):
    if (CLIENT[0], what) == ("sdk_asio_call", "a folded header"):
        return  # Beast unfolds it, as RFC 9112 §5.2 allows
    with serving(place, BROKEN[what]) as (path, server):
        one = call(path)
    assert one.code == "bad_reply", one
    assert server.requests == 1


def test_the_largest_reply(place):
    with serving(place, reply(200, "x" * 1024 * 1024)) as (path, _):
        one = call(path)
    assert one.code == "ok" and len(one.text) == 1024 * 1024


def test_a_fresh_connection_is_not_repeated(place):
    for turn in (None, reply(200, "{}", length=10)[:-1]):
        with serving(place, turn) as (path, server):
            one = call(path, "--patience", "2000", "GET", "/v1/version")
        assert one.code == "connection_lost" and server.requests == 1, one


def test_a_kept_connection_that_died_is_repeated_once(place):
    good = reply(200, "{}")
    with serving(place, [good, None], good) as (path, server):
        outcomes = call_many(path, "--times", "2", "GET", "/v1/version")
        assert [one.code for one in outcomes] == ["ok", "ok"]
    assert server.requests == 3
    with serving(place, [good, None], None) as (path, server):
        outcomes = call_many(path, "--times", "2", "GET", "/v1/version")
        assert [one.code for one in outcomes] == ["ok", "connection_lost"]
    assert server.requests == 3
    begun = good[:20]
    with serving(place, [good, begun]) as (path, server):
        outcomes = call_many(path, "--times", "2", "GET", "/v1/version")
        assert [one.code for one in outcomes] == ["ok", "connection_lost"]
    assert server.requests == 2


def test_what_came_unasked_is_not_taken_for_an_answer(place):
    flag = os.path.join(place, "late")

    def refuse_late(connection):
        connection.sendall(reply(408, problem_text("timeout", 408), "Connection: close\r\n"))
        open(flag, "w").close()

    good = reply(200, "{}")
    with serving(place, [good, refuse_late], good) as (path, _):
        outcomes = call_many(path, "--times", "2", "--between", flag, "GET", "/v1/version")
    assert [one.code for one in outcomes] == ["ok", "ok"]


def test_an_early_refusal_arrives_though_the_request_can_not_be_written(place):
    early = reply(503, problem_text("overloaded", 503), "Retry-After: 1\r\nConnection: close\r\n")
    with serving(place, [lambda connection: connection.sendall(early)]) as (path, _):
        one = call(path, "POST", "/v1/sign/sigv4", "x" * 60000)
    assert (one.code, one.retry_after) == ("overloaded", 1), one


def test_a_deadline(place):
    ended = threading.Event()
    with serving(place, [lambda connection: ended.wait(20)]) as (path, _):
        start = time.monotonic()
        one = call(path, "--timeout", "200", "GET", "/v1/version")
        ended.set()
    assert one.code == "deadline" and time.monotonic() - start < 5


def test_patience(place):
    path = os.path.join(place, "holdfast.sock")
    good = reply(200, "{}")
    threads = []

    def appear():
        # First a listener that goes away with the connection in its queue, then one that answers.
        time.sleep(0.05)
        first = listener(path)
        first.setblocking(False)
        time.sleep(0.05)
        first.close()
        os.unlink(path)
        with listener(path) as second, Server(second, [good]):
            pass

    threads.append(threading.Thread(target=appear))
    threads[0].start()
    one = call(path, "--patience", "20000", "GET", "/v1/version")
    threads[0].join()
    assert one.code == "ok", one


def test_arguments_that_can_not_be_sent(place):
    for method, path in (("TRACE", "/"), ("GET", "v1"), ("GET", "/a b"), ("GET", "/a\r\nX: y"), ("GET", "/é")):
        assert call(os.path.join(place, "no.sock"), method, path).code == "invalid_argument"


# Refusals of a real daemon.


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    grants = LIMITED.format(uid=os.geteuid()) + everything()
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, grants.replace('key = "*"', 'key = "aws"')) as running:
        running.import_aws("aws", "AKIALIBRARY", "the-secret-of-the-errors-tests")
        running.import_aws("limited", "AKIALIMITED", "the-secret-of-the-errors-tests")
        yield running


def test_refusals_of_the_daemon(daemon):
    refusals(daemon, None)


def test_the_static_library(daemon):
    refusals(daemon, "sdk_static_call")


def refusals(daemon, name):
    def post(body, **more):
        return call(daemon.socket, "POST", "/v1/sign/sigv4", json.dumps(dict(body, **more)), name=name)

    assert post(get("aws")).code == "ok"
    refused = post(get("nobody-has-it"))
    assert (refused.code, refused.status) == ("not_permitted", 403) and len(refused.request_id) > 4
    malformed = post(get("aws"), colour="green")
    assert (malformed.code, malformed.status) == ("invalid_request", 400) and "colour" in malformed.text
    assert call(daemon.socket, "GET", "/nowhere", name=name).code == "not_found"
    assert call(daemon.socket, "DELETE", "/v1/version", name=name).code == "method_not_allowed"
    # Within what execve takes as one argument, over what the daemon takes as a body.
    assert call(daemon.socket, "POST", "/v1/sign/sigv4", " " * 100000, name=name).code == "too_large"
    outcomes = [post(get("limited")) for _ in range(2)]
    assert outcomes[-1].code == "limit_exceeded" and outcomes[-1].retry_after > 0, outcomes


def test_a_process_that_changes_its_user_connects_again(daemon, root):
    first, second = call_many(daemon.socket, "--times", "2", "--become", str(ALICE), "GET", "/v1/whoami")
    assert json.loads(first.text)["uid"] == 0 and json.loads(second.text)["uid"] == ALICE
