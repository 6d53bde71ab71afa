"""Peloton 2021: any authenticated user could read everyone's data.

Three services, each with its uid and unit, try every operation with each of fifty keys. The control is the same fleet before a
server that knows one key for all of them.
"""

import collections
import os

import pytest

import fleet
from fleet import ABSENT, KEYS, NAMES, SERVICES, SharedKeyServer, ask, jwt, odd_requests, operations, owners, use_of
from holdfast_testing import jws
from holdfast_testing.client import Client
from holdfast_testing.daemon import Daemon
from holdfast_testing.processes import wait_until
from holdfast_testing.story import attack, control, outcome
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.units import enter
from holdfast_testing.users import become, in_child


class Fleet:
    def __init__(self, daemon, procs):
        self.daemon = daemon
        self.procs = procs

    def run(self, service, function):
        def step():
            enter(self.procs[service])
            become(SERVICES[service])

        return in_child(function, before=step)

    def ask(self, service, requests):
        return self.run(service, lambda: ask(self.daemon.socket, requests))

    def subject(self, service):
        return f"{service}.service" if self.procs[service] else f"uid-{SERVICES[service]}"


@pytest.fixture(scope="module")
def peloton(root, folder, unit, caller_of):
    procs = {service: unit(f"{service}.service") for service in NAMES}
    template = "{unit}" if procs["bikes"] else "uid-{uid}"
    with Swtpm(os.path.join(folder, "tpm")) as tpm:
        with Daemon(os.path.join(folder, "daemon"), tpm.tcti, fleet.grants(caller_of, template)) as daemon:
            for key in KEYS:
                if use_of(key) == "sigv4":
                    daemon.import_aws(key, f"AKIA{key.upper()}", f"secret-of-{key}-{os.urandom(8).hex()}")
                else:
                    daemon.create_key(key, use=use_of(key))
            yield Fleet(daemon, procs)


@pytest.fixture(scope="module")
def tried(peloton):
    """What came of each operation: {(service, key, operation): (use it needs, reply)}; of the key that does not exist too."""
    found = {}
    for service in NAMES:
        names = [(key, name, request, use) for key in [*KEYS, ABSENT] for name, request, use in operations(key, service)]
        replies = peloton.ask(service, [request for _, _, request, _ in names])
        found.update({(service, key, name): (use, reply) for (key, name, _, use), reply in zip(names, replies)})
    return found


def expected(service, key, use):
    return key != ABSENT and use == use_of(key) and service in owners(key)


def test_every_denied_look_at_a_key_is_recorded(peloton):
    """Each service looks at the keys of others, and the administrator at the audit log"""
    replies = {service: peloton.ask(service, [("GET", f"/v1/keys/{key}") for key in KEYS if service not in owners(key)]) for service in NAMES}
    recorded = {record["details"]["request_id"] for record in peloton.daemon.audit() if record["decision"] == "denied"}
    missing = [reply.request_id for some in replies.values() for reply in some if reply.request_id not in recorded]
    outcome(f"Of {sum(map(len, replies.values()))} looks that were refused {len(missing)} are not recorded.")
    assert not missing


def test_what_is_allowed_is_the_policys_matrix(tried):
    """Each service tries every operation with every key"""
    allowed = {one for one, (_, reply) in tried.items() if reply.status == 200}
    wanted = {one for one, (use, _) in tried.items() if expected(one[0], one[1], use)}
    attack(f"{len(NAMES)} services ask for {len(operations('k00', 'bikes'))} operations with each of {len(KEYS)} keys: {len(tried)} requests.")
    outcome(f"{len(allowed)} were allowed; the policy's matrix has {len(wanted)}, and they are the same. "
            f"All others got {sorted({(r.status, r.code) for _, r in tried.values() if r.status != 200})}.")  # fmt: skip
    assert allowed == wanted and len(wanted) > 40
    assert {(reply.status, reply.code) for one, (_, reply) in tried.items() if one not in wanted} == {(403, "not_permitted")}


