"""Travis CI 2021/22: secrets in build environments and in logs that anybody could read.

A build prints its environment, traces its shell, dumps core and copies the journal, with the daemon at its highest log level; all
that it printed and left is searched. The control is the classic build, with a key in its environment.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import time

import pytest

import verifier
from holdfast_testing import jws, pem, traces
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import program
from holdfast_testing.processes import wait_until
from holdfast_testing.story import attack, control, note, outcome
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.units import enter
from holdfast_testing.users import become

CI = 61201  # the user that all builds run as
KEY_ID, SECRET = "AKIABUILDARTIFACTS", "buildSecret" + os.urandom(14).hex()
REGISTRY, PAYMENTS = "https://registry.example.com", "https://payments.example.com"
URL = "https://artifacts.s3.eu-west-1.amazonaws.com/builds/1.tar"
HERE = os.path.dirname(os.path.abspath(__file__))
TOKEN = re.compile(rb"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+")

GRANTS = """
[[grant]]
name = "build-deploys"
key = "deploy-jwt"
caller = %(build)s
facts = { audience = "https://registry.example.com" }
limits = { ttl = "60s" }
set = { subject = "build" }

[[grant]]
name = "build-uploads"
key = "artifacts-aws"
caller = %(build)s
facts = { service = "s3", method = "PUT", path = "/builds/**" }
"""


@pytest.fixture(scope="module", params=["unit"])
def apart(request, unit, caller_of):
    """By what builds of one uid are told apart: the caller of a grant for the own build, and how each build is started.

    Each build is in a unit of its own. A further way, such as a label, is a further parameter.
    """
    procs = {name: unit(f"ci-{name}.service") for name in ("main", "fork")}
    return caller_of(CI, "ci-main.service"), lambda name: enter(procs[name])


@pytest.fixture(scope="module")
def private_key():
    return pem.pkcs8("ec-p256")


@pytest.fixture(scope="module")
def daemon(root, folder, apart, private_key):
    with Swtpm(os.path.join(folder, "tpm")) as tpm:
        with Daemon(os.path.join(folder, "daemon"), tpm.tcti, GRANTS % {"build": apart[0]}, settings='log_level = "debug"') as running:
            running.import_aws("artifacts-aws", KEY_ID, SECRET)
            with running.admin() as admin:
                assert admin.post("/v1/keys/import", {"name": "deploy-jwt", "use": "jwt", "private_key_pem": private_key}).status == 201
            yield running


class Build:
    """build.sh as the CI's user; `log` is what it printed, `left` what is in its workspace."""

    def __init__(self, folder, name, daemon, into, environment):
        self.place = os.path.join(folder, f"build-{name}")
        tools = os.path.join(self.place, "tools")
        os.makedirs(tools)
        for path in (program("holdfast"), os.path.join(HERE, "build.sh"), os.path.join(HERE, "holder.py")):
            shutil.copy(path, tools)
        workspace = os.path.join(self.place, "workspace")
        os.makedirs(workspace)
        os.chown(workspace, CI, CI)

        def step():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            into(name)
            become(CI)

        environment = {"PATH": f"{tools}:/usr/bin:/bin", "CI": "true", "DAEMON_LOG": daemon.log, **environment}
        done = subprocess.run([os.path.join(tools, "build.sh")], cwd=workspace, env=environment, preexec_fn=step, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)  # fmt: skip
        self.log = done.stdout
        self.left, _ = traces.files(workspace)
        self.places = {"the build's log": self.log, **self.left}

    def statuses(self):
        return dict(re.findall(r"^(another \w+|signing|deploying|publishing) .*?status (\d+)\)?$", self.log.decode(errors="replace"), re.MULTILINE))

    def named(self, start):
        return [path for path in self.left if os.path.basename(path).startswith(start)]


@pytest.fixture(scope="module")
def build(daemon, folder, apart):
    return Build(folder, "main", daemon, apart[1], {"HOLDFAST_SOCKET": daemon.socket})


@pytest.fixture(scope="module")
def classic(daemon, folder, apart):
    return Build(folder, "classic", daemon, lambda name: None, {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET})


def explained(build):
    """The build's own signature and what it is of, out of its log."""
    return json.loads(re.search(rb'^\{"headers":.*$', build.log, re.MULTILINE)[0])


