"""Imperva 2019: an API key on an exposed instance was taken and used from elsewhere.

The exposed host runs a service that asks a real S3 server for its catalogue; the attacker becomes the service's user. The
control is the same service, under another user of the same host, with a static key in its environment.
"""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from exposed import CATALOGUE, SHOP, Api, Service, after_revocation, ask, load, loot, requests, steal, wanted
from holdfast_testing import traces
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.hosts import Host
from holdfast_testing.processes import wait_until
from holdfast_testing.story import attack, control, note, outcome
from holdfast_testing.swift import ACCESS_KEY
from holdfast_testing.users import MALLORY

OLD_SHOP = MALLORY  # the user of the service with the static key
SECRET = "shopSecret" + os.urandom(15).hex()
EXE = os.readlink("/proc/self/exe")  # of whoever asks here, for we fork

GRANTS = """
[[grant]]
name = "shop-reads"
key = "shop-aws"
caller = %(shop)s
facts = { service = "s3", method = "GET", path = "/shop/catalogue/**" }

[[grant]]
name = "shop-takes-orders"
key = "shop-aws"
caller = %(shop)s
facts = { service = "s3", method = "PUT", path = "/shop/orders/**" }
"""


@pytest.fixture(scope="module")
def api(folder, network):
    one = Api(os.path.join(folder, "swift"), network, SECRET)
    yield one
    one.stop()


@pytest.fixture(scope="module")
def exposed(folder, network, unit, caller_of):
    with Host(os.path.join(folder, "exposed"), network) as host:
        host.shop, host.other = unit("shop.service"), unit("cron.service")
        daemon = host.serve(everything() + GRANTS % {"shop": caller_of(SHOP, "shop.service")}, settings='log_level = "debug"')
        daemon.import_aws("shop-aws", ACCESS_KEY, SECRET)
        yield host


@pytest.fixture(scope="module")
def elsewhere(folder, network):
    """The attacker's own machine, where everything is allowed."""
    with Host(os.path.join(folder, "elsewhere"), network) as host:
        host.serve(everything())
        yield host


@pytest.fixture(scope="module")
def shop(exposed, api):
    for path, body in (("/shop", b""), (CATALOGUE, b"today's"), ("/shop/customers", b"who they are")):
        assert api.send(exposed, "PUT", path, api.signed_with(SECRET, "PUT", path, body), body) == 200
    service = Service(exposed, f"http://{api.host}{CATALOGUE}", SHOP, exposed.shop, {"HOLDFAST_SOCKET": exposed.daemon.socket})
    yield service
    service.stop()


@pytest.fixture(scope="module")
def old_shop(shop, exposed, api):
    environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    service = Service(exposed, f"http://{api.host}{CATALOGUE}", OLD_SHOP, None, environment)
    yield service
    service.stop()


def test_the_services_work(shop, old_shop):
    """The service works, with signatures of the daemon and, as the control, with a static key"""
    wait_until(lambda: shop.count()[0] >= 3 and old_shop.count()[0] >= 3, 60, "both are served by the API")
    (served, refused), (old_served, old_refused) = shop.count(), old_shop.count()
    outcome(f"The S3 server accepted {served} of its requests and refused {refused}.")
    control(f"The same with the static key: {old_served} accepted, {old_refused} refused.")
    assert refused == 0 and old_refused == 0


def test_what_the_services_user_can_read_is_no_key(shop, old_shop, exposed, elsewhere, api):
    """The attacker becomes the service's user and takes all it can read"""
    found, denied = loot(exposed, shop, exposed.shop)
    reply = ask(exposed, api, exposed.shop).json
    found["replies on a connection of its own"] = json.dumps(reply).encode()
    texts = traces.candidates(found)
    attack(f"As uid {SHOP} it reads {len(found) - 1} files and the service's environment and memory, {sum(map(len, found.values())) >> 10} KiB, "
           f"and gets replies of the daemon: {len(texts)} texts that might be a key. It tries each against a signature that it saw.")  # fmt: skip
    assert b"AWS4-HMAC-SHA256" in found["memory"] and b"HOLDFAST_SOCKET" in found["environ"], "the loot is not what the service has"
    assert traces.signing_secret(texts, reply["string_to_sign"], reply["signature"]) is None
    key = traces.derived(SECRET, reply["string_to_sign"])
    assert traces.seen({"secret": SECRET, "the day's signing key": key}, found) == []
    for place in ("/daemon/state", "the daemon's core", "the daemon's device"):
        assert any(one.endswith(place) for one in denied), (place, denied)
    outcome("None of them makes it, and neither the secret nor the day's signing key is there in any spelling. "
            "Denied: the daemon's state with the wrapped keys, and the memory of its processes.")  # fmt: skip

    found, _ = loot(exposed, old_shop, None)
    stolen = traces.signing_secret(traces.candidates(found), reply["string_to_sign"], reply["signature"])
    assert stolen == SECRET
    status = api.send(elsewhere, "GET", "/shop/customers", api.signed_with(stolen, "GET", "/shop/customers"))
    control(f"The same search in the loot of the service with a static key finds it. From the other host ({elsewhere.address}) "
            f"the attacker signs with it for what the service never asked for: the server answers {status}.")  # fmt: skip
    assert status == 200


