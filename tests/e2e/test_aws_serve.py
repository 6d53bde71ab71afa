"""`holdfast aws serve`: SDKs get credentials from its endpoints; nobody else does (THREATS row 17)."""

import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from holdfast_testing import aws_clients
from holdfast_testing.aws_standin import ACCOUNT, StandIn
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import program
from holdfast_testing.processes import end, free_ports, wait_until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
CREDENTIALS = "/latest/meta-data/iam/security-credentials"
TTL, SESSION = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token"


class Place:
    """A daemon with one AWS secret, and the stand-in that knows it."""

    def __init__(self, folder, swtpm):
        self.folder = folder
        self.aws = StandIn(os.path.join(folder, "aws"))
        self.aws.access_keys["AKIASERVE"] = "a-secret-of-the-serve-test"
        self.daemon = Daemon(os.path.join(folder, "daemon"), swtpm.tcti, everything())
        self.daemon.import_aws("aws", "AKIASERVE", "a-secret-of-the-serve-test")
        self.environment = aws_clients.environment(self.aws, folder, HOLDFAST_SOCKET=self.daemon.socket)

    def options(self, role="orders"):
        return ["--way", "assume-role", "--key", "aws", "--region", "eu-west-1", "--role-arn", ROLE + role, "--session-name", "served",
                "--endpoint", self.aws.url, "--ca-file", self.aws.ca_file]  # fmt: skip

    def command(self, *more):
        return [program("holdfast"), "aws", "serve", *more]

    def forget(self):
        """What the cache keeps."""
        shutil.rmtree(os.path.join(self.folder, ".cache"), ignore_errors=True)

    def serve(self, *more, json_too=True, **environment):
        return Serving([*self.command(*more), *(["--json"] if json_too else [])], dict(self.environment, **environment))

    def close(self):
        self.daemon.stop()
        self.aws.__exit__()