def test_the_build_works_and_leaks_all_it_has(build):
    """The build does its work, and prints and leaves behind all it can"""
    assert build.statuses() == {"deploying": "0", "publishing": "0", "signing": "0", "another audience": "3", "another path": "3"}
    cores = build.named("core")
    attack(f"The log has {len(build.log) >> 10} KiB with environment, shell trace and the daemon's journal; the workspace has {len(build.left)} files, "
           f"{len(cores)} core files and a copy of a helper's memory that held a reply.")  # fmt: skip
    if not cores:
        note("core_pattern gives core files to somebody else here; the copy of the memory has what would be in one.")
    assert all(what in build.log for what in (b"HOLDFAST_SOCKET=", b"+ token=eyJ", b"holdfast-core")), build.log
    assert all(TOKEN.search(build.left[path]) for path in [*cores, *build.named("memory.dump")]), "the helper held no token"
    assert build.named("journal.txt") and b'log_level = "debug"' in build.left[build.named("holdfast.toml")[0]]


def test_no_secret_that_lives_long_is_in_it(build, private_key):
    """Everybody reads the log and the workspace"""
    reply = explained(build)
    known = {"secret access key": SECRET, "the day's signing key": traces.derived(SECRET, reply["string_to_sign"]), **pem.secrets(private_key)}
    texts = traces.candidates(build.places)
    attack(f"looks for {len(known)} secrets in every spelling, and tries {len(texts)} texts as the key of a signature that is in the log.")
    assert traces.seen(known, build.places) == []
    assert traces.signing_secret(texts, reply["string_to_sign"], reply["signature"]) is None
    outcome("Nothing.")


def accepted(token, audience, keys, at):
    """As a service of that name judges a token at that time."""
    _, claims = jws.claims(token, keys)
    return claims["aud"] == audience and claims["nbf"] <= at < claims["exp"]


def test_each_token_found_has_expired_or_is_for_one_audience(daemon, build):
    """The tokens in it are tried"""
    with daemon.admin() as admin:
        keys = admin.get("/v1/jwks").json
    found = sorted({token.decode() for content in build.places.values() for token in TOKEN.findall(content)})
    good = {}
    for token in found:
        try:
            good[token] = jws.claims(token, keys)[1]
        except jws.Refused:
            continue  # cut off by a buffer's end in the memory of a process
    assert len(good) >= 3
    wait_until(lambda: any(claims["exp"] < time.time() for claims in good.values()), 30, "the shortest token has expired")
    now = time.time()
    expired = [token for token, claims in good.items() if claims["exp"] <= now]
    fresh = [token for token in good if token not in expired]
    attack(f"tries {len(good)} tokens at the service they were made for and at another one.")
    for token, claims in good.items():
        assert isinstance(claims["aud"], str) and claims["aud"] == REGISTRY and claims["exp"] - claims["iat"] <= 60, claims
        assert not accepted(token, PAYMENTS, keys, now) and not accepted(token, REGISTRY, keys, claims["exp"])
        assert accepted(token, REGISTRY, keys, claims["iat"]), "the tokens were good"
    assert expired and not any(accepted(token, REGISTRY, keys, now) for token in expired)
    outcome(f"{len(expired)} have expired. {len(fresh)} are good at {REGISTRY} alone, for at most 60 s from when they were made; at {PAYMENTS} none is.")


def test_a_forks_build_of_the_same_uid_is_refused(daemon, folder, apart, two_units):
    """A fork's build runs the same script, under the same uid"""
    if not two_units:
        return
    fork = Build(folder, "fork", daemon, apart[1], {"HOLDFAST_SOCKET": daemon.socket})
    statuses = fork.statuses()
    attack(f"The same script as uid {CI}, of a pull request from a fork: {', '.join(statuses)}.")
    outcome(f"Exit statuses {', '.join(statuses.values())}: each refused (3), and no token or signature in its log or workspace.")
    assert len(statuses) == 5 and set(statuses.values()) == {"3"}, fork.log
    # It can read the first build's journal, but nothing that signs was ever in there.
    assert not [path for path, content in fork.places.items() if TOKEN.search(content) or b"Signature=" in content]
    denied = [record for record in daemon.audit() if record["decision"] == "denied" and record["details"]["caller"]["unit"] == "ci-fork.service"]
    outcome(f"{len(denied)} denials are recorded, with the unit ci-fork.service.")
    assert len(denied) >= 5


def test_control_the_classic_build_gives_its_key_away(build, classic):
    """The same script in a classic build, with a key in its environment"""
    reply = explained(build)
    assert traces.seen({"secret": SECRET}, {"log": classic.log})
    stolen = traces.signing_secret(traces.candidates(classic.places), reply["string_to_sign"], reply["signature"])
    assert stolen == SECRET
    served = verifier.accepts({KEY_ID: SECRET}, "DELETE", URL, verifier.signed(KEY_ID, stolen, "DELETE", URL))
    control("Its log has the key, the same search finds it, and a request signed with it, for what the build never did, is "
            + ("accepted by the API." if served else "refused."))  # fmt: skip
    assert served
    assert not verifier.accepts({KEY_ID: SECRET}, "DELETE", URL, verifier.signed(KEY_ID, stolen[:-1], "DELETE", URL))
