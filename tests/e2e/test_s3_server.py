"""A real S3 server, OpenStack Swift's, judges the daemon's signatures; threat rows 28 and 29 against it."""

import base64
import datetime
import hashlib
import http.client
import itertools
import os
import re
import urllib.parse

import pytest
from botocore.auth import S3SigV4QueryAuth, datetime as botocore_datetime
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.swift import ACCESS_KEY, REGION, SECRET, Swift

GRANTS = """
[[grant]]
name = "copies"
key = ["copies", "careful"]
caller = { uid = %(uid)d }
facts = { service = "s3", "header.x-amz-copy-source" = "**" }

[[grant]]
name = "no-secrets"
effect = "deny"
key = "careful"
facts = { "header.x-amz-copy-source" = "/bucket/secret-*" }

[[grant]]
name = "own-copies"
key = "narrow"
caller = { uid = %(uid)d }
facts = { service = "s3", method = "PUT", "header.x-amz-copy-source" = "/bucket/own-*" }

[[grant]]
name = "decrypt"
key = "narrow"
caller = { uid = %(uid)d }
facts = { service = "kms", action = "TrentService.Decrypt" }

[[grant]]
name = "read-items"
key = "narrow"
caller = { uid = %(uid)d }
facts = { service = "dynamodb", action = ["DynamoDB_20120810.GetItem", "DynamoDB_20120810.Query"] }

[[grant]]
name = "who-am-i"
key = "narrow"
caller = { uid = %(uid)d }
facts = { service = "sts", action = "GetCallerIdentity" }
"""


@pytest.fixture(scope="module")
def swift(folder):
    with Swift(os.path.join(folder, "swift")) as server:
        yield server


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    grants = everything().replace('key = "*"', 'key = ["s3", "wrong"]') + GRANTS % {"uid": os.geteuid()}
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, grants) as running:
        running.import_aws("s3", ACCESS_KEY, SECRET)
        running.import_aws("narrow", ACCESS_KEY, SECRET)
        running.import_aws("copies", ACCESS_KEY, SECRET)
        running.import_aws("careful", ACCESS_KEY, SECRET)
        running.import_aws("wrong", ACCESS_KEY, SECRET + "!")
        yield running


class Caller:
    """Asks the daemon for a signature, then the server for the object."""

    def __init__(self, daemon, swift):
        self.daemon = daemon
        self.swift = swift

    def ask(self, method, target, body=b"", headers=(), key="s3", **more):
        request = {"key": key, "region": REGION, "service": "s3", "method": method, "headers": [list(h) for h in headers]}
        request["url"] = self.swift.endpoint + target
        if more.get("mode") != "query":
            request["payload_sha256"] = hashlib.sha256(body).hexdigest()
        request.update(more)
        return self.daemon.sign(request)

    def signed(self, *arguments, **more):
        reply = self.ask(*arguments, **more)
        assert reply.status == 200, reply
        return reply.json

    def send(self, method, target, headers=(), body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.swift.port, timeout=30)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body or method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def call(self, method, target, body=b"", headers=(), **more):
        answer = self.signed(method, target, body, headers, **more)
        return self.send(method, target, [*headers, *answer["headers"]], body)


@pytest.fixture(scope="module")
def caller(daemon, swift):
    one = Caller(daemon, swift)
    assert one.call("PUT", "/bucket")[0] == 200
    assert one.call("PUT", "/bucket/a%20b.txt", b"0123456789abcdef")[0] == 200
    assert one.call("PUT", "/bucket/own-1", b"mine")[0] == 200
    return one


def target_of(url):
    parts = urllib.parse.urlsplit(url)
    return parts.path + ("?" + parts.query if parts.query else "")


def test_get_with_a_range(caller):
    assert caller.call("GET", "/bucket/a%20b.txt", headers=[("Range", "bytes=2-5")]) == (206, b"2345")


def test_list_with_a_query(caller):
    status, listing = caller.call("GET", "/bucket?list-type=2&prefix=a%20&max-keys=5")
    assert status == 200 and re.findall(rb"<Key>([^<]*)</Key>", listing) == [b"a b.txt"]


def test_put_with_headers_that_are_signed(caller):
    headers = [("Content-Type", "text/plain"), ("X-Amz-Meta-Colour", "deep  blue")]
    assert caller.call("PUT", "/bucket/with-headers", b"x", headers)[0] == 200


def test_put_with_an_unsigned_payload(caller):
    answer = caller.signed("PUT", "/bucket/unsigned", payload_sha256="UNSIGNED-PAYLOAD")
    assert caller.send("PUT", "/bucket/unsigned", answer["headers"], b"anything")[0] == 200
    assert caller.call("GET", "/bucket/unsigned") == (200, b"anything")


def test_delete(caller):
    assert caller.call("PUT", "/bucket/gone", b"x")[0] == 200
    assert caller.call("DELETE", "/bucket/gone")[0] == 204
    assert caller.call("GET", "/bucket/gone")[0] == 404


