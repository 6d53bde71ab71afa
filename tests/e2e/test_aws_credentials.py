"""`holdfast aws credential-process` and `configure`, against a stand-in for AWS that verifies what it is sent."""

import calendar
import contextlib
import glob
import json
import os
import shlex
import stat
import subprocess
import time

import pytest

from holdfast_testing import aws_clients, jws
from holdfast_testing.aws_standin import ACCOUNT, StandIn
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import program

UID = os.geteuid()
ROLE = f"arn:aws:iam::{ACCOUNT}:role/orders"
PROFILE = f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:profile/00000000-0000-4000-8000-000000000002"
ANCHOR = f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:trust-anchor/00000000-0000-4000-8000-000000000001"
ANYWHERE = ("--key", "c-cert", "--role-arn", ROLE, "--profile-arn", PROFILE, "--trust-anchor-arn", ANCHOR)
GRANTS = f"""
[[grant]]
name = "credentials"
key = "c-aws"
caller = {{ uid = {UID} }}
facts = {{ service = "sts", action = ["GetSessionToken", "AssumeRole"] }}
limits = {{ max_skew = "30m" }}

[[grant]]
name = "anywhere"
key = "c-cert"
caller = {{ uid = {UID} }}
facts = {{ action = "CreateSession", role = "{ROLE}" }}
limits = {{ max_skew = "30m" }}

[[grant]]
name = "strict"
key = "strict-aws"
caller = {{ uid = {UID} }}
facts = {{ service = "sts", action = "GetSessionToken" }}

[[grant]]
name = "identity"
key = "c-jwt"
caller = {{ uid = {UID} }}
facts = {{ audience = "sts.amazonaws.com" }}
set = {{ issuer = "https://id.example.com", subject = "orders" }}
"""
WAYS = {
    "session-token": ("GetSessionToken", ("--key", "c-aws"), f"arn:aws:iam::{ACCOUNT}:user/AKIACREDENTIALS"),
    "assume-role": ("AssumeRole", ("--way", "assume-role", "--key", "c-aws", "--role-arn", ROLE, "--session-name", "batch"),
                    f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/batch"),
    "web-identity": ("AssumeRoleWithWebIdentity", ("--way", "web-identity", "--key", "c-jwt", "--role-arn", ROLE),
                     f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/holdfast"),
}  # fmt: skip


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANTS) as running:
        for name, key_id in (("c-aws", "AKIACREDENTIALS"), ("strict-aws", "AKIASTRICT"), ("closed-aws", "AKIACLOSED")):
            running.import_aws(name, key_id, f"the-secret-of-{name}")
        running.create_key("c-jwt", use="jwt")
        running.create_key("c-cert", use="roles-anywhere")
        yield running


@pytest.fixture
def aws(tmp_path, daemon):
    with StandIn(str(tmp_path / "aws")) as standin:
        for name, key_id in (("c-aws", "AKIACREDENTIALS"), ("strict-aws", "AKIASTRICT")):
            standin.access_keys[key_id] = f"the-secret-of-{name}"
        standin.jwks = jws.read_json(daemon.cli("jwks").stdout.encode())
        yield standin


def certify(daemon, aws):
    with daemon.admin() as admin:
        request = admin.post("/v1/keys/c-cert/csr", {"subject": [["CN", "orders"]]}).json["csr_pem"]
        attached = admin.post("/v1/keys/c-cert/certificate", {"chain_pem": aws.authority.issue(request)})
    assert attached.status == 200, attached


class Process:
    """credential-process with a cache folder of its own."""

    def __init__(self, daemon, aws, cache):
        self.daemon, self.aws, self.cache = daemon, aws, cache
        self.folder = os.path.join(cache, "holdfast", "aws")
        self.environment = {"XDG_CACHE_HOME": cache, "AWS_REGION": "eu-west-1"}

    def options(self, *options):
        return ["aws", "credential-process", "--endpoint", self.aws.url, "--ca-file", self.aws.ca_file, *(options or ("--key", "c-aws"))]

    def run(self, *options):
        return self.daemon.cli(*self.options(*options), check=False, env=self.environment)

    def good(self, *options):
        """(credentials, standard error)."""
        done = self.run(*options)
        assert done.returncode == 0, done.stderr
        return complete(done.stdout), done.stderr

    def bad(self, status, *options):
        """Standard error; nothing may be on standard output."""
        done = self.run(*options)
        assert (done.returncode, done.stdout) == (status, ""), (done.returncode, done.stdout, done.stderr)
        return done.stderr

    def file(self):
        (path,) = glob.glob(os.path.join(self.folder, "*.json"))
        return path

    def left(self, seconds):
        """Lets what is kept end in so many seconds, of the hour that it was good for."""
        with open(self.file(), encoding="ascii") as file:
            kept = json.load(file)
        for name, offset in (("Obtained", seconds - 3600), ("Expiration", seconds)):
            kept[name] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))
        with open(self.file(), "w", encoding="ascii") as file:
            json.dump(kept, file)