class Serving:
    """A running `aws serve --json`: what it said, and requests to it."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=30)
        self.said = json.loads(line)
        self.uris, self.token_file = self.said["roles"], self.said["token_file"]
        with open(self.token_file, encoding="ascii") as file:
            self.token = file.read()

    def ask(self, uri, method="GET", headers=None, host=None):
        """(status, body as text, headers)"""
        address, _, path = uri.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            connection.putrequest(method, "/" + path, skip_host=host is not None)
            for name, value in ({"Host": host} if host else {}).items() | (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            reply = connection.getresponse()
            return reply.status, reply.read().decode(), dict(reply.getheaders())
        finally:
            connection.close()

    def role(self, name="orders", **options):
        return self.ask(self.uris[name], headers={"Authorization": self.token}, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(scope="module")
def whole_place(folder, swtpm):
    one = Place(folder, swtpm)
    yield one
    one.close()


@pytest.fixture
def place(whole_place):
    whole_place.forget()
    yield whole_place
    whole_place.aws.fault = None


@pytest.mark.parametrize("name", aws_clients.NAMES)
def test_every_client_gets_them_from_the_container_endpoint(place, name):
    # Debian's botocore is of a time when the token could not yet be in a file.
    inside = ["--token-in-environment"] if name != "javascript" else []
    command = place.command(*place.options(), *inside, "--", *aws_clients.commands(place.aws.url)[name])
    done = subprocess.run(command, env=place.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/served" in done.stdout


@pytest.mark.parametrize("name", aws_clients.NAMES)
def test_every_client_gets_them_from_the_metadata_endpoint(place, name):
    with place.serve(*place.options(), "--imds", "0") as serving:
        env = dict(place.environment, AWS_EC2_METADATA_SERVICE_ENDPOINT=serving.said["imds"], AWS_EC2_METADATA_DISABLED="false")
        assert aws_clients.identity(name, place.aws, env) == f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/served"


def test_several_roles_come_from_the_profiles_that_configure_wrote(place):
    for role in ("orders", "billing"):
        done = subprocess.run([program("holdfast"), "aws", "configure", "--profile", f"of {role}".replace(" ", "-"), *place.options(role)],
                              env=place.environment, capture_output=True, text=True, timeout=60)  # fmt: skip
        assert done.returncode == 0, done.stderr
    with place.serve("--profile", "of-orders", "--profile", "of-billing") as serving:
        keys = set()
        for role in ("orders", "billing"):
            status, body, _ = serving.role(f"of-{role}")
            assert status == 200 and json.loads(body)["RoleArn"] == ROLE + role, body
            keys.add(json.loads(body)["AccessKeyId"])
        assert len(keys) == 2
    done = subprocess.run(place.command("--profile", "of-nobody"), env=place.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "holdfast aws configure --profile of-nobody" in done.stderr


def test_the_token_is_in_a_file_of_ours_alone_that_goes_with_us(place):
    with place.serve(*place.options()) as serving:
        status = os.lstat(serving.token_file)
        assert stat.S_ISREG(status.st_mode) and status.st_mode & 0o777 == 0o600 and status.st_uid == os.geteuid()
        assert len(serving.token) >= 40
        with open(f"/proc/{serving.process.pid}/cmdline", "rb") as command, open(f"/proc/{serving.process.pid}/environ", "rb") as environment:
            assert serving.token.encode() not in command.read() + environment.read()
        status, body, _ = serving.role()
        assert status == 200 and set(json.loads(body)) >= {"AccessKeyId", "SecretAccessKey", "Token", "Expiration", "RoleArn"}
        file = serving.token_file
        serving.process.send_signal(signal.SIGTERM)
        assert serving.process.wait(20) == 0
    assert not os.path.exists(file) and not os.path.exists(os.path.dirname(file))


@pytest.mark.parametrize("kind", ["container", "imds"])
def test_row17_hostile_requests_get_nothing(place, kind):
    with place.serve(*place.options(), "--imds", "0") as serving:
        _, body, _ = serving.role()
        secrets = [json.loads(body)[name] for name in ("AccessKeyId", "SecretAccessKey", "Token")]
        if kind == "container":
            uri, good = serving.uris["orders"], {"Authorization": serving.token}
        else:
            uri = serving.said["imds"] + CREDENTIALS + "/orders"
            good = {SESSION: serving.ask(serving.said["imds"] + "/latest/api/token", "PUT", {TTL: "60"})[1]}
        assert serving.ask(uri, headers=good)[0] == 200
        port = uri.split(":")[2].split("/")[0]
        tries = [
            (401, uri, {}, None),
            (401, uri, {name: "wrong" for name in good}, None),
            (401, uri, {name: value[:-1] for name, value in good.items()}, None),
            (403, uri, good, f"metadata.attacker.example:{port}"),
            (403, uri, good, "169.254.169.254"),
            (403, uri, good, f"127.0.0.1.attacker.example:{port}"),
            (403, uri, {**good, "X-Forwarded-For": "10.0.0.1"}, None),
            (403, uri, {**good, "x-forwarded-host": "localhost"}, None),
            (403, uri, {**good, "Forwarded": "for=10.0.0.1"}, None),
            (403, uri, {**good, "Via": "1.1 proxy"}, None),
            (403, uri, {**good, "Origin": "https://attacker.example"}, None),
            (404, uri.rsplit("/", 1)[0] + "/nobody", good, None),
            (404, uri.rsplit("/", 1)[0] + "/orders/../orders", good, None),
        ]
        for status, where, headers, host in tries:
            answer = serving.ask(where, headers=headers, host=host)
            assert answer[0] == status, (answer, where, headers, host)
            assert not any(secret in answer[1] for secret in secrets)
        assert serving.ask(uri, "POST", good)[0] == 405
        if kind == "imds":
            for ttl in ("0", "21601", "-1", "", "1e3"):
                assert serving.ask(serving.said["imds"] + "/latest/api/token", "PUT", {TTL: ttl})[0] == 400
            forwarded = serving.ask(serving.said["imds"] + "/latest/api/token", "PUT", {TTL: "60", "X-Forwarded-For": "10.0.0.1"})
            assert forwarded[0] == 403
            ended = serving.ask(serving.said["imds"] + "/latest/api/token", "PUT", {TTL: "1"})[1]
            assert serving.ask(uri, headers={SESSION: ended})[0] == 200
            wait_until(lambda: serving.ask(uri, headers={SESSION: ended})[0] == 401, 10, "the session ends")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_row17_another_user_gets_nothing_even_with_the_token(place):
    with place.serve(*place.options(), "--imds", "0") as serving:
        script = """