def denials(peloton):
    """By uid and key, how many of signatures and tokens the log has: in records of their own, and in those that count."""
    found = collections.Counter()
    for record in peloton.daemon.audit():
        if record["decision"] == "denied" and record["operation"] != "key.show":
            assert record["code"] == "not_permitted" and record["details"]["reason"], record
            found[record["uid"], record["key"]] += record.get("count", 1)
    return found


def test_every_denied_signature_is_recorded(peloton, tried):
    """The administrator looks for the denials in the audit log"""
    records = {record["details"]["request_id"]: record for record in peloton.daemon.audit() if record["details"]["request_id"]}
    whole = 0
    for (service, key, name), (_, reply) in tried.items():
        record = records.get(reply.request_id)
        if record is None:
            assert reply.status != 200 and "audit_seq" not in reply.json, "only a denial may be counted with others"
            continue
        assert (record["uid"], record["key"]) == (SERVICES[service], key), (service, key, name)
        assert record["decision"] == ("allowed" if reply.status == 200 else "denied"), record
        whole += reply.status != 200
    wanted = collections.Counter((SERVICES[service], key) for (service, key, _), (_, reply) in tried.items() if reply.status != 200 and key != ABSENT)

    def all_there():
        found = denials(peloton)
        return all(found[one] == count for one, count in wanted.items())

    wait_until(all_there, 60, "what was only counted is on the log")
    outcome(f"All {wanted.total()} of keys that exist are there, each with its uid and key: {whole} denials have a record of their own, the others of the flood are "
            "counted exactly.")  # fmt: skip


def test_lists_and_public_keys_are_the_policys_too(peloton):
    """Each service asks which keys there are, and for the public ones"""
    for service in NAMES:
        mine = {key for key in KEYS if service in owners(key)}
        tokens = {key for key in mine if use_of(key) == "jwt"}
        first, whole, *single = peloton.ask(service, [("GET", path) for path in ["/v1/keys?limit=1000", "/v1/jwks", *(f"/v1/jwks?key={key}" for key in KEYS)]])
        shown = peloton.ask(service, [("GET", f"/v1/keys/{key}") for key in KEYS])
        assert {key["name"] for key in first.json["keys"]} == mine
        assert {key for key, reply in zip(KEYS, single) if reply.json["keys"]} == tokens and len(whole.json["keys"]) == len(tokens)
        assert {key for key, reply in zip(KEYS, shown) if reply.status == 200} == mine
        outcome(f"{service}: {len(mine)} keys listed and shown, {len(tokens)} of them in the JWK Set: its own, and no other.")


ADMIN = [("GET", "/v1/keys"), ("GET", "/v1/audit"), ("POST", "/v1/keys", {"name": "mine", "type": "ec-p256", "use": "jwt"}), ("POST", "/v1/reload"),
         ("POST", "/v1/keys/k00/disable"), ("POST", "/v1/keys/k00/versions"), ("DELETE", "/v1/keys/k00"), ("GET", "/v1/requests/00"),
         ("POST", "/v1/keys/import", {"name": "mine", "use": "sigv4", "access_key_id": "A", "secret_access_key": "b"})]  # fmt: skip


def test_nobody_is_an_administrator(peloton):
    """Each service tries the administrators' operations"""

    def knock():
        answers = []
        for request in ADMIN:
            try:
                answers += ask(peloton.daemon.admin_socket, [request])
            except PermissionError:
                answers.append("denied")
        return answers

    for service in NAMES:
        assert peloton.run(service, knock) == ["denied"] * len(ADMIN)
        replies = peloton.ask(service, ADMIN[1:])
        assert {reply.status for reply in replies} <= {404, 405}, replies
    outcome("The kernel lets none of them connect to the admin socket, and the application socket knows no such operation.")
    with peloton.daemon.admin() as admin:
        keys = admin.get("/v1/keys?limit=1000").json["keys"]
    assert [key["name"] for key in keys] == KEYS and not any(key["disabled"] for key in keys)
    outcome(f"There are {len(keys)} keys as before, none disabled.")