@pytest.fixture
def process(daemon, aws, tmp_path):
    return Process(daemon, aws, str(tmp_path / "cache"))


def complete(text):
    one = json.loads(text)
    assert set(one) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"} and one["Version"] == 1
    assert calendar.timegm(time.strptime(one["Expiration"], "%Y-%m-%dT%H:%M:%SZ")) > time.time()
    return one


@pytest.mark.parametrize("way", WAYS)
def test_each_way_gives_credentials_that_serve(process, aws, tmp_path, way):
    action, options, arn = WAYS[way]
    one, messages = process.good(*options)
    assert messages == "" and aws.requests == [action]
    session = aws.sessions[one["AccessKeyId"]]
    assert (session.arn, session.secret, session.token, session.expiration()) == (arn, one["SecretAccessKey"], one["SessionToken"], one["Expiration"])
    assert process.good(*options)[0] == one and aws.requests == [action], "the second time it comes from the cache"
    assert stat.S_IMODE(os.stat(process.folder).st_mode) == 0o700 and stat.S_IMODE(os.stat(process.file()).st_mode) == 0o600


class TestRolesAnywhere:
    def test_gives_credentials_that_serve(self, process, daemon, aws):
        certify(daemon, aws)
        one, messages = process.good(*ANYWHERE)
        assert messages == "" and aws.requests == ["CreateSession"]
        assert aws.sessions[one["AccessKeyId"]].arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/")
        assert process.good(*ANYWHERE)[0] == one and aws.requests == ["CreateSession"]
        named, _ = process.good(*ANYWHERE, "--session-name", "batch", "--duration", "15m")
        assert aws.sessions[named["AccessKeyId"]].arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/batch"

    def test_refuses_the_certificate_of_another_anchor(self, process, daemon, aws, tmp_path):
        with StandIn(str(tmp_path / "other")) as other:
            certify(daemon, other)
        messages = process.bad(3, *ANYWHERE)
        assert "Roles Anywhere refuses" in messages and "trust anchor" in messages

    def test_of_another_role_is_refused_by_the_daemon(self, process, daemon, aws):
        certify(daemon, aws)
        assert "not_permitted" in process.bad(3, *(f"{word}s" if word == ROLE else word for word in ANYWHERE))
        assert aws.requests == []

    @pytest.mark.parametrize("fault", ["500", "half", "close"])
    def test_what_passes_is_tried_again(self, process, daemon, aws, fault):
        certify(daemon, aws)
        aws.fault, aws.faults = fault, 2
        process.good(*ANYWHERE)
        assert aws.count("CreateSession") == 3

    def test_twenty_minutes_off_is_made_up_for(self, process, daemon, aws):
        certify(daemon, aws)
        aws.clock = 1200
        process.good(*ANYWHERE)
        assert aws.count("CreateSession") == 2