def test_presigned_get(caller):
    answer = caller.signed("GET", "/bucket/a%20b.txt", mode="query", expires_in=60)
    assert caller.send("GET", target_of(answer["url"])) == (200, b"0123456789abcdef")


def test_presigned_put(caller):
    answer = caller.signed("PUT", "/bucket/presigned", mode="query", expires_in=60)
    assert caller.send("PUT", target_of(answer["url"]), body=b"by url")[0] == 200
    assert caller.call("GET", "/bucket/presigned") == (200, b"by url")


def test_server_refuses_a_changed_path(caller):
    answer = caller.signed("GET", "/bucket/a%20b.txt")
    assert caller.send("GET", "/bucket/own-1", answer["headers"])[0] == 403
    presigned = caller.signed("GET", "/bucket/a%20b.txt", mode="query", expires_in=60)
    assert caller.send("GET", target_of(presigned["url"]).replace("a%20b.txt", "own-1"))[0] == 403


def test_server_refuses_a_changed_header(caller):
    answer = caller.signed("GET", "/bucket/a%20b.txt", headers=[("Range", "bytes=0-1")])
    assert caller.send("GET", "/bucket/a%20b.txt", [("Range", "bytes=0-9"), *answer["headers"]])[0] == 403


def test_server_refuses_a_changed_method_and_body(caller):
    answer = caller.signed("GET", "/bucket/a%20b.txt")
    assert caller.send("DELETE", "/bucket/a%20b.txt", answer["headers"])[0] == 403
    answer = caller.signed("PUT", "/bucket/body", b"one")
    assert caller.send("PUT", "/bucket/body", answer["headers"], b"two")[0] in (400, 403)


def test_server_refuses_a_wrong_secret(caller):
    status, body = caller.call("GET", "/bucket/a%20b.txt", key="wrong")
    assert status == 403 and b"SignatureDoesNotMatch" in body


# Row 28: a header signature must be no presigned URL.

NAMES = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token"]


def spellings(name):
    """Ways to write a query name that some server reads as X-Amz-NAME."""
    full = f"X-Amz-{name}"
    escaped = "".join(f"%{ord(c):02X}" for c in full)
    lower_hex = "".join(f"%{ord(c):02x}" for c in full)
    return [
        full,
        full.lower(),
        full.upper(),
        full.swapcase(),
        escaped,
        lower_hex,
        full.replace("-", "%2D"),
        full.replace("-", "%2d").lower(),
        f"%58{full[1:]}",
        f"%78{full[1:].lower()}",
        full[:-1] + f"%{ord(full[-1]):02x}",
    ]


@pytest.mark.parametrize("mode", ["header", "query"])
@pytest.mark.parametrize("name", NAMES)
def test_row28_query_name_is_refused_in_every_spelling(caller, name, mode):
    for spelling, form in itertools.product(spellings(name), ["{}=1", "{}", "{}=", "a=1&{}=1&b=2"]):
        more = {"mode": mode, **({"expires_in": 60} if mode == "query" else {})}
        problem(caller.ask("GET", "/bucket/a%20b.txt?" + form.format(spelling), **more), "invalid_request", 400)


def days_ago(days):
    return datetime.datetime.utcnow().replace(microsecond=0) - datetime.timedelta(days=days)


def test_row28_aged_header_signature_is_worthless(caller):
    then = days_ago(3)
    answer = caller.signed("GET", "/bucket/a%20b.txt", time=then.isoformat() + "Z")
    status, _ = caller.send("GET", "/bucket/a%20b.txt", answer["headers"])
    assert status == 403

    # The same signature, dressed as a URL that would live for a week.
    authorization = dict(answer["headers"])["Authorization"]
    credential = re.search("Credential=([^,]*)", authorization)[1]
    for signed_headers in ("host", answer["signed_headers"]):
        query = urllib.parse.urlencode({
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": credential,
            "X-Amz-Date": then.strftime("%Y%m%dT%H%M%SZ"), "X-Amz-Expires": "604800",
            "X-Amz-SignedHeaders": signed_headers, "X-Amz-Signature": answer["signature"],
        })  # fmt: skip
        for headers in ([], [h for h in answer["headers"] if h[0] != "Authorization"]):
            status, _ = caller.send("GET", f"/bucket/a%20b.txt?{query}", headers)
            assert status == 403


def test_row28_control_a_real_presigned_url_of_that_age_is_accepted(caller, monkeypatch):
    """The attack's prize is real: three days later the server still takes a query signature."""
    then = days_ago(3)

    class Fixed(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return then

    monkeypatch.setattr(botocore_datetime, "datetime", Fixed)
    request = AWSRequest("GET", caller.swift.endpoint + "/bucket/a%20b.txt")
    S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET), "s3", REGION, expires=604800).add_auth(request)
    assert caller.send("GET", target_of(request.url))[0] == 200


