"""Threat row 24: a clock that is moved. Backwards nothing is signed; forwards what was reached counts."""

import base64
import datetime
import json
import os
import time

import pytest

from holdfast_testing import jws, openapi
from holdfast_testing.clock import Clock
from holdfast_testing.daemon import Daemon, problem
from holdfast_testing.paths import temporary_folder
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get, wrong
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.tokens import jwks, mint

HOUR, YEARS = 3600, 10 * 365 * 86400
SECRET = "a-secret-of-the-clock-tests"
DIGEST = {"key": "digests", "algorithm": "ES256", "digest": base64.b64encode(bytes(32)).decode(), "encoding": "der"}
GRANT = f"""
[[grant]]
name = "everything"
key = "*"
caller = {{ uid = {os.geteuid()} }}
"""


def seconds(record):
    return datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp()


class Machine:
    """A daemon whose clock the test sets, with a key of each use."""

    def __init__(self, folder, tcti):
        self.clock = Clock(os.path.join(folder, "d", "bin"))  # where the core may read
        self.daemon = Daemon(os.path.join(folder, "d"), tcti, GRANT, supervisor=self.clock.supervisor)
        self.daemon.import_aws("aws", "AKIACLOCK", SECRET)
        self.daemon.create_key("tokens", use="jwt")
        self.daemon.create_key("digests")
        self.jtis = []

    def token(self):
        reply = mint(self.daemon, "tokens", ttl=60)
        if reply.status == 200:
            self.jtis.append(reply.json["jti"])
        return reply

    def issued(self):
        """How far the time in a new token is from the real one."""
        reply = self.token()
        assert reply.status == 200, reply
        _, claims = jws.claims(reply.json["token"], jwks(self.daemon))
        assert claims["exp"] == claims["iat"] + 60
        return claims["iat"] - time.time()

    def replies(self):
        """One of each way to sign."""
        with self.daemon.client() as client:
            return [self.daemon.sign(get("aws", explain=True)), self.token(), client.post("/v1/sign/digest", DIGEST)]

    def signs(self):
        replies = self.replies()
        if all(reply.status == 200 for reply in replies):
            assert wrong(replies[0].json, SECRET) == ""
            return True
        return False

    def health(self):
        with self.daemon.client() as client:
            return client.get("/v1/health").json

    def is_untrusted(self, behind):
        """All signing is refused, and health says by how much the clock is behind."""
        for reply in self.replies():
            body = problem(reply, "clock_untrusted", 503)
            assert not {"token", "signature", "headers"} & set(body)
        assert openapi.fault("POST", "/v1/token/jwt", self.token()) == ""
        health = self.health()
        assert health["status"] == "down"
        said = [reason for reason in health["reasons"] if reason.startswith("clock: it went back by ")]
        assert len(said) == 1, health
        assert abs(int(said[0].split()[5]) - behind) <= 20, (said, behind)

    def is_trusted(self):
        assert self.signs(), self.replies()
        assert self.health()["status"] == "ok", self.health()

    def noticed(self):
        """Waits until the daemon has seen a clock that went ahead."""
        ahead = len([record for record in self.daemon.audit() if record["operation"] == "clock.ahead"])
        return lambda: len([record for record in self.daemon.audit() if record["operation"] == "clock.ahead"]) > ahead

    def restart(self):
        self.daemon.stop()
        self.daemon.start()

    def accept(self):
        reply = json.loads(self.daemon.cli("--json", "clock", "accept", "--yes").stdout)
        record = [record for record in self.daemon.audit() if record["operation"] == "admin.clock.accept"][-1]
        assert record["code"] == "ok" and record["details"]["caller"]["uid"] == os.geteuid()
        return reply["behind_seconds"]

    def check_records(self):
        """No record is older than the one before it, by more than the step that a time service may make, unless an
        administrator took the clock as it was between them."""
        records = self.daemon.audit()
        for before, after in zip(records, records[1:]):
            if after["operation"] != "admin.clock.accept":
                assert seconds(after) >= seconds(before) - 10, (before, after)
        assert json.loads(self.daemon.verify_audit().stdout)["good"] is True
        assert len(self.jtis) == len(set(self.jtis)) > 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()