def test_what_makes_other_credentials_is_kept_apart(process, aws):
    ids = {process.good(*options)[0]["AccessKeyId"] for options in (("--key", "c-aws"), ("--key", "c-aws", "--duration", "2h"), ("--key", "c-aws", "--region", "eu-central-1"))}
    assert len(ids) == 3 and aws.count("GetSessionToken") == 3


def test_fifty_processes_at_once_ask_aws_once(process, daemon, aws):
    aws.delay = 1
    environment = dict(daemon.environment, HOLDFAST_SOCKET=daemon.socket, **process.environment)
    command = [program("holdfast"), *process.options("--key", "c-aws", "--timeout", "5m")]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)) for _ in range(50)]
        done = [one.communicate(timeout=200) for one in running]
    assert {messages for _, messages in done} == {""} and len({output for output, _ in done}) == 1
    complete(done[0][0])
    assert aws.requests == ["GetSessionToken"]


@pytest.mark.parametrize("fault", ["500", "503", "429", "half", "close", "empty"])
def test_what_passes_is_tried_again(process, aws, fault):
    aws.fault, aws.faults = fault, 2
    process.good()
    assert aws.count("GetSessionToken") == 3


@pytest.mark.parametrize("fault, says", [("500", "STS can't serve now"), ("half", "broke off"), ("close", "broke off"), ("empty", "not whole")])
def test_what_stays_is_an_error_after_three_tries_and_no_output(process, aws, fault, says):
    aws.fault = fault
    messages = process.bad(4)
    assert says in messages and messages.count("\n") == 2, messages
    assert aws.count("GetSessionToken") == 3
    assert glob.glob(os.path.join(process.folder, "*.json")) == []


def test_a_service_that_hangs_is_given_up(process, aws):
    aws.fault = "hang"
    assert "did not answer in time" in process.bad(4, "--key", "c-aws", "--timeout", "6s")
    assert 1 <= aws.count("GetSessionToken") <= 3


class TestClock:
    @pytest.mark.parametrize("ahead", [1200, -1200])
    def test_twenty_minutes_off_is_made_up_for(self, process, aws, ahead):
        aws.clock = ahead
        process.good()
        assert aws.count("GetSessionToken") == 2

    @pytest.mark.parametrize("ahead, side", [(1200, "behind"), (-1200, "ahead of")])
    def test_a_grant_that_allows_less_says_what_to_do(self, process, aws, ahead, side):
        aws.clock = ahead
        messages = process.bad(3, "--key", "strict-aws")
        assert f"clock is 20 minutes {side} that of AWS" in messages or f"clock is 19 minutes {side}" in messages
        assert "max_skew" in messages and aws.count("GetSessionToken") == 1

    def test_a_token_can_t_make_up_for_it_and_says_so(self, process, aws):
        aws.clock = -1200
        messages = process.bad(1, *WAYS["web-identity"][1])
        assert "clock is" in messages and "set the clock" in messages


