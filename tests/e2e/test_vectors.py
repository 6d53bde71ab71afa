"""The published vectors through the socket, with the secret sealed in a TPM and in an HSM: every byte as printed."""

import base64
import hashlib
import json
import os
import re

import pytest

from holdfast_testing import paths, sigv4a
from holdfast_testing.daemon import Daemon, everything

SUITES = os.path.join(paths.VECTORS, "aws-sigv4-c-auth", "tests", "aws-signing-test-suite")
S3_EXAMPLES = os.path.join(paths.VECTORS, "s3-doc-examples", "s3_sigv4_examples.json")


def suite():
    """Cases as v4/NAME and, of SigV4A, v4a/NAME."""
    if not os.path.isdir(SUITES):
        return ["(the vectors are missing)"]
    cases = [f"{version}/{name}" for version in ("v4", "v4a") for name in os.listdir(os.path.join(SUITES, version))]
    # Two of v4a's have a request and no answer.
    return sorted(case for case in cases if os.path.exists(os.path.join(SUITES, case, "header-signature.txt")))


def s3_examples():
    if not os.path.exists(S3_EXAMPLES):
        return ["(the vectors are missing)"]
    with open(S3_EXAMPLES, encoding="utf-8") as file:
        return [case["name"] for case in json.load(file)["cases"] if not case["name"].startswith("streaming")]


def read(case, name):
    with open(os.path.join(SUITES, case, name), encoding="utf-8", newline="") as file:
        return file.read()


def unfold(head):
    """Obsolete line folding becomes one line, as RFC 7230 §3.2.4 lets a sender do before anything else."""
    lines = []
    for line in head.split("\n"):
        if line[:1] in (" ", "\t"):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return lines


def request_of(case):
    """Method, target, headers and body of request.txt."""
    head, _, body = read(case, "request.txt").partition("\n\n")
    first, *headers = unfold(head.rstrip("\n"))
    method, rest = first.split(" ", 1)
    return method, rest.rsplit(" ", 1)[0], [line.split(":", 1) for line in headers], body


@pytest.fixture(scope="module")
def daemon(folder, device):
    with Daemon(os.path.join(folder, "tpm" if isinstance(device, str) else device.name), device, everything()) as running:
        yield running


@pytest.fixture(scope="module")
def keys(daemon, vectors):
    secret = json.loads(read("v4/get-vanilla", "context.json"))["credentials"]
    daemon.import_aws("suite", secret["access_key_id"], secret["secret_access_key"])
    daemon.import_aws("suite-4a", secret["access_key_id"], secret["secret_access_key"], use="sigv4a")
    with open(S3_EXAMPLES, encoding="utf-8") as file:
        examples = json.load(file)
    daemon.import_aws("s3-doc", **{"access_key_id": examples["credentials"]["access_key_id"],
                                   "secret": examples["credentials"]["secret_access_key"]})  # fmt: skip
    return {case["name"]: case for case in examples["cases"]}


@pytest.mark.parametrize("mode", ["header", "query"])
@pytest.mark.parametrize("case", suite())
def test_aws_suite(daemon, keys, case, mode):
    context = json.loads(read(case, "context.json"))
    method, target, headers, body = request_of(case)
    host = dict((name.lower(), value) for name, value in headers)["host"]
    request = {
        "service": context["service"],
        "method": method,
        "url": f"https://{host}{target}",
        "headers": headers,
        "sign_headers": sorted({name.lower() for name, _ in headers}),
        "time": context["timestamp"],
        "mode": mode,
        "normalize_path": context["normalize"],
        "explain": True,
    }
    if body:
        request["body"] = base64.b64encode(body.encode()).decode()
    else:
        request["payload_sha256"] = hashlib.sha256(b"").hexdigest()
    if case.startswith("v4a/"):
        request.update(key="suite-4a", region_set=[context["region"]])
    else:
        request.update(key="suite", region=context["region"])
    token = context["credentials"].get("token")
    if token and not context.get("omit_session_token"):
        request["session_token"] = token
    if mode == "query":
        request["expires_in"] = context["expiration_in_seconds"]
    elif context["sign_body"]:
        request["content_sha256_header"] = True

    reply = daemon.sign(request)
    assert reply.status == 200, reply
    answer = reply.json
    assert answer["canonical_request"] == read(case, f"{mode}-canonical-request.txt").rstrip("\n")
    assert answer["string_to_sign"] == read(case, f"{mode}-string-to-sign.txt").rstrip("\n")
    signed = read(case, f"{mode}-signed-request.txt")
    if case.startswith("v4a/"):
        # ECDSA is not repeatable: ours and both that are printed are verified with the published public key.
        printed = re.search(r"Signature=([0-9a-f]+)", signed)[1]
        for signature in (answer["signature"], read(case, f"{mode}-signature.txt").strip(), printed):
            assert sigv4a.verifies(json.loads(read(case, "public-key.json")), answer["string_to_sign"], signature)
        signed = signed.replace(printed, answer["signature"])
    else:
        assert answer["signature"] == read(case, f"{mode}-signature.txt").strip()
    if mode == "header":
        wanted = [line for line in signed.split("\n") if line.startswith("Authorization:")]
        assert wanted == [f"{name}:{value}" for name, value in answer["headers"] if name == "Authorization"]
    else:
        assert f"X-Amz-Signature={answer['signature']}" in answer["url"] and answer["headers"] == []


@pytest.mark.parametrize("name", s3_examples())
def test_s3_documentation(daemon, keys, name):
    case = keys[name]
    host = case["headers"]["host"]
    # The daemon makes the date and, in header mode, the hash itself.
    headers = [[k, v] for k, v in case["headers"].items() if k not in ("x-amz-date", "x-amz-content-sha256")]
    query = dict(part.split("=") for part in case["canonical_query"].split("&") if part)
    request = {
        "key": "s3-doc",
        "region": "us-east-1",
        "service": "s3",
        "method": case["method"],
        "headers": headers,
        "sign_headers": [header for header, _ in headers],
        "time": "2013-05-24T00:00:00Z",
        "explain": True,
    }
    if case.get("presigned"):
        request.update(mode="query", expires_in=int(query["X-Amz-Expires"]), url=f"https://{host}{case['path']}")
    else:
        request.update(mode="header", payload_sha256=case["payload_hash"])
        request["url"] = f"https://{host}{case['path']}" + ("?" + case["canonical_query"] if query else "")
    reply = daemon.sign(request)
    assert reply.status == 200, reply
    assert reply.json["canonical_request"] == case["canonical_request"]
    assert reply.json["string_to_sign"] == case["string_to_sign"]
    assert reply.json["signature"] == case["signature"]


def test_the_whole_suite_was_there(vectors):
    for version in ("v4", "v4a"):
        assert sum(case.startswith(version + "/") for case in suite()) == 38
    assert len(s3_examples()) == 5