import http.client, socket, sys
address = ("127.0.0.1", int(sys.argv[1]))
held = [socket.create_connection(address) for _ in range(300)]
for port, method, path, headers in ((sys.argv[1], "GET", "/orders", {"Authorization": sys.argv[2]}),
                                    (sys.argv[3], "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    try:
        connection.request(method, path, headers=headers)
        print("got", connection.getresponse().status)
    except ConnectionError:
        print("closed")
sys.stdout.flush()
sys.stdin.read()
"""
        ports = [uri.split(":")[2].split("/")[0] for uri in (serving.uris["orders"], serving.said["imds"])]
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-c", script, ports[0], serving.token, ports[1]]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert [other.stdout.readline(), other.stdout.readline()] == ["closed\n", "closed\n"]
            assert serving.role()[0] == 200  # while the other holds on to its connections
            other.stdin.close()


def test_each_profile_s_daemon_is_its_own(place):
    for role, options in (("orders", ["--socket", os.path.join(place.folder, "nobody.sock")]), ("billing", [])):
        subprocess.run([program("holdfast"), "aws", "configure", "--force", "--profile", f"own-{role}", *options, *place.options(role)],
                       env=place.environment, check=True, timeout=60, capture_output=True)  # fmt: skip
    with place.serve("--profile", "own-orders", "--profile", "own-billing") as serving:
        assert serving.role("own-orders")[0] == 500
        assert serving.role("own-billing")[0] == 200


def test_a_relative_socket_is_another_daemon_s_in_another_folder(place, tmp_path):
    folder, name = os.path.split(place.daemon.socket)
    command = [program("holdfast"), "aws", "credential-process", "--socket", name, *place.options()]
    there = subprocess.run(command, cwd=folder, env=place.environment, capture_output=True, text=True, timeout=60)
    assert there.returncode == 0, there.stderr
    elsewhere = subprocess.run(command, cwd=tmp_path, env=place.environment, capture_output=True, text=True, timeout=60)
    assert elsewhere.returncode != 0 and elsewhere.stdout == "", "another daemon's, out of the cache"


def test_a_profile_and_what_it_would_hide_are_not_taken_together(place):
    done = subprocess.run(place.command("--profile", "orders", "--key", "aws"), env=place.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--key" in done.stderr, done.stderr


def test_row17_it_listens_on_loopback_alone_and_on_nothing_that_was_not_asked_for(place):
    for option in ("--listen", "--imds"):
        done = subprocess.run(place.command(*place.options(), option, "0.0.0.0:0"), env=place.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "not served to a network" in done.stderr
    port = free_ports(1)[0]
    with place.serve(*place.options(), "--listen", f"[::1]:{port}") as serving:
        assert "imds" not in serving.said and serving.uris["orders"] == f"http://[::1]:{port}/orders"
        with socket.create_connection(("::1", port)) as connection:
            connection.sendall(f"GET /orders HTTP/1.1\r\nHost: [::1]:{port}\r\nAuthorization: {serving.token}\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_what_can_t_be_had_is_an_error_and_later_it_can(place):
    place.aws.fault = "503"
    with place.serve(*place.options(), "--timeout", "2s") as serving:
        status, body, _ = serving.role()
        assert status == 503 and json.loads(body)["code"] == "CredentialsUnavailable", body
        place.aws.fault = None
        assert serving.role()[0] == 200
        place.forget()
        place.daemon.write_policy("")
        place.daemon.reload()
        try:
            status, body, _ = serving.role()
            assert status == 403 and json.loads(body)["message"], body
        finally:
            place.daemon.write_policy(everything())
            place.daemon.reload()


def test_one_that_hangs_keeps_no_other_waiting(place):
    for role in ("orders", "billing"):
        subprocess.run([program("holdfast"), "aws", "configure", "--profile", role, "--timeout", "30s", *place.options(role)], env=place.environment, check=True, timeout=60, capture_output=True)
    with place.serve("--profile", "orders", "--profile", "billing") as serving:
        cached = os.path.join(place.folder, ".cache", "holdfast", "aws")
        kept = {name: open(os.path.join(cached, name), "rb").read() for name in os.listdir(cached) if name.endswith(".json")}
        wanted = json.loads(serving.role("billing")[1])["AccessKeyId"]
        [drop] = [name for name, data in kept.items() if wanted.encode() not in data]
        os.unlink(os.path.join(cached, drop))
        place.aws.fault = "hang"
        address = serving.uris["orders"].removeprefix("http://").split("/")[0].split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=60) as waiting:
            before = place.aws.count("AssumeRole")
            waiting.sendall(f"GET /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {serving.token}\r\n\r\n".encode())
            wait_until(lambda: place.aws.count("AssumeRole") > before, 20, "AWS is asked")
            started = time.monotonic()
            assert serving.role("billing")[0] == 200
            assert time.monotonic() - started < 15
            serving.process.send_signal(signal.SIGTERM)
            assert serving.process.wait(10) == 0  # nor its own end


def test_a_profile_that_is_not_there_names_the_command_that_writes_it(tmp_path):
    environment = dict(os.environ, AWS_CONFIG_FILE=str(tmp_path / "config"))
    done = subprocess.run([program("holdfast"), "aws", "serve", "--profile", "orders", "--", "true"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "config has no profile orders" in done.stderr and "holdfast aws configure --profile orders" in done.stderr