class TestRefusals:
    def test_of_aws(self, process, aws):
        aws.access_keys.clear()
        messages = process.bad(3)
        assert "STS refuses: InvalidClientTokenId" in messages and aws.count("GetSessionToken") == 1

    def test_of_the_daemon(self, process, aws):
        assert "not_permitted" in process.bad(3, "--key", "closed-aws")
        assert aws.requests == []

    def test_of_the_server_s_certificate(self, process, aws):
        done = process.daemon.cli("aws", "credential-process", "--endpoint", aws.url, "--key", "c-aws", check=False, env=process.environment)
        assert (done.returncode, done.stdout) == (1, "") and "can't be verified" in done.stderr and "--ca-file" in done.stderr
        assert aws.requests == []

    def test_nobody_listens(self, process, aws):
        done = process.daemon.cli("aws", "credential-process", "--endpoint", "http://127.0.0.1:1", "--key", "c-aws", "--timeout", "3s", check=False, env=process.environment)
        assert (done.returncode, done.stdout) == (4, "") and "can't be reached" in done.stderr

    @pytest.mark.parametrize("options, says", [
        (("--key", "c-aws", "--role-arn", ROLE), "--way"), ((), "no key"), (("--key", "c-aws", "--way", "other"), "no way"),
        (("--key", "c-aws", "--endpoint", "http://sts.example.com"), "http only"), (("--key", "c-aws", "--duration", "1m"), "15m to 36h"),
        (("--key", "c-aws", "--way", "roles-anywhere"), "--role-arn"), (("--key", "c-aws", "--way", "assume-role", "--role-arn", "orders"), "no ARN"),
    ])  # fmt: skip
    def test_wrong_usage(self, process, options, says):
        done = process.daemon.cli("aws", "credential-process", *options, check=False, env=process.environment)
        assert (done.returncode, done.stdout) == (2, "") and says in done.stderr, done.stderr


class TestCache:
    def test_renews_before_the_end(self, process, aws):
        first, _ = process.good()
        process.left(11 * 60)
        assert process.good()[0]["AccessKeyId"] == first["AccessKeyId"]
        process.left(9 * 60)
        assert process.good()[0]["AccessKeyId"] != first["AccessKeyId"] and aws.count("GetSessionToken") == 2

    def test_serves_what_is_still_good_where_it_can_t_be_renewed(self, process, aws):
        first, _ = process.good()
        process.left(5 * 60)
        aws.fault = "500"
        again, messages = process.good("--key", "c-aws", "--timeout", "5s")
        assert again["AccessKeyId"] == first["AccessKeyId"] and "could not be renewed" in messages
        process.left(30)
        assert "STS can't serve now" in process.bad(4, "--key", "c-aws", "--timeout", "5s")

    def test_renews_what_is_short_when_a_third_is_left(self, process, aws):
        aws.lifetime = 900
        process.good()
        process.good()
        assert aws.count("GetSessionToken") == 1

    def check_replaced(self, process, says):
        one, messages = process.good()
        assert says in messages and messages.count("\n") == 1, messages
        assert process.good() == (one, ""), "and then it is kept again"

    def test_a_torn_file_is_replaced(self, process):
        process.good()
        for text in ("", "{}", None):
            with open(process.file(), "r+", encoding="ascii") as file:
                size = len(file.read()) // 2
                file.truncate(size if text is None else 0)
                file.seek(0)
                file.write(text or "")
            self.check_replaced(process, "is damaged")

    @pytest.mark.parametrize("mode", [0o644, 0o660])
    def test_a_file_open_to_others_is_replaced(self, process, mode):
        process.good()
        os.chmod(process.file(), mode)
        self.check_replaced(process, "open to other users")

    @pytest.mark.usefixtures("root")
    def test_a_file_of_another_user_is_replaced(self, process):
        process.good()
        os.chown(process.file(), 65534, 65534)
        self.check_replaced(process, "belongs to another user")

    def test_a_symbolic_link_is_replaced_and_not_followed(self, process, tmp_path):
        process.good()
        elsewhere = tmp_path / "elsewhere"
        os.rename(process.file(), elsewhere)
        name = elsewhere.read_bytes()
        (lock,) = glob.glob(os.path.join(process.folder, "*.lock"))
        os.symlink(elsewhere, lock.removesuffix(".lock") + ".json")
        self.check_replaced(process, "can't be read")
        assert elsewhere.read_bytes() == name and not os.path.islink(process.file())

    @pytest.mark.parametrize("kind", ["file", "open", "foreign"])
    def test_a_folder_that_will_not_do_costs_the_cache_alone(self, process, aws, kind):
        if kind == "foreign" and os.geteuid() != 0:
            pytest.skip("needs root: another uid")
        if kind == "file":
            os.makedirs(os.path.dirname(process.folder))
            with open(process.folder, "w", encoding="ascii"):
                pass
        else:
            os.makedirs(process.folder)
            os.chmod(process.folder, 0o777 if kind == "open" else 0o700)
            os.chown(process.folder, 65534 if kind == "foreign" else -1, -1)
        for count in (1, 2):
            _, messages = process.good()
            assert messages.startswith("holdfast: not cached: ") and messages.count("\n") == 1
            assert aws.count("GetSessionToken") == count

    def test_serves_without_the_daemon(self, process, daemon, aws):
        one, _ = process.good()
        daemon.stop()
        try:
            assert process.good()[0] == one
        finally:
            daemon.start()


