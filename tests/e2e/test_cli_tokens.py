"""Tokens, JWK Sets, imports and rotations as a person or a script does them: with the command line."""

import calendar
import json
import os
import signal
import subprocess
import time

import pytest

from holdfast_testing import jws, pem
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import program
from holdfast_testing.processes import wait_until
from holdfast_testing.terminal import on_terminal

UID = os.geteuid()
AUDIENCE = "https://api.example.com"
GRANTS = f"""
[[grant]]
name = "tokens"
key = ["t-*", "i-*", "r-*"]
caller = {{ uid = {UID} }}
facts = {{ audience = "https://api.example.com", "claim.*" = "**" }}

[[grant]]
name = "typed"
key = "t-*"
caller = {{ uid = {UID} }}
facts = {{ audience = ["https://api.example.com", "https://b.example.com"], typ = "at+jwt", "claim.*" = "**" }}
"""
PASSPHRASE = "correct horse \u00e4"


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANTS) as running:
        running.create_key("t-ec", use="jwt")
        running.create_key("x-ec", use="jwt")
        yield running


def mint(daemon, key, *more, check=True):
    return daemon.cli("token", "jwt", "--key", key, "--audience", AUDIENCE, *more, check=check)


def published(daemon, key):
    return json.loads(daemon.cli("jwks", "--key", key).stdout)


def claims_of(daemon, key):
    """Of a new token, verified with the key's JWK Set."""
    return jws.claims(mint(daemon, key).stdout.strip(), published(daemon, key))


def environment(daemon):
    return dict(daemon.environment, HOLDFAST_SOCKET=daemon.socket, HOLDFAST_ADMIN_SOCKET=daemon.admin_socket)


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


class TestToken:
    def test_stands_alone_on_standard_output_and_says_what_was_asked(self, daemon):
        done = mint(daemon, "t-ec", "--audience", "https://b.example.com", "--ttl", "30s", "--typ", "at+jwt", "--issuer", "i", "--subject", "s",
                    "--algorithm", "ES256", "--claim", 'roles=["a","b"]', "--claim", "big=18446744073709551615",
                    "--claim-text", "scope=read all")  # fmt: skip
        assert done.stderr == "" and done.stdout.count("\n") == 1
        header, claims = jws.claims(done.stdout.strip(), published(daemon, "t-ec"))
        assert header["typ"] == "at+jwt"
        assert claims["aud"] == [AUDIENCE, "https://b.example.com"] and claims["exp"] - claims["iat"] == 30
        assert (claims["iss"], claims["sub"], claims["roles"], claims["scope"]) == ("i", "s", ["a", "b"], "read all")
        assert claims["big"] == 18446744073709551615

    def test_is_good_for_five_minutes_and_one_audience_is_a_text(self, daemon):
        _, claims = claims_of(daemon, "t-ec")
        assert claims["aud"] == AUDIENCE and claims["exp"] - claims["iat"] == 300

    def test_as_json_is_the_daemons_reply(self, daemon):
        reply = json.loads(mint(daemon, "t-ec", "--json").stdout)
        assert {"token", "expires_at", "jti", "kid", "audit_seq"} <= reply.keys()

    def test_that_is_not_allowed_exits_3_and_names_the_request(self, daemon):
        for key, more in [("x-ec", ()), ("absent", ()), ("t-ec", ("--audience", "https://c.example.com")), ("t-ec", ("--typ", "x"))]:
            done = mint(daemon, key, *more, check=False)
            assert done.returncode == 3 and done.stdout == "" and "holdfast policy suggest" in done.stderr, done

    @pytest.mark.parametrize("more, said", [
        (["--claim", "scope=read"], "--claim scope='\"…\"'"),
        (["--claim", "a=1", "--claim", "a=2"], "twice"),
        (["--claim", "a=1", "--claim-text", "a=2"], "twice"),
        (["--claim-text", "a"], "--claim-text scope=read"),
        (["--ttl", "5"], "--ttl"),
        (["--ttl", "500ms"], "whole seconds"),
        (["--unknown"], "--help"),
    ])  # fmt: skip
    def test_that_is_asked_for_wrongly_exits_2_and_says_why(self, daemon, more, said):
        done = mint(daemon, "t-ec", *more, check=False)
        assert done.returncode == 2 and said in done.stderr, done

    def test_grant_that_a_refusal_suggests_allows_it(self, daemon):
        more = ("--claim", "level=3", "--ttl", "2h")
        refused = mint(daemon, "x-ec", *more, check=False)
        request = refused.stderr.split("policy suggest ")[1].split()[0]
        grant = daemon.cli("policy", "suggest", request).stdout
        daemon.write_policy(GRANTS + grant)
        daemon.cli("reload")
        try:
            assert mint(daemon, "x-ec", *more).stdout.count(".") == 2
            assert mint(daemon, "x-ec", "--claim", "level=4", check=False).returncode == 3
        finally:
            daemon.write_policy(GRANTS)
            daemon.cli("reload")

    def test_policy_check_answers_for_tokens(self, daemon):
        check = ["policy", "check", "--config", daemon.config, "--as", f"uid={UID}", "--key", "t-ec"]
        good = [f"audience={AUDIENCE}", "ttl=5m", "claim.scope=read", "algorithm=ES256"]
        assert "grant tokens" in daemon.cli(*check, *good).stdout
        assert "grant typed" in daemon.cli(*check, *good, "typ=at+jwt").stdout
        for bad in (["ttl=2h"], ["audience=https://evil.example.com"], ["typ=x"]):
            assert daemon.cli(*check, *good, *bad, check=False).returncode == 3, bad


