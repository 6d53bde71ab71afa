"""Random requests, signed here and by botocore: two implementations, one signature."""

import base64
import datetime
import hashlib
import random
import urllib.parse

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET = "AKIARANDOM", "q7/random+SECRET/for-the-tests/0123456789"
REQUESTS = 1000
ALPHABET = "abcXYZ019-._~ !$'()*,;:@=+&/éሴ"


def text(rng, low, high, alphabet=ALPHABET):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


def random_request(rng):
    """What both sides get, and the botocore signer for it."""
    service = rng.choice(["s3", "s3", "sts", "dynamodb", "execute-api"])
    mode = rng.choice(["header", "query"])
    method = rng.choice(["GET", "GET", "HEAD", "PUT", "POST", "DELETE"])
    host = rng.choice(["bucket.s3.eu-west-1.amazonaws.com", "api.example.com", "api.example.com:8443"])
    segments = [urllib.parse.quote(text(rng, 1, 8).replace("/", ""), safe="-._~") or "x" for _ in range(rng.randint(0, 4))]
    segments = [segment if segment.strip(".") else "x" for segment in segments]
    path = "/" + "/".join(segments)
    quote = lambda value: urllib.parse.quote(value, safe="-._~")  # noqa: E731
    names = rng.sample(["prefix", "max-keys", "Marker", "list-type", "a b", "é", "A", "a", "X-Custom"], rng.randint(0, 4))
    query = [(quote(name), quote(text(rng, 0, 6))) for name in names]
    headers = [["X-Amz-Meta-" + text(rng, 1, 3, "abc"), text(rng, 1, 8, "ab  c01").strip() or "v"] for _ in range(rng.randint(0, 2))]
    headers = list({name.lower(): [name, value] for name, value in headers}.values())
    if rng.random() < 0.4:
        headers.append(["Content-Type", rng.choice(["text/plain", "application/json; charset=utf-8"])])
    if rng.random() < 0.3:
        headers.append(["Range", "bytes=0-9"])
    return {
        "service": service,
        "region": rng.choice(["eu-west-1", "us-east-1", "ap-south-2"]),
        "mode": mode,
        "method": method,
        "url": f"https://{host}{path}" + ("?" + "&".join(f"{k}={v}" for k, v in query) if query else ""),
        "headers": headers,
        # botocore moves a body into the query when it presigns, as STS wants it.
        "body": rng.randbytes(rng.randint(0, 40)) if method in ("PUT", "POST") and mode == "header" else b"",
        "expires_in": rng.randint(1, 604800),
        "session_token": text(rng, 20, 60, "abc/+=XYZ") if rng.random() < 0.3 else None,
        "time": datetime.datetime(2015, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 10**9)),
    }


def by_botocore(monkeypatch, request):
    class Fixed(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return request["time"]

    monkeypatch.setattr(auth.datetime, "datetime", Fixed)
    credentials = Credentials(ACCESS_KEY, SECRET, request["session_token"])
    aws = AWSRequest(request["method"], request["url"], dict(request["headers"]), request["body"])
    s3 = request["service"] == "s3"
    if request["mode"] == "header":
        (auth.S3SigV4Auth if s3 else auth.SigV4Auth)(credentials, request["service"], request["region"]).add_auth(aws)
        return aws.headers["Authorization"].rsplit("Signature=", 1)[1]
    signer = auth.S3SigV4QueryAuth if s3 else auth.SigV4QueryAuth
    signer(credentials, request["service"], request["region"], expires=request["expires_in"]).add_auth(aws)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(aws.url).query)
    return query["X-Amz-Signature"][0]


def by_holdfast(client, request):
    # botocore signs every header that it is given.
    body = {
        "key": "random",
        "region": request["region"],
        "service": request["service"],
        "method": request["method"],
        "url": request["url"],
        "headers": request["headers"],
        "sign_headers": [name.lower() for name, _ in request["headers"]],
        "mode": request["mode"],
        "time": request["time"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "explain": True,
    }
    if request["session_token"]:
        body["session_token"] = request["session_token"]
    if request["mode"] == "query":
        body["expires_in"] = request["expires_in"]
    if request["service"] == "s3" and request["mode"] == "query":
        body["payload_sha256"] = "UNSIGNED-PAYLOAD"
    elif len(request["body"]) % 2:
        body["body"] = base64.b64encode(request["body"]).decode()
    else:
        body["payload_sha256"] = hashlib.sha256(request["body"]).hexdigest()
    reply = client.post("/v1/sign/sigv4", body)
    assert reply.status == 200, (reply, body)
    return reply.json


@pytest.fixture(scope="module")
def client(daemon):
    daemon.import_aws("random", ACCESS_KEY, SECRET)
    with daemon.client() as connection:
        yield connection


def test_a_thousand_random_requests_are_signed_as_botocore_signs_them(client, monkeypatch):
    rng = random.Random(20260101)
    modes = set()
    for number in range(REQUESTS):
        request = random_request(rng)
        modes.add((request["service"], request["mode"]))
        wanted = by_botocore(monkeypatch, request)
        given = by_holdfast(client, request)
        assert given["signature"] == wanted, (number, request, given["canonical_request"])
    assert len(modes) == 8