class TestConfigure:
    def configure(self, daemon, aws, home, *options, check=True):
        command = ("aws", "configure", "--profile", "orders", "--key", "c-aws", "--endpoint", aws.url, "--ca-file", aws.ca_file, *options)
        return daemon.cli(*command, check=check, env={"HOME": str(home), "AWS_REGION": "eu-west-1"})

    @pytest.mark.parametrize("client", aws_clients.NAMES)
    def test_the_profile_serves(self, daemon, aws, tmp_path, client):
        self.configure(daemon, aws, tmp_path, "--socket", daemon.socket)
        env = aws_clients.environment(aws, str(tmp_path), AWS_PROFILE="orders")
        assert aws_clients.identity(client, aws, env) == WAYS["session-token"][2]
        assert aws.count("GetSessionToken") == 1

    def test_everything_else_in_the_file_stays(self, daemon, aws, tmp_path):
        config = tmp_path / ".aws" / "config"
        config.parent.mkdir()
        before = "# mine\n[default]\nregion=eu-north-1\ns3 =\n    max_concurrent_requests = 3\n\n[profile  other]\noutput = text"
        config.write_text(before)
        config.chmod(0o664)
        self.configure(daemon, aws, tmp_path)
        text = config.read_text()
        assert text.startswith(before + "\n\n[profile orders]\ncredential_process = ") and text.endswith("\nregion = eu-west-1\n")
        assert stat.S_IMODE(config.stat().st_mode) == 0o664

        refused = self.configure(daemon, aws, tmp_path, "--duration", "2h", check=False)
        assert refused.returncode == 1 and "--force" in refused.stderr and config.read_text() == text
        config.write_text(text + "output = json\nrole_arn = arn\n[profile last]\n")
        forced = self.configure(daemon, aws, tmp_path, "--duration", "2h", "--force")
        assert "role_arn" in forced.stderr
        assert config.read_text() == text.replace("\nregion = eu-west-1", " --duration 2h\nregion = eu-west-1") + "output = json\nrole_arn = arn\n[profile last]\n"

    def test_a_static_key_that_would_go_before_it_is_named(self, daemon, aws, tmp_path):
        assert self.configure(daemon, aws, tmp_path).stderr == ""
        (tmp_path / ".aws" / "credentials").write_text("[orders]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n")
        said = self.configure(daemon, aws, tmp_path, "--force").stderr
        assert "also has a key of the profile orders" in said and "remove it" in said

    def test_a_dry_run_prints_it_quoted_as_a_shell_reads_it(self, daemon, aws, tmp_path):
        done = self.configure(daemon, aws, tmp_path, "--session-name", "it's", "--role-arn", ROLE, "--way", "assume-role", "--dry-run")
        assert not (tmp_path / ".aws").exists()
        heading, line, region = done.stdout.splitlines()
        assert (heading, region) == ("[profile orders]", "region = eu-west-1")
        words = shlex.split(line.removeprefix("credential_process = "))
        assert words[1:3] == ["aws", "credential-process"] and words[words.index("--session-name") + 1] == "it's"
        by_shell = subprocess.run(["sh", "-c", f"printf '%s\\n' {line.removeprefix('credential_process = ')}"], capture_output=True, text=True, check=True)
        assert by_shell.stdout.splitlines() == words
