"""Policy as people meet it: grants that deny, times, limits, includes, revocation, and the commands that test, explain and lint."""

import base64
import json
import os
import re
import signal

import pytest

from holdfast_testing.client import Raw
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import SOURCE
from holdfast_testing.processes import wait_until

UID = os.geteuid()
URL = "https://bucket.s3.eu-west-1.amazonaws.com"
GRANTS = f"""
[[grant]]
name = "storage"
key = "aws"
caller = {{ uid = {UID} }}
facts = {{ service = "s3" }}

[[grant]]
name = "nobody-deletes"
effect = "deny"
key = "aws"
facts = {{ method = "DELETE" }}

[[grant]]
name = "not-inside"
effect = "deny"
key = "*"
facts = {{ host = {{ is = "evil.example", cidr = ["10.0.0.0/8", "127.0.0.0/8", "::1/128"] }} }}

[[grant]]
name = "not-secret"
effect = "deny"
key = "aws"
facts = {{ path = ["/secret", "/secret/**"] }}

[[grant]]
name = "not-public"
effect = "deny"
key = "aws"
facts = {{ "header.x-amz-acl" = "public-*" }}
"""


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANTS) as running:
        running.import_aws("aws", "AKIAPOLICY", "x" * 40)
        running.create_key("digests")
        yield running


@pytest.fixture
def grants(daemon):
    """Puts other grants into force, and afterwards the former ones."""

    def put(text):
        daemon.write_policy(text)
        reply = daemon.reload()
        assert reply.status == 200, reply

    yield put
    put(GRANTS)


def request(url=URL + "/a", method="GET", **more):
    return {"key": "aws", "region": "eu-west-1", "service": "s3", "method": method, "url": url, "payload_sha256": "UNSIGNED-PAYLOAD", **more}


def sign(client, *arguments, **more):
    return client.post("/v1/sign/sigv4", request(*arguments, **more))


def record_of(daemon, reply):
    with daemon.admin() as admin:
        return admin.get(f"/v1/requests/{reply.request_id}").json


