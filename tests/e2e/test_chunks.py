"""Uploads whose chunks are signed one after the other: AWS's examples to the byte, random ones, and every bound."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import random
import signal
import zlib

import pytest

from holdfast_testing import openapi, paths, sigv4
from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.users import as_user

EXAMPLES = os.path.join(paths.VECTORS, "s3-doc-examples", "s3_sigv4_examples.json")
ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KIB = 1024
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="module")
def daemon(folder, device):
    with Daemon(os.path.join(folder, "tpm" if isinstance(device, str) else device.name), device, everything()) as running:
        running.import_aws("aws", ID, SECRET)
        yield running


@pytest.fixture(scope="module")
def examples(vectors):
    with open(EXAMPLES, encoding="utf-8") as file:
        return json.load(file)


class Upload:
    """One as its sender does it."""

    def __init__(self, daemon, length, trailer=(), key="aws"):
        self.daemon = daemon
        literal = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
        headers = [["X-Amz-Decoded-Content-Length", str(length)], *[["X-Amz-Trailer", name] for name in trailer]]
        request = sigv4.get(key, method="PUT", headers=headers, payload_sha256=literal, explain=True)
        self.opening = daemon.sign(request)
        assert self.opening.status == 200, self.opening
        self.session = self.opening.json["session"]
        self.previous = self.opening.json["signature"]

    def ask(self, body):
        with self.daemon.client() as client:
            reply = client.post("/v1/sign/sigv4/chunk", {"session": self.session, **body})
        assert openapi.fault("POST", "/v1/sign/sigv4/chunk", reply) == ""
        return reply

    def chunk(self, data):
        return self.ask({"payload_sha256": hashlib.sha256(data).hexdigest(), "length": len(data)})

    def computed(self, kind, *hashes):
        """The next signature, made here; the one after it is over this one."""
        _, stamp, scope, _ = self.opening.json["string_to_sign"].split("\n")
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", stamp, scope, self.previous, *hashes])
        self.previous = hmac.new(sigv4.signing_key(SECRET, *scope.split("/")[:3]), text.encode(), hashlib.sha256).hexdigest()
        return self.previous

    def trailer(self, *headers):
        return self.ask({"trailer": [list(header) for header in headers]})


def refused(reply, word):
    assert word in problem(reply, "invalid_request", 400)["detail"], reply


@pytest.mark.parametrize("name", ["streaming-signed", "streaming-signed-trailer"])
def test_aws_examples(daemon, examples, name):
    case = next(case for case in examples["cases"] if case["name"] == name)
    key = "s3-" + name
    daemon.import_aws(key, examples["credentials"]["access_key_id"], examples["credentials"]["secret_access_key"])
    headers = [[k, v] for k, v in case["headers"].items() if k not in ("x-amz-date", "x-amz-content-sha256")]
    opening = daemon.sign({
        "key": key, "region": "us-east-1", "service": "s3", "method": "PUT", "headers": headers, "time": "2013-05-24T00:00:00Z",
        "sign_headers": [header for header, _ in headers], "url": "https://s3.amazonaws.com" + case["path"],
        "payload_sha256": case["payload_hash"],
    })  # fmt: skip
    assert opening.json["signature"] == case["signature"]
    with daemon.client() as client:

        def ask(body):
            return client.post("/v1/sign/sigv4/chunk", {"session": opening.json["session"], **body})

        for number, chunk in enumerate(case["chunks"], 1):
            data = chunk["fill_byte"].encode() * chunk["length"]
            reply = ask({"payload_sha256": hashlib.sha256(data).hexdigest(), "length": len(data)})
            assert reply.json["signature"] == chunk["signature"], (number, reply)
            record = daemon.audit(reply.json["audit_seq"] - 1)[0]
            assert record["signed_sha256"] == hashlib.sha256(chunk["string_to_sign"].encode()).hexdigest()
        if "trailer" in case:
            name, value = case["trailer"]["canonical"].rstrip("\n").split(":", 1)
            assert ask({"trailer": [[name, value]]}).json["signature"] == case["trailer"]["signature"]
        # It is complete, and so it is gone.
        problem(ask({"payload_sha256": EMPTY, "length": 0}), "not_permitted")


def test_random_uploads_are_computed_again(daemon):
    dice = random.Random(7)
    for _ in range(20):
        chunks = [dice.randbytes(dice.randint(8 * KIB, 20 * KIB)) for _ in range(dice.randint(0, 4))]
        if chunks and dice.random() < 0.7:
            chunks[-1] = chunks[-1][: dice.randint(1, 8 * KIB)]
        names = dice.sample(["x-amz-checksum-crc32", "x-amz-meta-Last", "x-amz-checksum-sha256"], dice.randint(0, 3))
        upload = Upload(daemon, sum(map(len, chunks)), names)
        for data in [*chunks, b""]:
            assert upload.chunk(data).json["signature"] == upload.computed("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
        if names:
            checksum = base64.b64encode(zlib.crc32(b"".join(chunks)).to_bytes(4, "big")).decode()
            text = "".join(f"{name}:{checksum}\n" for name in sorted(name.lower() for name in names))
            wanted = upload.computed("TRAILER", hashlib.sha256(text.encode()).hexdigest())
            assert upload.trailer(*[(name, f" {checksum} ") for name in names]).json["signature"] == wanted


def test_the_record_has_the_opening_request_and_the_chunk(daemon):
    upload = Upload(daemon, 8 * KIB, ["x-amz-checksum-crc32"])
    first = upload.chunk(b"a" * 8 * KIB).json["audit_seq"]
    upload.chunk(b"")
    last = upload.trailer(["X-Amz-Checksum-Crc32", "AAAAAA=="]).json["audit_seq"]
    opening = upload.opening.json["audit_seq"]
    records = {record["seq"]: record for record in daemon.audit(opening - 1)}
    facts = records[opening]["details"]["facts"]
    record = records[first]
    assert (record["operation"], record["decision"], record["key"], record["version"]) == ("sign.sigv4.chunk", "allowed", "aws", 1)
    assert record["details"]["facts"] == [["session", str(opening)], ["chunk", "1"], ["length", "8192"], *facts]
    assert records[last]["details"]["facts"] == [["session", str(opening)], ["trailer", "x-amz-checksum-crc32:AAAAAA=="], *facts]
    assert upload.session not in json.dumps(list(records.values()))


def test_only_signed_chunks_have_a_session(daemon):
    length = [["X-Amz-Decoded-Content-Length", "1"]]
    for payload in ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD", EMPTY):
        reply = daemon.sign(sigv4.get("aws", method="PUT", headers=length, payload_sha256=payload))
        assert reply.status == 200 and "session" not in reply.json
    presigned = sigv4.get("aws", payload_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", mode="query", expires_in=60)
    assert "session" not in daemon.sign(presigned).json


@pytest.mark.parametrize(
    "headers",
    [[], [["X-Amz-Decoded-Content-Length", "-1"]], [["X-Amz-Decoded-Content-Length", "1a"]], [["X-Amz-Decoded-Content-Length", ""]],
     [["X-Amz-Decoded-Content-Length", "1"]] * 2, [["X-Amz-Decoded-Content-Length", "99999999999999999999"]]],
)  # fmt: skip
def test_it_has_to_say_how_much_comes(daemon, headers):
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    refused(daemon.sign(sigv4.get("aws", method="PUT", headers=headers, payload_sha256=payload)), "X-Amz-Decoded-Content-Length")


@pytest.mark.parametrize("names", [[], ["a,A"], ["a", "a"], ["a,"], [""]])
def test_it_has_to_say_what_trails(daemon, names):
    headers = [["X-Amz-Decoded-Content-Length", "1"], *[["X-Amz-Trailer", name] for name in names]]
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    refused(daemon.sign(sigv4.get("aws", method="PUT", headers=headers, payload_sha256=payload)), "X-Amz-Trailer")


def test_row01_chunks_keep_to_what_was_announced(daemon):
    upload = Upload(daemon, 20 * KIB)
    refused(upload.chunk(b"a" * (20 * KIB + 1)), "20480 bytes are left")
    refused(upload.chunk(b"a" * (8 * KIB - 1)), "8192")
    refused(upload.chunk(b""), "are to come")
    assert upload.chunk(b"a" * 12 * KIB).status == 200
    refused(upload.chunk(b"a" * 12 * KIB), "8192 bytes are left")
    refused(upload.trailer(["a", "b"]), "trailer")
    assert upload.chunk(b"a" * 8 * KIB).status == 200
    refused(upload.chunk(b"a"), "0 bytes are left")
    assert upload.chunk(b"").status == 200


def test_a_small_chunk_is_the_last(daemon):
    upload = Upload(daemon, 8 * KIB + 1)
    assert upload.chunk(b"a" * 8 * KIB).status == 200
    assert upload.chunk(b"a").status == 200
    assert upload.chunk(b"").status == 200


def test_the_trailer_is_the_one_that_was_announced(daemon):
    upload = Upload(daemon, 0, ["x-amz-a , X-Amz-B"])
    refused(upload.trailer(["x-amz-a", "1"], ["x-amz-b", "2"]), "after the chunk of length 0")
    assert upload.chunk(b"").status == 200
    refused(upload.chunk(b""), "has ended")
    a, b = ["x-amz-a", "1"], ["x-amz-b", "2"]
    for wrong in ([], [a], [a, b, ["x-amz-c", "3"]], [a, ["x-amz-c", "3"]], [a, a, b], [a, ["x-amz-b", "x\ny"]]):
        refused(upload.trailer(*wrong), "trailer")
    assert upload.trailer(b, a).status == 200
    problem(upload.trailer(a, b), "not_permitted")


@pytest.mark.parametrize(
    "body",
    [{}, {"payload_sha256": EMPTY}, {"length": 0}, {"payload_sha256": EMPTY, "length": 1}, {"payload_sha256": "A" * 64, "length": 1},
     {"payload_sha256": "a" * 64, "length": 0}, {"payload_sha256": "a" * 64, "length": -1}, {"payload_sha256": "a" * 64, "length": 1.5},
     {"payload_sha256": EMPTY, "length": 0, "trailer": []}, {"payload_sha256": EMPTY, "length": 0, "key": "aws"},
     {"trailer": {}}, {"trailer": [["a"]]}, {"trailer": [["a b", "c"]]}],
)  # fmt: skip
def test_malformed(daemon, body):
    upload = Upload(daemon, 0)
    problem(upload.ask(body), "invalid_request", 400)
    assert upload.chunk(b"").status == 200, "it is where it was"


def test_row01_a_session_is_its_accounts_own(daemon, root):
    daemon.write_policy(everything() + everything(4242).replace('"everything', '"others'))
    assert daemon.reload().status == 200
    upload = Upload(daemon, 0)
    foreign = as_user(4242, lambda: upload.chunk(b""))
    stolen, upload.session = upload.session, "A" * 22
    unknown = as_user(4242, lambda: upload.chunk(b""))
    upload.session = stolen
    for reply in (foreign, unknown):
        problem(reply, "not_permitted", 403)
        record = daemon.audit(reply.json["audit_seq"] - 1)[0]
        assert (record["decision"], record["uid"], record["key"], record["operation"]) == ("denied", 4242, "", "sign.sigv4.chunk")
        assert record["details"]["reason"] == "there is no such session of this caller"
    assert foreign.json["detail"] == unknown.json["detail"] and "no such session" in unknown.json["detail"]
    assert upload.chunk(b"").status == 200


def test_the_oldest_of_seventeen_gives_way(daemon):
    uploads = [Upload(daemon, 0) for _ in range(17)]
    problem(uploads[0].chunk(b""), "not_permitted")
    for upload in uploads[1:]:
        assert upload.chunk(b"").status == 200


def test_a_grant_that_is_gone_stops_it(daemon):
    upload = Upload(daemon, 16 * KIB)
    assert upload.chunk(b"a" * 8 * KIB).status == 200
    daemon.write_policy(everything() + '[[grant]]\nname = "no-puts"\neffect = "deny"\nkey = "aws"\nfacts = { method = "PUT" }\n')
    assert daemon.reload().status == 200
    try:
        problem(upload.chunk(b"a" * 8 * KIB), "not_permitted", 403)
    finally:
        daemon.write_policy(everything())
        assert daemon.reload().status == 200
    assert upload.chunk(b"a" * 8 * KIB).status == 200, "allowed again, it goes on where it was"


def test_a_key_or_version_that_is_disabled_stops_it(daemon):
    upload = Upload(daemon, 16 * KIB)
    with daemon.admin() as admin:
        for what in ("", "/versions/1"):
            assert admin.post(f"/v1/keys/aws{what}/disable").status == 200
            problem(upload.chunk(b"a" * 8 * KIB), "not_permitted", 403)
            assert admin.post(f"/v1/keys/aws{what}/enable").status == 200
            assert upload.chunk(b"a" * 8 * KIB).status == 200


def test_two_chunks_at_once_are_a_conflict(daemon):
    upload = Upload(daemon, 0)
    with daemon.admin() as admin:  # So that the next signature needs the device.
        assert admin.post("/v1/keys/aws/disable").status == admin.post("/v1/keys/aws/enable").status == 200
    pid = daemon.part("device")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        os.kill(pid, signal.SIGSTOP)
        try:
            asked = [pool.submit(upload.chunk, b"") for _ in range(2)]
            done, waiting = concurrent.futures.wait(asked, 20, concurrent.futures.FIRST_COMPLETED)
        finally:
            os.kill(pid, signal.SIGCONT)
        problem(done.pop().result(), "conflict", 409)
        assert waiting.pop().result().status == 200


def test_it_goes_on_with_the_version_that_began_it(daemon):
    daemon.import_aws("aws-turned", ID, SECRET)
    upload = Upload(daemon, 8 * KIB, key="aws-turned")
    with daemon.admin() as admin:
        body = {"access_key_id": "AKIDNEXT", "secret_access_key": "another", "state": "active"}
        assert admin.post("/v1/keys/aws-turned/versions", body).status == 201
        data = b"a" * 8 * KIB
        assert upload.chunk(data).json["signature"] == upload.computed("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
        assert admin.post("/v1/keys/aws-turned/versions/1/retire").status == 200
        problem(upload.chunk(b""), "not_permitted")