@pytest.fixture(scope="module")
def tpm():
    with temporary_folder() as folder, Swtpm(folder) as running:
        yield running


@pytest.fixture
def machine(tpm):
    with temporary_folder() as folder, Machine(folder, tpm.tcti) as one:
        assert one.signs()
        yield one
        one.clock.set(0)


def test_control_the_daemon_does_see_the_tests_clock(machine):
    machine.clock.set(HOUR)
    assert abs(machine.issued() - HOUR) < 5
    machine.restart()
    assert abs(machine.issued() - HOUR) < 5


@pytest.mark.parametrize("back", [HOUR, YEARS])
def test_row24_clock_that_goes_back_stops_signing_until_it_is_right(machine, back):
    machine.clock.set(-back)
    machine.is_untrusted(back)
    # Nothing changes by asking again, or by waiting.
    time.sleep(1.5)
    machine.is_untrusted(back)
    # What does not sign goes on.
    with machine.daemon.client() as client, machine.daemon.admin() as admin:
        assert client.get("/v1/keys").status == 200 and admin.get("/v1/keys").status == 200
    machine.clock.set(0)
    machine.is_trusted()
    machine.check_records()


@pytest.mark.parametrize("back", [HOUR, YEARS])
def test_row24_restart_does_not_make_it_trusted(machine, back):
    machine.clock.set(-back)
    machine.restart()
    machine.is_untrusted(back)
    machine.restart()
    machine.is_untrusted(back)
    machine.clock.set(0)
    machine.is_trusted()
    machine.restart()
    machine.is_trusted()
    machine.check_records()


@pytest.mark.parametrize("ahead", [HOUR, YEARS])
def test_row24_clock_that_goes_ahead_counts_and_can_not_go_back(machine, ahead):
    noticed = machine.noticed()
    machine.clock.set(ahead)
    assert abs(machine.issued() - ahead) < 5
    wait_until(noticed, 10, "the leap is recorded")
    machine.is_trusted()
    machine.clock.set(0)
    machine.is_untrusted(ahead)
    # Nor over a restart: the last record is of a time that is still to come.
    machine.restart()
    machine.is_untrusted(ahead)
    assert abs(machine.accept() - ahead) <= 20
    assert abs(machine.issued()) < 5
    machine.is_trusted()
    machine.restart()
    machine.is_trusted()
    machine.check_records()


def test_row24_leap_of_a_moment_leaves_no_younger_record_behind(machine):
    """There and back between two looks at the clock: what was signed then is not followed by older records."""
    for ahead in (HOUR, HOUR, HOUR):
        machine.clock.set(ahead)
        assert machine.token().status == 200
        machine.clock.set(0)
        machine.is_untrusted(ahead)
        machine.accept()
    machine.is_trusted()
    machine.check_records()


@pytest.mark.parametrize("back", [HOUR, YEARS])
def test_row24_accepted_clock_counts_and_is_recorded(machine, back):
    machine.clock.set(-back)
    machine.is_untrusted(back)
    assert abs(machine.accept() - back) <= 20
    assert abs(machine.issued() + back) < 5
    machine.is_trusted()
    # Accepted once is accepted; and nothing more is.
    assert machine.accept() == 0
    machine.restart()
    machine.is_trusted()
    machine.clock.set(-back - HOUR)
    machine.is_untrusted(HOUR)
    # Right again is ahead of what was accepted.
    machine.clock.set(0)
    assert abs(machine.issued()) < 5
    machine.is_trusted()
    machine.check_records()


def test_row24_small_steps_are_no_alarm(machine):
    """As a time service makes them."""
    for offset in (-2, 1, -3, 0, 5):
        machine.clock.set(offset)
        machine.is_trusted()
    machine.clock.set(0)


def test_row24_records_of_refusals_have_a_time_too(machine):
    """While the clock is behind, records carry the time that must have come since."""
    machine.clock.set(-YEARS)
    machine.is_untrusted(YEARS)
    record = [record for record in machine.daemon.audit() if record["code"] == "clock_untrusted"][-1]
    assert abs(seconds(record) - time.time()) < 10
    machine.clock.set(0)
    machine.check_records()