def write(daemon, name, text):
    path = os.path.join(daemon.folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def test_deny_wins_and_is_recorded_and_tells_the_caller_nothing(daemon):
    with daemon.client() as client:
        assert sign(client).status == 200
        denied, unknown = sign(client, method="DELETE"), client.post("/v1/sign/sigv4", dict(request(), key="none"))
        for reply in (denied, unknown):
            assert reply.code == "not_permitted"
        assert denied.json["detail"] == unknown.json["detail"]
    record = record_of(daemon, denied)
    assert record["decision"] == "deny" and record["grant"] == "nobody-deletes", record
    assert '"nobody-deletes"' in record["reason"] and 'wanted "DELETE"' in record["reason"], record
    suggested = daemon.cli("policy", "suggest", denied.request_id, check=False)
    assert suggested.returncode == 1 and "nobody-deletes" in suggested.stderr, suggested


# Threat row 6, against grants that deny: no spelling slips through.


@pytest.mark.parametrize("host", [
    "10.1.2.3", "10.1.2.3:8443", "010.1.2.3", "0x0a.1.2.3", "0x0A010203", "167838211", "10.66051", "127.1", "127.0.0.1",
    "[::1]", "[0:0::1]:8443", "[::ffff:10.1.2.3]", "[::FFFF:a01:203]",
])  # fmt: skip
def test_row06_deny_of_addresses_sees_every_spelling(daemon, host):
    with daemon.client() as client:
        reply = sign(client, f"https://{host}/a")
        assert reply.code in ("not_permitted", "invalid_request"), reply
        assert sign(client, "https://11.1.2.3/a").status == 200
        assert sign(client, "https://[fd00::1]/a").status == 200


@pytest.mark.parametrize("host", ["evil.example", "Evil.Example", "evil.example:443", "evil.example:8443"])
def test_row06_deny_of_a_host_sees_every_port(daemon, host):
    with daemon.client() as client:
        url = "https://" + host.removesuffix(":443")
        reply = sign(client, url, headers=[["Host", host]])
        assert reply.code == "not_permitted", reply
        assert sign(client, "https://good.example", headers=[["Host", "good.example:443"]]).status == 200


@pytest.mark.parametrize("path", [
    "/secret", "/secret/a", "/%73ecret/a", "/a/../secret/a", "/a/%2e%2e/secret/a", "//secret/a", "/./secret/a", "/secret//a", "/secret/%2e/a",
    "/%2Fsecret/a", "/secret%2Fa",
])  # fmt: skip
def test_row06_deny_of_a_path_sees_every_spelling(daemon, path):
    with daemon.client() as client:
        reply = sign(client, URL + path)
        # Refused, or what is signed is by the service's own routing another path.
        assert reply.code in ("not_permitted", "invalid_request"), reply


def test_row06_deny_sees_every_value_of_a_repeated_header(daemon):
    with daemon.client() as client:
        opened = {"method": "PUT", "headers": [["x-amz-acl", "private"]]}
        assert sign(client, **opened).status == 200
        for headers in ([["X-Amz-Acl", "public-read"]], [["x-amz-acl", "private"], ["X-AMZ-ACL", "public-read"]],
                        [["x-amz-acl", "public-read"], ["x-amz-acl", "private"]], [["x-amz-acl", " public-read "]]):  # fmt: skip
            reply = sign(client, method="PUT", headers=headers)
            assert reply.code in ("not_permitted", "invalid_request"), (headers, reply)


def test_row06_host_names_that_are_no_ascii_or_no_names_are_refused(daemon):
    with daemon.client() as client:
        for host in ("bücket.s3.amazonaws.com", "bucket.s3.amazonaws.com.", "bucket%2es3.amazonaws.com", "bucket．s3.amazonaws.com", "10.1.2.3%00.example.com"):
            assert sign(client, f"https://{host}/a").code == "invalid_request", host
        # A name in its ASCII form is the name that is judged, whatever its case.
        reply = sign(client, "https://XN--BCKET-KVA.s3.amazonaws.com/a", explain=True)
        assert reply.status == 200
        assert ["host", "xn--bcket-kva.s3.amazonaws.com"] in record_of(daemon, reply)["facts"]


# Revocation: the next request on a connection that is open.


def test_key_that_is_disabled_signs_no_next_request(daemon):
    with daemon.client() as client, daemon.admin() as admin:
        assert sign(client).status == 200
        assert admin.post("/v1/keys/aws/disable").status == 200
        try:
            reply = sign(client)
            assert reply.code == "not_permitted" and record_of(daemon, reply)["reason"] == "the key is disabled"
        finally:
            assert admin.post("/v1/keys/aws/enable").status == 200
        assert sign(client).status == 200


def test_grant_that_is_gone_allows_no_next_request(daemon, grants):
    with daemon.client() as client:
        assert sign(client).status == 200 and [key["name"] for key in client.get("/v1/keys").json["keys"]] == ["aws"]
        grants("")
        assert sign(client).code == "not_permitted" and client.get("/v1/keys").json["keys"] == []
        grants(GRANTS + '[[grant]]\nname = "frozen"\neffect = "deny"\nkey = "aws"\n')
        assert sign(client).code == "not_permitted" and client.get("/v1/keys").json["keys"] == []
        assert client.get("/v1/whoami").json["grants"] == ["storage"]
        grants(GRANTS)
        assert sign(client).status == 200


def test_window_is_of_the_daemons_clock(daemon, grants):
    with daemon.client() as client:
        for edge, status in (("before", 403), ("after", 200)):
            grants(f'[[grant]]\nname = "a"\nkey = "aws"\ncaller = {{ uid = {UID} }}\nwhen = {{ {edge} = "2020-01-01T00:00:00Z" }}\n')
            reply = sign(client)
            assert reply.status == status, reply
        assert sign(client, time="2019-01-01T00:00:00Z").code == "not_permitted", "the request's own time is its skew's"


def test_limits_of_each_caller_survive_a_reload(daemon, grants):
    limited = f'[[grant]]\nname = "a"\nkey = "aws"\ncaller = {{ uid = {UID} }}\nlimits = {{ per_caller = {{ daily = 2 }} }}\n'
    grants(limited)
    with daemon.client() as client:
        assert [sign(client).status for _ in range(2)] == [200, 200]
        refused = sign(client)
        assert refused.code == "limit_exceeded" and 1 <= int(refused.headers["Retry-After"]) <= 86400, refused
        assert "daily limit of this caller" in record_of(daemon, refused)["reason"]
        grants(limited + "\n")
        assert sign(client).code == "limit_exceeded"


def test_limit_of_concurrent_requests_counts_those_that_wait_for_the_device(daemon, grants):
    grants(f'[[grant]]\nname = "a"\nkey = "digests"\ncaller = {{ uid = {UID} }}\nlimits = {{ per_caller = {{ concurrent = 1 }} }}\n')
    body = {"key": "digests", "algorithm": "ES256", "digest": base64.b64encode(bytes(32)).decode(), "encoding": "der"}
    text = json.dumps(body).encode()
    device = daemon.part("device")
    os.kill(device, signal.SIGSTOP)
    try:
        with Raw(daemon.socket) as one, Raw(daemon.socket) as other:
            for raw in (one, other):
                raw.send(b"POST /v1/sign/digest HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            wait_until(lambda: one.answered() or other.answered(), 10, "one of two is refused at once")
            refused, waiting = (one, other) if one.answered() else (other, one)
            assert refused.reply("POST").code == "limit_exceeded"
            os.kill(device, signal.SIGCONT)
            assert waiting.reply("POST").status == 200
    finally:
        os.kill(device, signal.SIGCONT)
    with daemon.client() as client:
        assert [client.post("/v1/sign/digest", body).status for _ in range(3)] == [200, 200, 200]


# Includes.


def test_included_grants_count_and_a_bad_include_changes_nothing(daemon):
    included = write(daemon, "teams/orders.toml", everything())
    try:
        daemon.write_policy('include = ["../teams/orders.toml"]\n')
        assert daemon.reload().status == 200
        with daemon.client() as client:
            assert sign(client, method="DELETE").status == 200
            shown = json.loads(daemon.cli("--json", "policy", "show", "--config", daemon.config).stdout)
            assert shown["running_digest"] == shown["policy_digest"] and len(shown["grants"]) == 2
            outside = write(daemon, "../outside.toml", everything())
            os.chmod(included, 0o666)
            for text, said in (('include = ["../teams/orders.toml"]\n', "chmod go-w"), ('include = ["../teams/none.toml"]\n', "is no file"),
                               (f'include = ["{outside}"]\n', "is not below"), ('include = ["test.toml"]\n', "is read already"),
                               ("include = 1\n", "string in quotes")):  # fmt: skip
                daemon.write_policy(text)
                reply = daemon.reload()
                assert reply.code == "invalid_request" and said in reply.json["detail"], reply
            assert sign(client, method="DELETE").status == 200
    finally:
        daemon.write_policy(GRANTS)
        assert daemon.reload().status == 200


# Commands.


def policy(daemon, command, *arguments, **options):
    return daemon.cli("policy", command, *arguments, "--config", daemon.config, check=False, **options)


def test_check_knows_denies_and_times(daemon, grants):
    ask = ["--as", f"uid={UID}", "--key", "aws", "service=s3", "host=h", "path=/a"]
    denied = policy(daemon, "check", *ask, "method=DELETE")
    assert denied.returncode == 3 and '"nobody-deletes"' in denied.stdout, denied
    answer = json.loads(policy(daemon, "check", *ask, "method=DELETE", "--json").stdout)
    assert answer["allowed"] is False and answer["grant"] == "nobody-deletes"
    assert policy(daemon, "check", *ask, "method=GET").returncode == 0
    grants(f'[[grant]]\nname = "a"\nkey = "aws"\ncaller = {{ uid = {UID} }}\nwhen = {{ days = "sun" }}\n')
    assert policy(daemon, "check", *ask, "at=2026-01-04T09:00:00Z").returncode == 0
    assert policy(daemon, "check", *ask, "at=2026-01-05T09:00:00Z").returncode == 3
    assert policy(daemon, "check", *ask, "at=monday").returncode == 2


def test_explain_shows_each_condition_of_a_past_request(daemon, grants):
    with daemon.client() as client:
        good, bad = sign(client), sign(client, method="DELETE")
    shown = policy(daemon, "explain", bad.request_id)
    assert shown.returncode == 0 and "nobody-deletes" in shown.stdout and '+ "method" was "DELETE", wanted "DELETE"' in shown.stdout, shown
    assert re.search(r"not-secret \(.*\) does not deny it", shown.stdout) and '- "path" was "/a"' in shown.stdout
    assert re.search(r"storage \(.*\) allows it", shown.stdout) and "another policy" not in shown.stderr
    answer = json.loads(policy(daemon, "explain", good.request_id, "--json").stdout)
    assert answer["allowed"] and answer["grant"] == "storage" and answer["same_policy"]
    assert [one["grant"] for one in answer["grants"] if one["takes_effect"]] == ["storage"]
    # An older one, from the log; and by another policy than judged it.
    tail = daemon.cli("audit", "tail", "-n", "100", "--json").stdout.splitlines()
    (record,) = [line for line in tail if json.loads(line)["details"]["request_id"] == bad.request_id]
    grants("")
    again = policy(daemon, "explain", "--record", "-", input=record + "\n")
    assert again.returncode == 0 and "no grant names the key" in again.stdout and "another policy" in again.stderr, again
    path = write(daemon, "record.json", record)
    assert policy(daemon, "explain", "--record", path).stdout == again.stdout
    for wrong in ([], [bad.request_id, "--record", path]):
        assert policy(daemon, "explain", *wrong).returncode == 2
    assert policy(daemon, "explain", "no-such-request").returncode == 1
    assert policy(daemon, "explain", "--record", daemon.config).returncode == 1


def documented_test():
    with open(os.path.join(SOURCE, "docs", "policy.md"), encoding="utf-8") as page:
        text = page.read()
    return re.search(r"^```\n(\[\[test.*?)^```", text, re.S | re.M).group(1), re.search(r"```toml\n(.*?)```", text, re.S).group(1)


def test_test_compares_with_a_table_of_expectations(daemon):
    expectations, grants_of_page = documented_test()
    config = write(daemon, "page/holdfast.toml", grants_of_page)
    table = write(daemon, "page/expectations.toml", expectations)
    done = daemon.cli("policy", "test", "--config", config, table)
    assert done.stdout == "2 of 2 are as expected\n"
    wrong = expectations.replace('grant = "orders"', 'grant = "other"').replace('expect = "deny"', 'expect = "allow"')
    failed = daemon.cli("policy", "test", "--config", config, write(daemon, "page/wrong.toml", wrong), check=False)
    assert failed.returncode == 1 and failed.stdout.endswith("0 of 2 are as expected\n"), failed
    assert "orders reads: expected allow by other, got allowed by orders" in failed.stdout
    assert "and does not delete: expected allow by nobody-deletes, got denied: " in failed.stdout
    answer = json.loads(daemon.cli("policy", "test", "--json", "--config", config, os.path.join(daemon.folder, "page/wrong.toml"), check=False).stdout)
    assert answer["tests"] == 2 and answer["failed"] == 2 and not any(one["as_expected"] for one in answer["results"])


@pytest.mark.parametrize("text, said", [
    ("", "[[test]]"),
    ("[[test]]\nkey = 'k'\nexpect = 'allow'\n", "caller is missing"),
    ("[[test]]\ncaller = { uid = 1 }\nexpect = 'allow'\n", "key is missing"),
    ("[[test]]\ncaller = { uid = 1 }\nkey = 'k'\n", "expect is missing"),
    ("[[test]]\ncaller = { pid = 1 }\nkey = 'k'\nexpect = 'allow'\n", "pid: is not known"),
    ("[[test]]\ncaller = { uid = 1 }\nkey = 'k'\nexpect = 'allow'\nfacts = { patj = 'a' }\n", "patj: is not a fact"),
    ("[[test]]\ncaller = { uid = 1 }\nkey = 'k'\nexpect = 'maybe'\n", "one of"),
    ("[[test]]\ncaller = { uid = 1 }\nkey = 'k'\nexpect = 'deny'\nat = 'now'\n", "at: has to be a time"),
    ("[[test]]\ncaller = { uid = 1 }\nkey = 'k'\nexpect = 'deny'\ngrants = 'a'\n", "grants is not known"),
])  # fmt: skip
def test_test_refuses_a_table_that_says_nothing(daemon, text, said):
    done = policy(daemon, "test", write(daemon, "bad.toml", text))
    assert done.returncode == 1 and said in done.stderr, done


def test_test_reads_numbers_booleans_lists_and_durations(daemon):
    config = write(daemon, "typed/holdfast.toml", f'[[grant]]\nname = "a"\nkey = "k"\ncaller = {{ uid = {UID}, unit = "a.service" }}\n'
                   'facts = { expires_in = { min = 60 }, encoded_path = true, "query.n" = ["a", "b"] }\nlimits = { max_skew = "1m" }\n')  # fmt: skip
    test = (f'[[test]]\ncaller = {{ uid = {UID}, unit = "a.service" }}\nkey = "k"\nskew = "30s"\n'
            'facts = { expires_in = 60, encoded_path = true, "query.n" = ["a", "b"] }\nexpect = "allow"\n')  # fmt: skip
    table = write(daemon, "typed/table.toml", test + test.replace("30s", "61s").replace("allow", "deny") + test.replace('"a", "b"', '"a", "c"').replace("allow", "deny"))
    assert daemon.cli("policy", "test", "--config", config, table).stdout == "3 of 3 are as expected\n"


def test_test_takes_a_name_with_an_equals_sign_for_that_name(daemon):
    config = write(daemon, "equals/holdfast.toml", '''
[[grant]]
name = "a"
key = "k"
caller = { uid = 1 }
facts = { "query.a=b" = "c", "query.*" = false }
''')
    table = write(daemon, "equals.toml", '''
[[test]]
caller = { uid = 1 }
key = "k"
facts = { "query.a=b" = "c" }
expect = "allow"
''')
    assert daemon.cli("policy", "test", "--config", config, table).stdout == "1 of 1 are as expected\n"


def test_file_that_is_not_there_is_named(daemon):
    for arguments in (["test", "absent.toml"], ["lint", "--offline", "--config", "absent.toml"]):
        done = daemon.cli("policy", *arguments, check=False)
        assert done.returncode == 1 and "absent.toml" in done.stderr


def test_lint_warns_and_asks_the_daemon_for_its_keys(daemon, grants):
    found = policy(daemon, "lint")
    assert found.returncode == 1 and "unused-key: no grant allows anybody the key digests" in found.stdout and found.stderr == "", found
    offline = policy(daemon, "lint", "--offline")
    assert offline.returncode == 0 and offline.stdout == "0 warnings\n" and "told not to" in offline.stderr, offline
    ignored = policy(daemon, "lint", "--ignore", "unused-key")
    assert ignored.returncode == 0 and ignored.stderr == "", ignored
    assert policy(daemon, "lint", "--ignore", "nothing").returncode == 2
    grants(everything() + GRANTS)
    answer = json.loads(policy(daemon, "lint", "--json", "--ignore", "unreachable").stdout)
    assert answer["keys_checked"] and {one["code"] for one in answer["warnings"]} == {"wide-key", "wide-skew"}, answer
    assert {one["grant"] for one in answer["warnings"]} == {"everything", "everything-unknown"}
    gone = policy(daemon, "lint", "--ignore", "wide-key", "--ignore", "wide-skew", "--ignore", "unreachable", env={"HOLDFAST_ADMIN_SOCKET": "/nonexistent/admin.sock"})
    assert gone.returncode == 0 and "keys, so they were not checked" in gone.stderr, gone


def test_lint_says_why_a_policy_does_not_load(daemon):
    config = write(daemon, "broken/holdfast.toml", '[[grant]]\nname = "a"\nkey = "k"\ncaller = { user = "no-such-user" }\n')
    done = daemon.cli("policy", "lint", "--offline", "--config", config, check=False)
    assert done.returncode == 1 and "no-such-user" in done.stderr and "holdfast.toml:4" in done.stderr, done