def look(reply):
    """All of a reply but the request's id, and which record it has; in a flood of denials it has none of its own."""
    body = dict(reply.json)
    assert body.pop("request_id") == reply.request_id
    body.pop("audit_seq", None)
    return reply.status, body, [(name, value) for name, value in reply.headers.items() if name not in ("X-Request-Id", "Content-Length")]


def test_denied_and_nonexistent_look_the_same(peloton, tried):
    """They compare what a denied key and one that does not exist answer"""
    compared = 0
    for (service, key, name), (_, reply) in tried.items():
        if reply.status != 200:
            assert look(reply) == look(tried[service, ABSENT, name][1]), (service, key, name)
            compared += 1
    for service in NAMES:
        denied = [key for key in KEYS if service not in owners(key)]
        for odd in odd_requests(ABSENT):
            *replies, absent = peloton.ask(service, [odd_requests(key)[odd] for key in [*denied, ABSENT]])
            assert all(look(reply) == look(absent) for reply in replies) and absent.status >= 400, odd
            compared += len(denied)
        *replies, absent = peloton.ask(service, [("GET", f"/v1/keys/{key}") for key in [*denied, ABSENT]])
        assert all(look(reply) == look(absent) for reply in replies) and absent.code == "not_permitted"
        *replies, absent = peloton.ask(service, [("GET", f"/v1/jwks?key={key}") for key in [*denied, ABSENT]])
        assert {reply.content for reply in replies} == {absent.content}
        compared += 2 * len(denied)
    outcome(f"{compared} denials, each with status, headers and text of the key that is not there; only the ids of request and record differ.")


def test_no_service_gets_a_token_with_anothers_subject(peloton):
    """Each service tries to become another one"""
    with peloton.daemon.admin() as admin:
        published = admin.get("/v1/jwks").json
    tokens, asked = {}, 0
    for service in NAMES:
        subjects = [peloton.subject(other) for other in NAMES if other != service] + [peloton.subject(service).upper(), "root", "*", "{unit}"]
        requests = []
        for key in (key for key in KEYS if use_of(key) == "jwt"):
            requests += [jwt(key), jwt(key, subject=peloton.subject(service))]
            for subject in subjects:
                requests += [jwt(key, subject=subject), jwt(key, subject=subject + " "), jwt(key, subject=peloton.subject(service) + "\0" + subject)]
                requests += [jwt(key, claims={name: subject}) for name in ("sub", "Sub", "SUB", "sub\0", "subject")]
        replies = peloton.ask(service, requests)
        asked += len(replies)
        tokens[service] = [reply.json["token"] for reply in replies if reply.status == 200]
        owned = sum(service in owners(key) for key in KEYS if use_of(key) == "jwt")
        assert len(tokens[service]) == 2 * owned > 0
    subjects = {service: {jws.claims(token, published)[1]["sub"] for token in some} for service, some in tokens.items()}
    attack(f"{asked} tokens are asked for: without a subject, with another's, with one hidden in the claims.")
    outcome(f"{sum(map(len, tokens.values()))} were minted. Their subjects, as an independent verifier reads them: "
            + ", ".join(f"{service}: {', '.join(some)}" for service, some in subjects.items()) + ".")  # fmt: skip
    assert subjects == {service: {peloton.subject(service)} for service in NAMES}


def test_control_a_shared_key_opens_everything(peloton, folder):
    """The same fleet before a server that knows one key for all"""
    path = os.path.join(folder, "shared.sock")
    with SharedKeyServer(path, {key: f"the rides behind {key}" for key in KEYS}):

        def read(key):
            with Client(path) as client:
                return [client.request("GET", f"/rides/{one}", headers={"Authorization": f"Bearer {key}"}).status for one in KEYS]

        answers = {service: peloton.run(service, lambda: read(SharedKeyServer.KEY)) for service in NAMES}
        guessed = peloton.run("bikes", lambda: read("no-such-key"))
    for service, some in answers.items():
        control(f"{service}, authenticated with the shared key, reads {some.count(200)} of {len(KEYS)}.")
    assert all(some == [200] * len(KEYS) for some in answers.values()) and set(guessed) == {401}