def test_the_services_connection_is_of_no_use_to_others(shop, exposed, api):
    """It takes the service's open connection to the daemon out of its process"""
    # A victim of its own, so that the service of the other steps keeps its connection.
    code = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('up',flush=True); sys.stdin.read()"
    victim = subprocess.Popen(["/usr/bin/python3", "-c", code, exposed.daemon.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              preexec_fn=exposed.stepping_in(SHOP, exposed.shop))  # fmt: skip
    victim.stdout.readline()
    data = json.dumps(wanted(api)).encode()

    def use():
        taken = steal(victim.pid)
        if taken is None:
            return None
        taken.settimeout(10)
        try:
            taken.sendmsg([b"POST /v1/sign/sigv4 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data])
            return taken.recv(65536)
        except ConnectionError:
            return b""

    try:
        answer = exposed.run(use, SHOP, exposed.other)
    finally:
        victim.communicate()
    if answer is None:
        note("Yama keeps it from getting at the connection at all.")
        return
    attack(f"Another process of uid {SHOP}, outside the unit, sends a request on the stolen connection.")
    outcome(f"The daemon answers {answer.split(bytes([13]))[0].decode() or 'nothing and closes it'}.")
    assert b'"signature"' not in answer


def test_wrapped_keys_load_on_no_other_tpm(shop, exposed, elsewhere, api, folder):
    """It takes the wrapped keys to a host with another TPM"""
    copy, kept = os.path.join(folder, "copied-state"), os.path.join(folder, "kept-state")
    for place in (copy, kept):
        shutil.copytree(exposed.daemon.state, place)  # as root: the service's user could not
    attack(f"uid {SHOP} may not read the wrapped keys. Suppose it got root's copy of them: a daemon on the other host starts with it.")
    thief = Daemon(os.path.join(elsewhere.folder, "thief"), elsewhere.tpm.tcti, everything(), state=copy, run=False)
    elsewhere.daemon.stop()  # a TPM has one user
    thief.start(wrapper=elsewhere.namespace.wrapper)
    try:
        with thief.client() as client:
            wait_until(lambda: client.get("/v1/health").json["devices"][0]["state"] == "refused", 30, "the thief's daemon knows its TPM for another")
        reply = elsewhere.run(lambda: requests(thief, wanted(api))[0])
        assert reply.status != 200, reply
        outcome(f"The daemon refuses the device, for the keys are another TPM's: {reply.code}.")
        with thief.admin() as admin:
            assert admin.post("/v1/devices/tpm/accept").status == 200
        with thief.client() as client:
            wait_until(lambda: client.get("/v1/health").json["devices"][0]["state"] == "ready", 30, "it takes the other TPM")
        reply = elsewhere.run(lambda: requests(thief, wanted(api))[0])
        assert reply.code == "key_lost", reply
        outcome(f"Forced to take that TPM, it finds that the key does not load: {reply.code}.")
    finally:
        thief.stop()
    loaded = load(elsewhere.tpm, kept, "shop-aws")
    assert loaded.returncode != 0 and "integrity" in loaded.stderr, loaded
    outcome(f"Nor does it load without Holdfast. tpm2_load: {re.search('tpm:.*integrity.*', loaded.stderr)[0]}.")


def test_captured_signatures_are_good_for_one_request(shop, exposed, elsewhere, api):
    """It sends what the service signed from elsewhere, and changes it"""
    get = [tuple(one) for one in ask(exposed, api, exposed.shop).json["headers"]]
    put = [tuple(one) for one in ask(exposed, api, exposed.shop, "PUT", "/shop/orders/7", b"one order").json["headers"]]
    assert api.send(elsewhere, "GET", CATALOGUE, get) == 200
    assert api.send(elsewhere, "PUT", "/shop/orders/7", put, b"one order") == 200
    note("Unchanged and while it is fresh a signature is good from anywhere, which the README says. That is what makes the rest worth trying:")
    stamp = dict(get)["X-Amz-Date"]
    later = [(name, value.replace(stamp, stamp[:-3] + f"{(int(stamp[-3:-1]) + 1) % 60:02d}Z")) for name, value in get]
    hour_ago = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    old = exposed.run(lambda: requests(exposed.daemon, wanted(api, time=hour_ago))[0])
    assert old.status == 200, old
    answers = {
        "another path": api.send(elsewhere, "GET", "/shop/customers", get),
        "another host": api.send(elsewhere, "GET", CATALOGUE, [("Host", "backup.example.com"), *get]),
        "another method": api.send(elsewhere, "DELETE", CATALOGUE, get),
        "another body": api.send(elsewhere, "PUT", "/shop/orders/7", put, b"two order"),
        "another time": api.send(elsewhere, "GET", CATALOGUE, later),
        "an hour later": api.send(elsewhere, "GET", CATALOGUE, [tuple(one) for one in old.json["headers"]]),
    }
    attack(f"From {elsewhere.address}, with the captured signatures: {', '.join(answers)}.")
    outcome(f"The S3 server answers {', '.join(map(str, answers.values()))}.")
    assert set(answers.values()) <= {400, 403} and answers["another path"] == answers["another host"] == 403, answers
    fresh = api.send(elsewhere, "PUT", "/shop/orders/7", api.signed_with(SECRET, "PUT", "/shop/orders/7", b"two order"), b"two order")
    control(f"With the static key there is nothing to change: it signs the other body itself, and the server answers {fresh}.")
    assert fresh == 200


def test_calls_out_of_policy_are_refused_and_named(shop, exposed, api, elsewhere):
    """It asks on the machine itself, from within the service, for what the service has no business with"""
    refused = {}
    for method, path in (("GET", "/shop/customers"), ("DELETE", CATALOGUE), ("GET", "/"), ("PUT", "/shop/catalogue/today"), ("GET", "/shop/catalogue/../customers")):
        pid, reply = exposed.run(lambda: (os.getpid(), requests(exposed.daemon, wanted(api, method, path))[0]), SHOP, exposed.shop)
        assert reply.code == "not_permitted", (method, path, reply)
        refused[f"{method} {path}"] = pid, reply
    attack(f"uid {SHOP} in the service's unit asks for {', '.join(refused)}.")
    outcome("All refused, and recorded:")
    for pid, reply in refused.values():
        with exposed.daemon.admin() as admin:
            seen = admin.get(f"/v1/requests/{reply.request_id}").json
        caller = seen["caller"]
        assert (seen["decision"], caller["uid"], caller["pid"], caller["exe"]) == ("deny", SHOP, pid, EXE), seen
        assert "shop-reads" in seen["reason"] and (caller["unit"] == "shop.service" or not exposed.shop), seen
    shown = exposed.daemon.cli("audit", "request", refused["GET /shop/customers"][1].request_id).stdout
    lines = [line for line in shown.splitlines() if line.startswith(("reason", "caller"))]
    outcome("; ".join(re.sub(r"\s+", " ", line) for line in lines if re.match(r"caller +(pid|unit|exe)", line)))
    outcome(re.sub(r"\s+", " ", re.sub(r'\(/[^)]*\)', "", lines[0]))[:200] + "…")
    answers = [api.send(elsewhere, "GET", path, api.signed_with(SECRET, "GET", path)) for path in ("/shop/customers", "/")]
    control(f"With the static key there is no policy to ask: the server answers {answers}.")
    assert answers == [200, 200]


def test_the_same_uid_in_another_unit_is_refused(shop, exposed, api, two_units):
    """It got the service's uid, but not by way of the service"""
    if not two_units:
        return
    reply = ask(exposed, api, exposed.other)
    attack(f"uid {SHOP} asks from cron.service for what shop.service may.")
    outcome(f"{reply.status} {reply.code}.")
    assert reply.code == "not_permitted"


def test_after_disabling_the_key_nothing_is_signed(shop, exposed, api):
    """The breach is noticed: the key is disabled while the attacker asks on"""
    attack("asks in a loop on one connection, from within the service.")
    after_revocation(shop, exposed, api, lambda: exposed.daemon.cli("key", "disable", "shop-aws"), "Key disabled:")
    exposed.daemon.cli("key", "enable", "shop-aws")
    served = shop.count()[0]
    wait_until(lambda: shop.count()[0] > served, 30, "the service works again")


def test_after_withdrawing_the_grant_nothing_is_signed(shop, old_shop, exposed, elsewhere, api):
    """The grant is removed and the policy reloaded while the attacker asks on"""
    attack("asks in a loop on one connection, from within the service.")

    def withdraw():
        exposed.daemon.write_policy(everything())
        exposed.daemon.cli("reload")

    after_revocation(shop, exposed, api, withdraw, "Grant removed:")
    old_shop.stop()
    shutil.rmtree(os.path.join(exposed.folder, f"home-{OLD_SHOP}"))
    status = api.send(elsewhere, "GET", "/shop/customers", api.signed_with(SECRET, "GET", "/shop/customers"))
    control(f"The service with the static key is stopped and removed, key and all. The attacker's copy goes on: the server answers {status}.")
    assert status == 200


def test_control_the_copied_keys_were_whole(shop, exposed, api, folder):
    """The copy of the wrapped keys that loaded nowhere else was a good one"""
    exposed.daemon.stop()
    copy = Daemon(os.path.join(exposed.folder, "restored"), exposed.tpm.tcti, everything(), state=os.path.join(folder, "kept-state"), run=False)
    copy.start(wrapper=exposed.namespace.wrapper)
    try:
        reply = exposed.run(lambda: requests(copy, wanted(api))[0])
    finally:
        copy.stop()
    loaded = load(exposed.tpm, os.path.join(folder, "kept-state"), "shop-aws")
    control(f"On the TPM that made it the copy signs ({reply.status}), and tpm2_load ends with {loaded.returncode}.")
    assert reply.status == 200 and loaded.returncode == 0, loaded
