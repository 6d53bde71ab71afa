"""Malformed input through the real daemon: framing, JSON, fields, URLs, oversize. Each gets its documented
error, and none of it disturbs the daemon. Threat row 18 (request smuggling) is the framing part."""

import json
import os
import time

import pytest

from holdfast_testing.client import Raw, exchange
from holdfast_testing.daemon import problem

KEY = "target"
GOOD = {
    "key": KEY,
    "region": "eu-west-1",
    "service": "s3",
    "method": "GET",
    "url": "https://bucket.s3.eu-west-1.amazonaws.com/a",
}
DIGEST = {"key": "digests", "algorithm": "ES256", "digest": "A" * 43 + "=", "encoding": "der"}


@pytest.fixture(scope="module", autouse=True)
def undisturbed(daemon):
    """After every case: the same processes, in good health, and still signing."""
    daemon.import_aws(KEY, "AKIATARGET", "a-secret-for-malformed-requests")
    daemon.create_key("digests")
    parts = daemon.part("core"), daemon.part("device")
    yield
    assert (daemon.part("core"), daemon.part("device")) == parts
    with daemon.client() as client:
        assert client.get("/v1/health").json["status"] == "ok"
        assert client.post("/v1/sign/sigv4", GOOD).status == 200


def post(body, path="/v1/sign/sigv4", more=b""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n".encode()
    return head + more + b"\r\n" + data


def lines(*texts, body=b""):
    return b"\r\n".join(text if isinstance(text, bytes) else text.encode() for text in texts) + b"\r\n\r\n" + body


HEALTH = "GET /v1/health HTTP/1.1"
SIGN = "POST /v1/sign/sigv4 HTTP/1.1"
HOST = "Host: localhost"

FRAMING = {
    "two hosts": lines(HEALTH, HOST, HOST),
    "two different hosts": lines(HEALTH, HOST, "Host: other"),
    "no host": lines(HEALTH),
    "http 1.0": lines("GET /v1/health HTTP/1.0", HOST),
    "http 2.0": lines("GET /v1/health HTTP/2.0", HOST),
    "http 0.9": lines("GET /v1/health"),
    "odd version": lines("GET /v1/health HTTP/1.1x", HOST),
    "lower-case protocol": lines("GET /v1/health http/1.1", HOST),
    "absolute form": lines("GET http://localhost/v1/health HTTP/1.1", HOST),
    "authority form": lines("CONNECT localhost:80 HTTP/1.1", HOST),
    "asterisk form": lines("OPTIONS * HTTP/1.1", HOST),
    "empty target": lines("GET  HTTP/1.1", HOST),
    "space in target": lines("GET /v1/ health HTTP/1.1", HOST),
    "tab in target": lines("GET /v1/\thealth HTTP/1.1", HOST),
    "nul in target": lines(b"GET /v1/\x00health HTTP/1.1", HOST),
    "raw utf-8 in target": lines("GET /v1/héalth HTTP/1.1", HOST),
    "fragment in target": lines("GET /v1/health#x HTTP/1.1", HOST),
    "method with space": lines("G ET /v1/health HTTP/1.1", HOST),
    "method with bracket": lines("G(T /v1/health HTTP/1.1", HOST),
    "empty method": lines(" /v1/health HTTP/1.1", HOST),
    "leading crlf and blanks": b"\r\n \r\n" + lines(HEALTH, HOST),
    "folded header": lines(HEALTH, HOST, "X-A: b", " c"),
    "folded header by tab": lines(HEALTH, HOST, "X-A: b", "\tc"),
    "folded first header": lines(HEALTH, " X-A: b", HOST),
    "space before colon": lines(HEALTH, "Host : localhost"),
    "space before content-length's colon": lines(SIGN, HOST, "Content-Length : 2", body=b"{}"),
    "header without colon": lines(HEALTH, HOST, "X-A"),
    "empty header name": lines(HEALTH, HOST, ": b"),
    "header name with space": lines(HEALTH, HOST, "X A: b"),
    "header name with nul": lines(HEALTH, HOST, b"X\x00A: b"),
    "header name in utf-8": lines(HEALTH, HOST, "Xé: b"),
    "nul in header value": lines(HEALTH, HOST, b"X-A: b\x00c"),
    "escape in header value": lines(HEALTH, HOST, b"X-A: b\x1b[2Jc"),
    "bare cr in header value": lines(HEALTH, HOST, b"X-A: b\rX-B: c"),
    "bare lf in header value": lines(HEALTH, HOST, b"X-A: b\nX-B: c"),
    "bare lf ends": b"GET /v1/health HTTP/1.1\nHost: localhost\n\n\r\n\r\n",
    "chunked": lines(SIGN, HOST, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked in capitals": lines(SIGN, HOST, "TRANSFER-ENCODING: CHUNKED", body=b"0\r\n\r\n"),
    "identity coding": lines(SIGN, HOST, "Transfer-Encoding: identity", "Content-Length: 2", body=b"{}"),
    "odd coding": lines(SIGN, HOST, "Transfer-Encoding: xchunked", "Content-Length: 2", body=b"{}"),
    "empty coding": lines(SIGN, HOST, "Transfer-Encoding:", "Content-Length: 2", body=b"{}"),
    "length then coding": lines(SIGN, HOST, "Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "coding then length": lines(SIGN, HOST, "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
    "two codings": lines(SIGN, HOST, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "equal lengths": lines(SIGN, HOST, "Content-Length: 2", "Content-Length: 2", body=b"{}"),
    "differing lengths": lines(SIGN, HOST, "Content-Length: 2", "Content-Length: 3", body=b"{} "),
    "list of lengths": lines(SIGN, HOST, "Content-Length: 2, 2", body=b"{}"),
    "signed length": lines(SIGN, HOST, "Content-Length: +2", body=b"{}"),
    "negative length": lines(SIGN, HOST, "Content-Length: -1", body=b""),
    "hex length": lines(SIGN, HOST, "Content-Length: 0x2", body=b"{}"),
    "empty length": lines(SIGN, HOST, "Content-Length:", body=b"{}"),
    "length with a letter": lines(SIGN, HOST, "Content-Length: 2a", body=b"{}"),
    "length with a point": lines(SIGN, HOST, "Content-Length: 2.0", body=b"{}"),
    "length of 2^64": lines(SIGN, HOST, "Content-Length: 18446744073709551616", body=b""),
    "length of 40 digits": lines(SIGN, HOST, "Content-Length: " + "9" * 40, body=b""),
    "length with leading zeros": lines(SIGN, HOST, "Content-Length: 0000000002", body=b"{}"),
    "length in two words": lines(SIGN, HOST, "Content-Length: 1 2", body=b"{}"),
}

OVERSIZE = {
    "body by length": (lines(SIGN, HOST, "Content-Length: 65537"), 413),
    "body of a gigabyte": (lines(SIGN, HOST, "Content-Length: 1073741824"), 413),
    "body of ten digits": (lines(SIGN, HOST, "Content-Length: 9999999999"), 413),
    "one long header": (lines(HEALTH, HOST, "X-A: " + "a" * 17000), 431),
    "many headers": (lines(HEALTH, HOST, *[f"X-{n}: {n}" for n in range(2500)]), 431),
    "long target": (lines("GET /" + "a" * 17000 + " HTTP/1.1", HOST), 431),
    "long method": (lines("G" * 17000 + " / HTTP/1.1", HOST), 431),
    "no end of header": (b"A" * 20000, 431),
}

TEXT = json.dumps(GOOD)
JSON = {
    "nothing": b"",
    "blank": b"   ",
    "not json": b"key=target",
    "half an object": TEXT[:-1].encode(),
    "two objects": (TEXT + TEXT).encode(),
    "text after the object": (TEXT + "x").encode(),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "array": f"[{TEXT}]".encode(),
    "string": b'"a"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "repeated name": TEXT.replace("{", '{"key":"x",', 1).encode(),
    "repeated name, escaped": TEXT.replace("{", '{"k\\u0065y":"x",', 1).encode(),
    "repeated name, same value": TEXT.replace("{", f'{{"key":"{KEY}",', 1).encode(),
    "unknown field": TEXT.replace("{", '{"kye":"x",', 1).encode(),
    "unknown field, other case": TEXT.replace("{", '{"Key":"x",', 1).encode(),
    "empty name": TEXT.replace("{", '{"":"x",', 1).encode(),
    "comment": TEXT.replace("{", "{/*x*/", 1).encode(),
    "trailing comma": TEXT.replace("}", ",}").encode(),
    "single quotes": TEXT.replace('"', "'").encode(),
    "bare name": TEXT.replace('"key"', "key").encode(),
    "nan": TEXT.replace("{", '{"expires_in":NaN,', 1).encode(),
    "infinity": TEXT.replace("{", '{"expires_in":Infinity,', 1).encode(),
    "number too large": TEXT.replace("{", '{"expires_in":1e400,', 1).encode(),
    "integer too large": TEXT.replace("{", '{"expires_in":123456789012345678901234567890,', 1).encode(),
    "leading zero": TEXT.replace("{", '{"expires_in":060,', 1).encode(),
    "plus sign": TEXT.replace("{", '{"expires_in":+60,', 1).encode(),
    "hex number": TEXT.replace("{", '{"expires_in":0x3c,', 1).encode(),
    "bad utf-8": TEXT.encode().replace(b"s3", b"\xff\xfe", 1),
    "overlong utf-8": TEXT.encode().replace(b"s3", b"\xc1\xb3", 1),
    "surrogate in utf-8": TEXT.encode().replace(b"s3", b"\xed\xa0\x80", 1),
    "lone surrogate": TEXT.replace("s3", "\\ud800", 1).encode(),
    "bad escape": TEXT.replace("s3", "\\x33", 1).encode(),
    "raw newline in a string": TEXT.replace("s3", "s\n3", 1).encode(),
    "raw nul in a string": TEXT.replace("s3", "s\0003", 1).encode(),
    "deep nesting": TEXT.replace("{", '{"headers":' + "[" * 2000 + "]" * 2000 + ",", 1).encode(),
    "deep objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
}

STRINGS = ["key", "region", "service", "method", "url", "payload_sha256", "body", "mode", "session_token", "time"]
BOOLEANS = ["normalize_path", "double_encode", "content_sha256_header", "explain"]


def fields():
    for name in STRINGS:
        for value in (1, True, None, [], {}):
            yield f"{name}={json.dumps(value)}", {**GOOD, name: value}
    for name in BOOLEANS:
        for value in ("true", 1, None, []):
            yield f"{name}={json.dumps(value)}", {**GOOD, name: value}
    for name in ("key", "region", "service", "method", "url"):
        yield f"no {name}", {k: v for k, v in GOOD.items() if k != name}
        if name != "key":  # it names no key, which looks like any other that there is not
            yield f"empty {name}", {**GOOD, name: ""}
    for value in ("60", 1.5, -1, 0, 604801, None, True, [], 2**63):
        yield f"expires_in={json.dumps(value)}", {**GOOD, "mode": "query", "expires_in": value}
    yield "expires_in in header mode", {**GOOD, "expires_in": 60}
    yield "mode", {**GOOD, "mode": "body"}
    for value in ("EU-WEST-1", "eu west", "eu/west", "eu_west", "a" * 65, "é", "eu\n"):
        yield f"region={value!r}", {**GOOD, "region": value}
    for value in ("S3", "s3/aws4_request", "a" * 65, "s 3", "s3\u0000"):
        yield f"service={value!r}", {**GOOD, "service": value}
    for value in ("G ET", "GET\n", "GET\r\nX: y", "GÉT", "GET\u0000"):
        yield f"method={value!r}", {**GOOD, "method": value}
    for value in ("x", {}, [["A"]], [["A", "b", "c"]], [[1, "b"]], [["A", 2]], [[]], ["A: b"], [None], [["", "v"]], [["a b", "v"]],
                  [["a:", "v"]], [["a\r\nb", "v"]], [["é", "v"]], [["A", "x\ny"]], [["A", "x\ry"]], [["A", "x\u0000y"]],
                  [["A", "x\r\nAuthorization: y"]], None, [["Host", "other.example"]], [["Authorization", "x"]],
                  [["x-amz-date", "20260101T000000Z"]], [["X-AMZ-SECURITY-TOKEN", "x"]]):  # fmt: skip
        yield f"headers={json.dumps(value)}", {**GOOD, "headers": value}
    for value in ("a", [1], [None], {}, None, [["a"]], ["absent"]):
        yield f"sign_headers={json.dumps(value)}", {**GOOD, "sign_headers": value}
    for value in ("", "abc", "g" * 64, "a" * 63, "a" * 65, "unsigned-payload", "UNSIGNED", "STREAMING-", " " + "a" * 64):
        yield f"payload_sha256={value[:12]!r}", {**GOOD, "payload_sha256": value}
    for value in ("=", "a", "ab", "a===", "YQ", "YQ=", "YR==", "YQ==\n", "Y Q==", "é", "-_-_", "YQ==YQ=="):
        yield f"body={value!r}", {**GOOD, "method": "PUT", "body": value}
    yield "body and payload_sha256", {**GOOD, "method": "PUT", "body": "", "payload_sha256": "a" * 64}
    for method in ("PUT", "POST", "PATCH"):
        yield f"{method} without a payload", {**GOOD, "method": method}
    for value in ("", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z",
                  "20260101T000000Z", "2026-01-01T00:00:00+01:00", "2026-01-01t00:00:00z ", "99999-01-01T00:00:00Z"):  # fmt: skip
        yield f"time={value!r}", {**GOOD, "time": value}
    for value in ("a\nb", "a\u0000b", "é", "a\r\nX: y"):
        yield f"session_token={value!r}", {**GOOD, "session_token": value}


URLS = [
    "/a", "a", "bucket.example/a", "//bucket.example/a", "ftp://bucket.example/a", "file:///etc/passwd", "https://", "https:///a",
    "https:bucket.example/a", "http:/bucket.example/a", "https://bucket.example:0x50/a", "https://bucket.example:99999/a", "https://bucket.example:-1/a",
    "https://user@bucket.example/a", "https://user:pass@bucket.example/a", "https://bücket.example/a", "https://bucket .example/a",
    "https://bucket.example/a#fragment", "https://bucket.example/%", "https://bucket.example/%2", "https://bucket.example/%zz",
    "https://bucket.example/a?x=%", "https://bucket.example/a?x=%g0", "https://bucket.example/a\nb", "https://bucket.example/a\r\nHost: x",
    "https://bucket.example/a\u0000b", "https://bucket.example/a\tb", "https://bucket.example/\\a", "https://bucket.example\\@other/a",
    "https://bucket.example/a|b", "https://bucket.example/a\"b", "https://bucket.example/<a>", "https://bucket.example/{a}", "https://[::1/a",
    " https://bucket.example/a", "javascript:alert(1)", "https://bucket%2eexample/a", "https://bucket..example/a",
    "https://bucket.example/a?X-Amz-Date=1", "https://bucket.example/a?x-amz-signature=1", "https://bucket.example/" + "a" * 20000,
]  # fmt: skip

DIGESTS = {
    "no algorithm": {k: v for k, v in DIGEST.items() if k != "algorithm"},
    "no digest": {k: v for k, v in DIGEST.items() if k != "digest"},
    "unknown algorithm": {**DIGEST, "algorithm": "ES255"},
    "algorithm none": {**DIGEST, "algorithm": "none"},
    "short digest": {**DIGEST, "digest": "AAAA"},
    "long digest": {**DIGEST, "digest": "A" * 88},
    "digest of another hash": {**DIGEST, "algorithm": "ES384"},
    "empty digest": {**DIGEST, "digest": ""},
    "hex digest": {**DIGEST, "digest": "a" * 64},
    "unpadded digest": {**DIGEST, "digest": "A" * 43},
    "unknown encoding": {**DIGEST, "encoding": "pem"},
    "digest a number": {**DIGEST, "digest": 1},
    "unknown field": {**DIGEST, "hash": "x"},
}


def check(daemon, data, code="invalid_request", status=400, socket=None):
    problem(exchange(socket or daemon.socket, data), code, status)


@pytest.mark.parametrize("case", FRAMING)
def test_row18_framing(daemon, case):
    with Raw(daemon.socket) as raw:
        raw.send(FRAMING[case] + lines(HEALTH, HOST))
        problem(raw.reply(), "invalid_request", 400)
        # Nobody can say where the next request starts, so there is none.
        assert raw.closed()


@pytest.mark.parametrize("case", OVERSIZE)
def test_oversize(daemon, case):
    data, status = OVERSIZE[case]
    check(daemon, data, "too_large", status)


@pytest.mark.parametrize("case", JSON)
def test_json(daemon, case):
    check(daemon, post(JSON[case]))


@pytest.mark.parametrize("case,body", list(fields()), ids=lambda value: value if isinstance(value, str) else "")
def test_fields(daemon, case, body):
    check(daemon, post(body))


@pytest.mark.parametrize("url", URLS, ids=lambda url: repr(url[:40]))
def test_urls(daemon, url):
    check(daemon, post({**GOOD, "url": url}))


@pytest.mark.parametrize("case", DIGESTS)
def test_digests(daemon, case):
    check(daemon, post(DIGESTS[case], "/v1/sign/digest"))


@pytest.mark.parametrize(
    "target,code,status",
    [
        ("/", "not_found", 404),
        ("/v1", "not_found", 404),
        ("/v1/", "not_found", 404),
        ("/v2/health", "not_found", 404),
        ("/v1/Health", "not_found", 404),
        ("/v1/health/", "not_found", 404),
        ("//v1/health", "not_found", 404),
        ("/v1/../v1/health", "not_found", 404),
        ("/v1/audit", "not_found", 404),
        ("/v1/sign/sigv4", "method_not_allowed", 405),
        ("/v1/sign/s3-post", "method_not_allowed", 405),
        ("/v1/sign/digest", "method_not_allowed", 405),
        ("/v1/keys?limit=x", "invalid_request", 400),
        ("/v1/keys?limit=-1", "invalid_request", 400),
        ("/v1/keys?limit=1&limit=2", "invalid_request", 400),
        ("/v1/keys?limit=99999999999999999999", "invalid_request", 400),
        ("/v1/keys?limits=1", "invalid_request", 400),
    ],
)
def test_targets(daemon, target, code, status):
    check(daemon, lines(f"GET {target} HTTP/1.1", HOST), code, status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_method_that_health_does_not_have(daemon, method):
    check(daemon, lines(f"{method} /v1/health HTTP/1.1", HOST, "Content-Length: 0"), "method_not_allowed", 405)


ADMIN = {
    "no body": (b"", "/v1/keys"),
    "bad name": ({"name": "Bad", "type": "ec-p256", "device": "tpm", "use": "digest"}, "/v1/keys"),
    "name of a path": ({"name": "../x", "type": "ec-p256", "device": "tpm", "use": "digest"}, "/v1/keys"),
    "empty name": ({"name": "", "type": "ec-p256", "device": "tpm", "use": "digest"}, "/v1/keys"),
    "name of 64": ({"name": "a" * 64, "type": "ec-p256", "device": "tpm", "use": "digest"}, "/v1/keys"),
    "unknown type": ({"name": "new", "type": "dsa", "device": "tpm", "use": "digest"}, "/v1/keys"),
    "unknown use": ({"name": "new", "type": "ec-p256", "device": "tpm", "use": "everything"}, "/v1/keys"),
    "unknown field": ({"name": "new", "type": "ec-p256", "device": "tpm", "use": "digest", "x": 1}, "/v1/keys"),
    "no use": ({"name": "new", "type": "ec-p256", "device": "tpm"}, "/v1/keys"),
    "import without a secret": ({"name": "new", "device": "tpm", "use": "sigv4", "access_key_id": "A"}, "/v1/keys/import"),
    "import without an id": ({"name": "new", "device": "tpm", "use": "sigv4", "secret_access_key": "s"}, "/v1/keys/import"),
    "import of an empty secret": (
        {"name": "new", "device": "tpm", "use": "sigv4", "access_key_id": "A", "secret_access_key": ""},
        "/v1/keys/import",
    ),
    "import of an id with a slash": (
        {"name": "new", "device": "tpm", "use": "sigv4", "access_key_id": "A/B", "secret_access_key": "s"},
        "/v1/keys/import",
    ),
    "import of an id with a newline": (
        {"name": "new", "device": "tpm", "use": "sigv4", "access_key_id": "A\nB", "secret_access_key": "s"},
        "/v1/keys/import",
    ),
}


@pytest.mark.parametrize("case", ADMIN)
def test_admin_bodies(daemon, case):
    body, path = ADMIN[case]
    check(daemon, post(body, path), socket=daemon.admin_socket)


def test_request_that_does_not_arrive_times_out(daemon):
    """Two at once: one stops within the header, one within the body; other callers are served meanwhile."""
    with Raw(daemon.socket) as header, Raw(daemon.socket) as body:
        started = time.monotonic()
        header.send(b"GET /v1/health HTTP/1.1\r\nHost: loc")
        body.send(post(GOOD)[:-5])
        with daemon.client() as other:
            assert other.get("/v1/health").status == 200
        problem(header.reply(), "timeout", 408)
        problem(body.reply("POST"), "timeout", 408)
        assert 4 < time.monotonic() - started < 8


def test_one_byte_at_a_time_is_still_one_deadline(daemon):
    data = post(GOOD)
    with Raw(daemon.socket) as raw:
        started = time.monotonic()
        for position in range(len(data)):
            if raw.answered() or not raw.send(data[position : position + 1]):
                break
            time.sleep(0.05)  # the attacker's pace
        problem(raw.reply("POST"), "timeout", 408)
        assert time.monotonic() - started < 8


def test_pipelined_requests_are_answered_in_order(daemon):
    with Raw(daemon.socket) as raw:
        raw.send(lines(HEALTH, HOST) + post(GOOD) + lines("GET /v1/version HTTP/1.1", HOST) + post({**GOOD, "key": 1}))
        assert raw.reply().json["status"] == "ok"
        assert "signature" in raw.reply("POST").json
        assert raw.reply().json["api"] == 1
        problem(raw.reply("POST"), "invalid_request", 400)


def test_secret_of_a_refused_import_is_not_repeated(daemon):
    secret = "CANARY-" + os.urandom(8).hex()
    body = {"name": "Bad Name", "device": "tpm", "use": "sigv4", "access_key_id": "A", "secret_access_key": secret}
    reply = exchange(daemon.admin_socket, post(body, "/v1/keys/import"))
    problem(reply, "invalid_request", 400)
    assert secret.encode() not in reply.content and secret not in daemon.log_text()


def test_there_are_at_least_200_cases():
    assert len(FRAMING) + len(OVERSIZE) + len(JSON) + len(list(fields())) + len(URLS) + len(DIGESTS) + len(ADMIN) >= 200
