"""An HSM's PIN over restarts: a wrong one is given once in all, and none to a token that is not the one on record.

The hostile module's token keeps no count of wrong PINs over the end of a process, as most hardware shows none.
"""

import os

import pytest

from holdfast_testing import openapi, paths
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.hostile import PIN, Hostile
from holdfast_testing.processes import wait_until


class Token(Hostile):
    """With a record of the module's calls."""

    def __init__(self, folder):
        self.trace = os.path.join(os.path.abspath(folder), "trace")
        super().__init__(folder)

    def set(self, words):
        super().set(f"{words} trace={self.trace}")

    def logins(self):
        if not os.path.exists(self.trace):
            return 0
        with open(self.trace, encoding="utf-8") as trace:
            return trace.read().split().count("Login")


@pytest.fixture
def token():
    with paths.temporary_folder() as folder:
        yield Token(os.path.join(folder, "token"))


@pytest.fixture
def daemon(token):
    with Daemon(os.path.join(token.folder, "daemon"), token, everything(), run=False) as running:
        yield running


def device_of(daemon):
    with daemon.admin() as admin:
        return admin.get("/v1/health").json["devices"][0]


def reasons(daemon):
    with daemon.admin() as admin:
        return " ".join(admin.get("/v1/health").json["reasons"])


def reaches(daemon, state):
    wait_until(lambda: device_of(daemon)["state"] == state, 30, f"the HSM is {state}")


def accept(daemon):
    with daemon.admin() as admin:
        reply = admin.post("/v1/devices/hsm/accept")
    assert openapi.fault("POST", "/v1/devices/hsm/accept", reply) == ""
    return reply.json


def test_row15_a_wrong_pin_is_given_once_over_restarts_and_again_when_an_administrator_says_so(daemon, token):
    token.write_pin("00000000")
    for _ in range(5):
        daemon.start()
        reaches(daemon, "unavailable")
        assert "holdfast device accept hsm" in reasons(daemon)
        daemon.stop()
    assert token.logins() == 1

    token.write_pin(PIN)
    daemon.start()
    reaches(daemon, "unavailable")
    assert token.logins() == 1, "nobody said that it was corrected"
    assert "given its PIN once more" in daemon.cli("device", "accept", "hsm", "--yes").stdout
    reaches(daemon, "ready")
    assert token.logins() == 2
    daemon.create_key("after", "ec-p256")
    daemon.stop()
    daemon.start()
    reaches(daemon, "ready")
    assert "00000000" not in daemon.log_text()


def test_row15_a_pin_that_is_still_wrong_when_it_is_accepted_is_given_once_more_and_no_more(daemon, token):
    token.write_pin("00000000")
    daemon.start()
    reaches(daemon, "unavailable")
    accept(daemon)
    wait_until(lambda: token.logins() == 2, 30, "it is given again")
    reaches(daemon, "unavailable")
    daemon.stop()
    daemon.start()
    reaches(daemon, "unavailable")
    assert token.logins() == 2


def test_row15_processes_that_end_in_the_log_in_don_t_go_on_trying(daemon, token):
    token.set("Login=exit")
    daemon.start()
    reaches(daemon, "unavailable")
    assert token.logins() == 2
    token.set("")
    accept(daemon)
    reaches(daemon, "ready")
    assert token.logins() == 3


def test_row15_another_token_is_given_no_pin_before_it_is_accepted(daemon, token):
    daemon.start()
    reaches(daemon, "ready")
    daemon.stop()
    before = token.logins()
    token.set("serial=0002")
    daemon.start()
    reaches(daemon, "refused")
    assert "holdfast device accept hsm" in reasons(daemon)
    assert token.logins() == before
    assert accept(daemon) == {"device": "hsm", "accepted": True, "pin_again": True}
    reaches(daemon, "ready")
    assert token.logins() == before + 1
    assert accept(daemon) == {"device": "hsm", "accepted": False, "pin_again": False}


def test_row15_nor_where_it_comes_into_the_place_of_the_first_while_the_daemon_runs(daemon, token):
    daemon.start()
    reaches(daemon, "ready")
    before = token.logins()
    token.set("serial=0002")
    reaches(daemon, "refused")
    assert token.logins() == before