@pytest.mark.parametrize("header", ["Authorization", "X-Amz-Date", "X-Amz-Security-Token"])
def test_row28_headers_that_the_daemon_makes_can_not_be_given(caller, header):
    for name in (header, header.lower(), header.upper()):
        problem(caller.ask("GET", "/bucket/a%20b.txt", headers=[(name, "x")]), "invalid_request", 400)


# Row 29: what the path does not show.


def test_row29_copy_source_is_judged(caller):
    good = [("X-Amz-Copy-Source", "/bucket/own-1")]
    for source in ("/bucket/own-1", "bucket/own-1"):
        assert caller.call("PUT", "/bucket/copy", headers=[("X-Amz-Copy-Source", source)], key="narrow")[0] == 200
        assert caller.call("GET", "/bucket/copy") == (200, b"mine")
    for source in ("/bucket/a%20b.txt", "/other/own-1", "/bucket/own-1/../a", "/BUCKET/own-1"):
        problem(caller.ask("PUT", "/bucket/copy", headers=[("x-amz-copy-source", source)], key="narrow"), "not_permitted", 403)
    both = [*good, ("X-Amz-Copy-Source", "/bucket/a%20b.txt")]
    problem(caller.ask("PUT", "/bucket/copy", headers=both, key="narrow"), "not_permitted", 403)
    problem(caller.ask("PUT", "/bucket/copy", key="narrow"), "not_permitted", 403)


@pytest.mark.parametrize("source", ["/bucket/secret-1", "bucket/secret-1", "/bucket/%73ecret-1", "bucket%2Fsecret-1"])
def test_row29_deny_of_a_copy_source_sees_each_spelling_that_the_server_takes(caller, source):
    headers = [("X-Amz-Copy-Source", source)]
    assert caller.call("PUT", "/bucket/secret-1", b"theirs")[0] == 200
    assert caller.call("PUT", "/bucket/copy", headers=headers, key="copies")[0] == 200
    assert caller.call("GET", "/bucket/copy") == (200, b"theirs")
    problem(caller.ask("PUT", "/bucket/copy", headers=headers, key="careful"), "not_permitted", 403)


def api(caller, service, host, headers=(), target="/", method="POST", **more):
    request = {"key": "narrow", "region": REGION, "service": service, "method": method}
    request.update(url=f"https://{host}{target}", headers=[list(h) for h in headers], **more)
    return caller.daemon.sign(request)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "service,allowed,others",
    [
        ("kms", ["TrentService.Decrypt"], ["TrentService.Encrypt", "TrentService.decrypt", "TrentService.Decrypt2", ""]),
        (
            "dynamodb",
            ["DynamoDB_20120810.GetItem", "DynamoDB_20120810.Query"],
            ["DynamoDB_20120810.DeleteItem", "DynamoDB_20120810.PutItem", "DynamoDB_20111205.GetItem"],
        ),
    ],
)
def test_row29_target_header_is_the_action(caller, service, allowed, others):
    host = f"{service}.{REGION}.amazonaws.com"
    for target in allowed:
        assert api(caller, service, host, [("X-Amz-Target", target)], body=encoded("{}")).status == 200
    for target in others:
        problem(api(caller, service, host, [("X-Amz-Target", target)], body=encoded("{}")), "not_permitted", 403)
    problem(api(caller, service, host, body=encoded("{}")), "not_permitted", 403)
    twice = [("X-Amz-Target", allowed[0]), ("X-Amz-Target", others[0])]
    assert api(caller, service, host, twice, body=encoded("{}")).code in ("not_permitted", "invalid_request")


def test_row29_action_of_query_or_body_is_judged(caller):
    host = f"sts.{REGION}.amazonaws.com"
    form = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
    good, bad = "Action=GetCallerIdentity&Version=2011-06-15", "Action=AssumeRole&Version=2011-06-15"
    assert api(caller, "sts", host, form, body=encoded(good)).status == 200
    assert api(caller, "sts", host, method="GET", target="/?" + good).status == 200
    for body in (bad, good + "&Action=AssumeRole", bad + "&" + good, "Version=2011-06-15", "", "%41ction=AssumeRole", "action=x"):
        assert api(caller, "sts", host, form, body=encoded(body)).code in ("not_permitted", "invalid_request"), body
    problem(api(caller, "sts", host, method="GET", target="/?" + bad), "not_permitted", 403)
    problem(api(caller, "sts", host, method="GET", target="/"), "not_permitted", 403)
    both = api(caller, "sts", host, form, target="/?" + good, body=encoded(bad))
    assert both.code in ("not_permitted", "invalid_request")
    # Only the hash is shown, so the action is not known.
    hashed = hashlib.sha256(good.encode()).hexdigest()
    problem(api(caller, "sts", host, form, payload_sha256=hashed), "not_permitted", 403)