class TestJwks:
    def test_has_all_keys_for_administrators_and_granted_ones_for_others(self, daemon):
        kids = [key["kid"] for key in json.loads(daemon.cli("jwks").stdout)["keys"]]
        mine = [key["kid"] for key in json.loads(daemon.cli("jwks", "--mine").stdout)["keys"]]
        x = published(daemon, "x-ec")["keys"][0]["kid"]
        assert x in kids and x not in mine and set(mine) < set(kids)

    def test_that_is_empty_for_the_key_asked_for_says_so(self, daemon):
        for ask in (["absent"], ["x-ec", "--mine"]):
            done = daemon.cli("jwks", "--key", *ask)
            assert done.stdout == '{"keys":[]}\n' and "the set is empty" in done.stderr, done
        assert len(published(daemon, "t-ec")["keys"]) == 1


FORMS = {
    "pkcs8": lambda text, _: text,
    "traditional": lambda text, _: pem.traditional(text),
    "pkcs8-encrypted": lambda text, word: pem.openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", f"file:{word}", data=text.encode()).decode(),
    "traditional-encrypted": lambda text, word: pem.openssl("pkey", "-traditional", "-aes-128-cbc", "-passout", f"file:{word}", data=text.encode()).decode(),
}


class TestImport:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("kind", ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072"])
    def test_of_each_kind_and_form_signs_as_the_key_it_was(self, daemon, folder, kind, form):
        text = pem.pkcs8(kind)
        word = write(folder, "passphrase", PASSPHRASE + "\nsecond line\n")
        file = write(folder, "key.pem", FORMS[form](text, word))
        name = f"i-{kind}-{form}"
        done = daemon.cli("key", "import", name, "--pem", file, "--use", "jwt", "--kid", name, *(["--passphrase-file", word] if "encrypted" in form else []))
        assert done.stdout.startswith(f"key {name} holds ") and os.path.exists(file)
        own = {"keys": [dict(pem.jwk(text), kid=name)]}
        header, _ = jws.claims(mint(daemon, name).stdout.strip(), own)
        assert header["kid"] == name

    @pytest.mark.parametrize("form", ["pkcs8-encrypted", "traditional-encrypted"])
    def test_asks_a_terminal_for_the_passphrase_without_showing_it(self, daemon, folder, form):
        word = write(folder, "passphrase", PASSPHRASE)
        name = f"i-typed-{form}"
        file = write(folder, "key.pem", FORMS[form](pem.pkcs8("ec-p256"), word))
        command = [program("holdfast"), "key", "import", name, "--pem", file, "--use", "jwt", "--remove-plaintext"]
        status, shown = on_terminal(command, [("Passphrase of ", "wrong\n")], environment(daemon))
        assert status == 1 and "the passphrase is wrong" in shown and os.path.exists(file)
        status, shown = on_terminal(command, [("Passphrase of ", "\x03")], environment(daemon))
        assert status == 1 and "stopped" in shown
        status, shown = on_terminal(command, [("Passphrase of ", PASSPHRASE + "\n")], environment(daemon))
        assert status == 0 and "horse" not in shown, shown
        assert not os.path.exists(file)
        assert claims_of(daemon, name)

    def test_without_a_terminal_says_where_the_passphrase_can_be(self, daemon, folder):
        word = write(folder, "passphrase", PASSPHRASE)
        file = write(folder, "key.pem", FORMS["pkcs8-encrypted"](pem.pkcs8("ec-p256"), word))
        done = daemon.cli("key", "import", "i-none", "--pem", file, "--use", "jwt", check=False, start_new_session=True)
        assert done.returncode == 2 and "--passphrase-file" in done.stderr

    def test_takes_a_pipe_and_a_further_version(self, daemon, folder):
        first, second = pem.pkcs8("ec-p256"), pem.pkcs8("ec-p256")
        daemon.cli("key", "import", "i-pipe", "--pem", "-", "--use", "jwt", input=first)
        file = write(folder, "second.pem", pem.traditional(second))
        done = daemon.cli("key", "add-version", "i-pipe", "--pem", file, "--kid", "second", "--remove-plaintext")
        assert "second" in done.stdout and not os.path.exists(file)
        daemon.cli("key", "activate", "i-pipe")
        header, _ = jws.claims(mint(daemon, "i-pipe").stdout.strip(), {"keys": [dict(pem.jwk(second), kid="second")]})
        assert header["kid"] == "second" and len(published(daemon, "i-pipe")["keys"]) == 2

    @pytest.mark.parametrize("kind, said", [("rsa-4096", "4096 bits"), ("rsa-1024", "1024 bits"), ("rsa-exponent-3", "65537"), ("ec-p521", "secp521r1"),
                                            ("ec-k256", "secp256k1"), ("ed25519", "ED25519"), ("rsa-pss", "RSA-PSS")])  # fmt: skip
    def test_of_what_no_device_takes_says_what_it_is(self, daemon, folder, kind, said):
        file = write(folder, "key.pem", pem.pkcs8(kind))
        done = daemon.cli("key", "import", "i-bad", "--pem", file, "--use", "jwt", check=False)
        assert done.returncode == 1 and said in done.stderr, done

    def test_of_a_public_key_or_for_sigv4_says_what_to_do(self, daemon, folder):
        file = write(folder, "key.pem", pem.public(pem.pkcs8("ec-p256")))
        done = daemon.cli("key", "import", "i-bad", "--pem", file, "--use", "jwt", check=False)
        assert done.returncode == 1 and "is a public key" in done.stderr
        done = daemon.cli("key", "import", "i-bad", "--pem", file, "--use", "sigv4", check=False)
        assert done.returncode == 2 and "import-aws" in done.stderr

    def test_removes_no_file_that_is_not_the_keys_alone(self, daemon, folder):
        text = pem.pkcs8("ec-p256")
        bundle = write(folder, "bundle.pem", text + pem.public(text))
        link = os.path.join(folder, "link.pem")
        os.symlink(write(folder, "plain.pem", text), link)
        settings = write(folder, "settings.pem", text + "OTHER=needed-elsewhere\n")
        for file in (bundle, link, settings):
            done = daemon.cli("key", "import", "i-kept", "--pem", file, "--use", "jwt", "--remove-plaintext", check=False)
            assert done.returncode == 1 and os.path.lexists(file), done
        assert "i-kept" not in daemon.cli("key", "list", "--names").stdout


def versions(daemon, key):
    return [(v["version"], v["state"]) for v in json.loads(daemon.cli("--json", "key", "show", key).stdout)["versions"]]


def reaches(daemon, key, *wanted):
    wait_until(lambda: versions(daemon, key) == list(wanted), 30, f"{key} is {wanted}")


class TestRotate:
    ADDED, ACTIVATED, RETIRED = [(1, "active"), (2, "pending")], [(1, "verifying"), (2, "active")], [(1, "retired"), (2, "active")]

    def start(self, daemon, key, *more):
        return subprocess.Popen([program("holdfast"), "key", "rotate", key, *more], env=environment(daemon), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def test_goes_on_after_a_kill_in_each_stage(self, daemon):
        daemon.create_key("r-killed", use="jwt")
        old = claims_of(daemon, "r-killed")[0]["kid"]
        times = ["--publish", "4s", "--retire-after", "3s"]
        for stage in (self.ADDED, self.ACTIVATED):
            running = self.start(daemon, "r-killed", *times)
            reaches(daemon, "r-killed", *stage)
            running.kill()
            running.communicate()
            assert versions(daemon, "r-killed") == stage
            kids = {key["kid"] for key in published(daemon, "r-killed")["keys"]}
            assert len(kids) == 2 and (claims_of(daemon, "r-killed")[0]["kid"] == old) == (stage == self.ADDED)
        before = time.monotonic()
        done = daemon.cli("key", "rotate", "r-killed", *times)
        assert "goes on with a rotation" in done.stderr and "is rotated" in done.stdout
        assert time.monotonic() - before < 10
        assert versions(daemon, "r-killed") == self.RETIRED
        assert len(published(daemon, "r-killed")["keys"]) == 1

    def test_keeps_its_times_and_says_each_step_as_json(self, daemon):
        daemon.create_key("r-json", use="jwt")
        before = time.monotonic()
        lines = [json.loads(line) for line in daemon.cli("--json", "key", "rotate", "r-json", "--publish", "2s", "--retire-after", "2s").stdout.splitlines()]
        assert time.monotonic() - before > 3  # a version's creation is known to the second
        assert [(line["step"], line.get("version")) for line in lines] == [
            ("add", 2), ("wait", 2), ("activate", 2), ("wait", 1), ("retire", 1), ("done", None)]  # fmt: skip
        assert versions(daemon, "r-json") == self.RETIRED

    def test_can_be_stopped_on_a_terminal_and_says_how_it_goes_on(self, daemon):
        daemon.create_key("r-stopped", use="jwt")
        command = [program("holdfast"), "key", "rotate", "r-stopped", "--publish", "1h"]
        status, shown = on_terminal(command, [("Type yes to go on:", "no\n")], environment(daemon))
        assert status == 1 and versions(daemon, "r-stopped") == [(1, "active")]
        status, shown = on_terminal(command, [("Type yes to go on:", "yes\n"), ("version 2 signs in 0:59:5", "\x03")], environment(daemon))
        assert status == 1 and "stopped: version 1 is active, version 2 is pending" in shown, shown
        assert "go on with: holdfast key rotate r-stopped --publish 1h" in shown
        running = self.start(daemon, "r-stopped", "--publish", "1h")
        wait_until(lambda: "signs in" in running.stderr.readline(), 30, "it waits")
        running.send_signal(signal.SIGTERM)
        assert "stopped:" in running.communicate()[1] and running.returncode == 1

    def test_does_single_steps_without_waiting(self, daemon):
        daemon.create_key("r-steps", use="jwt")
        step = ["key", "rotate", "r-steps", "--no-wait", "--publish"]
        done = daemon.cli(*step, "1h")
        assert versions(daemon, "r-steps") == self.ADDED and "next, to activate version 2, from 20" in done.stderr
        daemon.cli(*step, "1h")
        assert versions(daemon, "r-steps") == self.ADDED
        done = daemon.cli(*step, "0s")
        assert versions(daemon, "r-steps") == self.ACTIVATED and "next, to retire version 1" in done.stderr
        done = daemon.cli(*step, "0s", "--retire-after", "1h")
        assert versions(daemon, "r-steps") == self.ACTIVATED
        # When the former stopped signing is on record, so a later run knows that its time has come.
        entry = json.loads(daemon.cli("--json", "key", "show", "r-steps").stdout)["versions"][0]
        wait_until(lambda: time.time() > 1 + calendar.timegm(time.strptime(entry["since"], "%Y-%m-%dT%H:%M:%SZ")), 5, "a second has passed")
        done = daemon.cli(*step, "0s", "--retire-after", "1s")
        assert versions(daemon, "r-steps") == self.RETIRED and "is rotated" in done.stdout

    def test_imports_the_next_version_of_an_imported_key(self, daemon, folder):
        daemon.cli("key", "import", "r-pem", "--pem", "-", "--use", "jwt", input=pem.pkcs8("ec-p256"))
        file = write(folder, "next.pem", pem.pkcs8("ec-p256"))
        daemon.cli("key", "rotate", "r-pem", "--pem", file, "--kid", "next", "--publish", "0s", "--retire-after", "0s", "--remove-plaintext")
        assert claims_of(daemon, "r-pem")[0]["kid"] == "next" and not os.path.exists(file)

    def test_of_an_access_key_needs_the_next_one_and_publishes_nothing(self, daemon):
        daemon.import_aws("aws", "AKIAOLD", "oldsecret")
        done = daemon.cli("key", "rotate", "aws", check=False)
        assert done.returncode == 2 and "--profile" in done.stderr
        done = daemon.cli("key", "rotate", "aws", "--access-key-id", "AKIANEW", "--retire-after", "0s", input="newsecret\n")
        assert "deactivate the former access key at AWS" in done.stderr
        assert [v["kid"] for v in json.loads(daemon.cli("--json", "key", "show", "aws").stdout)["versions"] if v["state"] == "active"] == ["AKIANEW"]


class TestAccept:
    def test_of_what_is_trusted_already_changes_nothing(self, daemon):
        assert "trusted already" in daemon.cli("clock", "accept").stdout
        assert json.loads(daemon.cli("--json", "clock", "accept").stdout)["behind_seconds"] == 0
        assert "the one on record already" in daemon.cli("device", "accept", "tpm").stdout
        assert daemon.cli("device", "accept", "absent", check=False).returncode == 1

    @pytest.mark.parametrize("what", [["clock", "accept"], ["device", "accept", "tpm"]])
    def test_is_asked_for_on_a_terminal(self, daemon, what):
        command = [program("holdfast"), *what]
        status, shown = on_terminal(command, [("Type yes to go on:", "no\n")], environment(daemon))
        assert status == 1 and "not accepted" in shown
        assert on_terminal(command, [("Type yes to go on:", "yes\n")], environment(daemon))[0] == 0
        assert on_terminal([*command, "--yes"], [], environment(daemon))[0] == 0


def test_lists_show_versions_and_health_shows_sessions(daemon):
    daemon.cli("key", "add-version", "t-ec")
    table = daemon.cli("key", "list").stdout.splitlines()
    headings = table[0].split()
    row = dict(zip(headings, next(line for line in table if line.startswith("t-ec ")).split()))
    assert (row["USE"], row["ACTIVE"], row["PENDING"], row["VERIFYING"], row["TROUBLE"]) == ("jwt", "1", "2", "-", "-")
    assert "SESSIONS" in daemon.cli("health").stdout and "plain" in daemon.cli("health").stdout
    assert "LOST" in daemon.cli("key", "show", "t-ec").stdout


def test_dev_allows_its_user_every_token(folder):
    script = """set -eu
holdfast key create k --type ec-p256 --use jwt
holdfast token jwt --key k --audience a
holdfast token jwt --key k --audience a --audience b --typ at+jwt --claim 'a={"b":[1]}' --issuer i --subject s --ttl 365d
holdfast policy check --as uid=$(id -u) --key k audience=a ttl=365d
holdfast policy check --as uid=$(id -u) --key k audience=a typ=at+jwt claim.a=1
"""
    done = subprocess.run([program("holdfast"), "dev", "--dir", os.path.join(folder, "dev"), "--", "bash", "-c", script], capture_output=True, text=True,
                          env=dict(os.environ, PATH=f"{os.path.dirname(program('holdfast'))}:{os.environ['PATH']}"), timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
