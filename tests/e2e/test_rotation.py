"""A key changes under load: whoever refreshes the JWK Set every 2 s never meets a kid that is not in it."""

import collections
import heapq
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from holdfast_testing import jws
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import program
from holdfast_testing.processes import wait_until
from holdfast_testing.tokens import jwks, minted

REFRESH, TTL, MINTERS = 2.0, 2, 3
GRANT = f"""
[[grant]]
name = "tokens"
key = "*"
caller = {{ uid = {os.geteuid()} }}
"""


class Verifier:
    """What a service does: keeps the JWK Set, fetches it again every 2 s, and takes each token until it expires."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.keys = jwks(daemon)
        self.faults, self.kids = [], collections.Counter()
        self.ended = threading.Event()
        self.arrived, self.waiting = collections.deque(), []
        self.threads = [threading.Thread(target=self._refresh), threading.Thread(target=self._verify)]
        for thread in self.threads:
            thread.start()

    def take(self, token, kid):
        self.arrived.append((token, kid))

    def _refresh(self):
        while not self.ended.wait(REFRESH):
            self.keys = jwks(self.daemon)

    def _check(self, token):
        try:
            jws.claims(token, self.keys)
        except jws.Refused as refusal:
            self.faults.append(str(refusal))

    def _verify(self):
        rng = random.Random(1)
        while not self.ended.is_set() or self.arrived:
            if not self.arrived:
                self.ended.wait(0.002)
            while self.arrived:
                token, kid = self.arrived.popleft()
                self.kids[kid] += 1
                self._check(token)
                # Some are shown once more, up to their last moment.
                if rng.random() < 0.2:
                    heapq.heappush(self.waiting, (time.monotonic() + rng.uniform(0, TTL), token))
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                self._check(heapq.heappop(self.waiting)[1])

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Load:
    """Minting threads beside a verifier."""

    def __init__(self, daemon, key):
        self.daemon, self.key = daemon, key
        self.verifier = Verifier(daemon)
        self.refusals = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._mint) for _ in range(MINTERS)]
        for thread in self.threads:
            thread.start()

    def _mint(self):
        with self.daemon.client() as client:
            while not self.ended.is_set():
                reply = client.post("/v1/token/jwt", {"key": self.key, "audience": "https://api.example.com", "ttl": TTL})
                if reply.status == 200:
                    self.verifier.take(reply.json["token"], reply.json["kid"])
                else:
                    self.refusals.append(reply)
                self.ended.wait(0.001)

    @property
    def minted(self):
        return sum(self.verifier.kids.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        self.verifier.stop()


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANT) as running:
        yield running


def states(daemon, key):
    with daemon.admin() as admin:
        return {version["version"]: (version["state"], version["kid"]) for version in admin.get(f"/v1/keys/{key}").json["versions"]}


def published(daemon, key):
    return {entry["kid"] for entry in jwks(daemon, key)["keys"]}


def test_verifier_meets_no_unknown_kid_in_ten_thousand_tokens(daemon):
    daemon.create_key("orders", use="jwt")
    with Load(daemon, "orders") as load, daemon.admin() as admin:
        for number in (2, 3):
            assert admin.post("/v1/keys/orders/versions", {"state": "pending"}).status == 201
            assert states(daemon, "orders")[number][0] == "pending" and states(daemon, "orders")[number][1] in published(daemon, "orders")
            time.sleep(2 * REFRESH)  # how long a verifier may know nothing of it
            assert admin.post(f"/v1/keys/orders/versions/{number}/activate").status == 200
            assert states(daemon, "orders")[number - 1][0] == "verifying"
            time.sleep(TTL + 0.5)  # until its last token has expired
            assert admin.post(f"/v1/keys/orders/versions/{number - 1}/retire").status == 200
            assert states(daemon, "orders")[number - 1][1] not in published(daemon, "orders")
        wait_until(lambda: load.minted >= 10_000, 60, "10,000 tokens were minted")
    verifier = load.verifier
    assert not verifier.faults, (len(verifier.faults), verifier.faults[:3])
    assert not load.refusals, load.refusals[:3]
    kids = [kid for _, kid in states(daemon, "orders").values()]
    assert set(verifier.kids) == set(kids) and len(set(kids)) == 3
    print(f"{load.minted} tokens of {dict(verifier.kids)}")


def test_command_line_leads_through_it(daemon):
    daemon.create_key("led", use="jwt")
    with Load(daemon, "led") as load:
        rotation = daemon.cli("--json", "key", "rotate", "led", "--publish", f"{2 * int(REFRESH)}s", "--retire-after", f"{TTL + 1}s", "--yes")
    steps = [json.loads(line) for line in rotation.stdout.splitlines()]
    assert [step["step"] for step in steps if step["step"] != "wait"] == ["add", "activate", "retire", "done"]
    assert not load.verifier.faults and not load.refusals
    assert [state for state, _ in states(daemon, "led").values()] == ["retired", "active"] and len(load.verifier.kids) == 2


def test_command_line_goes_on_where_it_was_ended(daemon):
    daemon.create_key("ended", use="jwt")
    environment = dict(daemon.environment, HOLDFAST_SOCKET=daemon.socket, HOLDFAST_ADMIN_SOCKET=daemon.admin_socket)
    command = [program("holdfast"), "key", "rotate", "ended", "--publish", "2s", "--retire-after", "1s", "--yes"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(states(daemon, "ended")) == 2, 10, "the new version is published")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert [state for state, _ in states(daemon, "ended").values()] == ["active", "pending"]
    daemon.cli(*command[1:])
    assert [state for state, _ in states(daemon, "ended").values()] == ["retired", "active"]


def test_control_a_key_that_is_not_published_first_is_met_unknown(daemon):
    daemon.create_key("hasty", use="jwt")
    with Load(daemon, "hasty") as load, daemon.admin() as admin:
        wait_until(lambda: load.minted > 10, 20, "tokens are minted")
        assert admin.post("/v1/keys/hasty/versions", {"state": "active"}).status == 201
        wait_until(lambda: load.verifier.faults, 10, "an unknown kid is met")
    assert all("0 keys for kid" in fault for fault in load.verifier.faults), load.verifier.faults[:3]


def test_disabled_version_is_published_and_used_no_more(daemon):
    daemon.create_key("stopped", use="jwt")
    minted(daemon, "stopped")
    kid = states(daemon, "stopped")[1][1]
    assert kid in published(daemon, "stopped")
    with daemon.admin() as admin, daemon.client() as client:
        for path in ("/v1/keys/stopped/versions/1", "/v1/keys/stopped"):
            assert admin.post(f"{path}/disable").status == 200
            assert kid not in published(daemon, "stopped")
            reply = client.post("/v1/token/jwt", {"key": "stopped", "audience": "a", "ttl": 1})
            assert reply.code == "not_permitted", reply
            assert admin.post(f"{path}/enable").status == 200
            assert kid in published(daemon, "stopped") and minted(daemon, "stopped")
