"""Forms for uploads to S3, judged by the published rules, by botocore, and by grants.

OpenStack Swift, the S3 server of test_s3_server.py, takes no forms (its s3api has no POST Object), so a stand-in that is written from the
published rules (holdfast_testing.s3_form) receives them.
"""

import datetime
import json
import os
import random
import re
import subprocess
import types

import botocore.auth
import botocore.session
import botocore.signers
import pytest
from botocore.config import Config

from holdfast_testing import openapi, s3_form, sigv4
from holdfast_testing.client import Client
from holdfast_testing.daemon import Daemon, problem

ACCESS_KEY, SECRET = "AKIAFORM", "q7/form+SECRET/for-the-tests/0123456789"
PATH = "/v1/sign/s3-post"
GRANTS = """
[[grant]]
name = "anything"
key = "open"
caller = { uid = %(uid)d }
facts = { mode = "post", encoded_path = true, "starts_with.*" = "**" }
limits = { max_skew = "unlimited" }

[[grant]]
name = "requests"
key = "open"
caller = { uid = %(uid)d }
facts = { mode = "header" }

[[grant]]
name = "one-object"
key = "narrow"
caller = { uid = %(uid)d }
facts = { service = "s3", bucket = "inbox", mode = "post", path = "/exact/*", expires_in = 900 }

[[grant]]
name = "below"
key = "narrow"
caller = { uid = %(uid)d }
facts = { bucket = "inbox", mode = "post", path_prefix = "/user/**", content_length_max = 1000, "starts_with.content-type" = "image/**" }

[[grant]]
name = "no-mode"
key = "closed"
caller = { uid = %(uid)d }
facts = { service = "s3", bucket = "inbox" }

[[grant]]
name = "never-public"
effect = "deny"
key = "narrow"
facts = { "header.x-amz-acl" = "public-*" }
""" % {"uid": os.geteuid()}


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANTS) as running:
        for key in ("open", "narrow", "closed"):
            running.import_aws(key, ACCESS_KEY, SECRET)
        yield running


def form(**changes):
    body = {"key": "open", "region": "eu-west-1", "bucket": "inbox", "object": "exact/a", "expires_in": 900, **changes}
    return {name: value for name, value in body.items() if value is not None}


def ask(daemon, **changes):
    with daemon.client() as client:
        reply = client.post(PATH, form(**changes))
    assert openapi.fault("POST", PATH, reply) == ""
    return reply


def fields_of(daemon, **changes):
    reply = ask(daemon, **changes)
    assert reply.status == 200, reply
    return dict(reply.json["fields"])


def record_of(daemon, reply):
    with daemon.admin() as admin:
        return admin.get(f"/v1/requests/{reply.request_id}").json


def test_it_is_a_feature(daemon):
    with daemon.client() as client:
        assert "s3-post" in client.get("/v1/version").json["features"]


def test_a_form_is_taken_by_the_published_rules(daemon):
    reply = ask(daemon, fields=[["acl", "private"], ["x-amz-meta-a", 'é$"\\']], content_length_range=[1, 5], explain=True)
    assert reply.json["url"] == "https://inbox.s3.eu-west-1.amazonaws.com/"
    fields = dict(reply.json["fields"])
    assert len(fields) == len(reply.json["fields"])
    assert json.loads(reply.json["policy_document"]) == s3_form.document(fields)
    assert s3_form.refusal(SECRET, "inbox", fields, b"12345", "f") == ""
    for changed, content in (({}, b""), ({}, b"123456"), ({"acl": "public-read"}, b"1"), ({"key": "exact/b"}, b"1"), ({"x-amz-meta-b": "1"}, b"1"),
                             ({"x-amz-signature": "0" * 64}, b"1")):  # fmt: skip
        assert s3_form.refusal(SECRET, "inbox", {**fields, **changed}, content, "f") != "", changed
    assert s3_form.refusal(SECRET, "other", fields, b"1", "f") != ""
    assert s3_form.refusal(SECRET + "x", "inbox", fields, b"1", "f") != ""
    late = datetime.datetime.utcnow() + datetime.timedelta(seconds=901)
    assert s3_form.refusal(SECRET, "inbox", fields, b"1", "f", now=late) == "the policy has expired"

    record = daemon.audit()[reply.json["audit_seq"]]
    assert record["operation"] == "sign.s3-post" and record["decision"] == "allowed"
    assert record["signature_sha256"] == sigv4.digest_in_audit(fields["x-amz-signature"])
    assert ["path", "/exact/a"] in record["details"]["facts"] and ["mode", "post"] in record["details"]["facts"]


def test_the_uploader_fills_in_what_a_form_leaves_open(daemon):
    fields = fields_of(daemon, object=None, object_prefix="user/", starts_with=[["Content-Type", "image/"]], session_token="tok+en/=")
    assert fields["key"] == "user/${filename}" and fields["x-amz-security-token"] == "tok+en/="
    for content_type, key, taken in (("image/png", "user/${filename}", True), ("text/html", "user/${filename}", False),
                                     ("image/png", "user/other", True), ("image/png", "admin/x", False)):  # fmt: skip
        refusal = s3_form.refusal(SECRET, "inbox", {**fields, "Content-Type": content_type, "key": key}, b"1", "photo.png")
        assert (refusal == "") == taken, refusal
    assert s3_form.refusal(SECRET, "inbox", fields, b"1", "photo.png") != "", "the type was left to the uploader"


def random_form(rng):
    text = lambda low, high: "".join(rng.choice("abcXYZ019-._~ !$'()*,;:@=+&/é€😀\"\\{}") for _ in range(rng.randint(low, high)))  # noqa: E731
    names = rng.sample(["acl", "Content-Type", "Cache-Control", "x-amz-meta-a", "X-Amz-Meta-B", "success_action_redirect", "tagging"], rng.randint(0, 5))
    split = rng.randint(0, len(names))
    return {
        "region": rng.choice(["eu-west-1", "us-east-1", "ap-south-2"]),
        "bucket": rng.choice(["orders", "orders-in", "a.b.c"]),
        "key": text(1, 20),
        "prefix": rng.random() < 0.5,
        "fields": [[name, text(0, 30)] for name in names[:split]],
        "starts_with": [[name, text(0, 10)] for name in names[split:]],
        "range": sorted([rng.randint(0, 10**9), rng.randint(0, 10**9)]) if rng.random() < 0.5 else None,
        "token": "tok/+=" if rng.random() < 0.3 else None,
        "expires_in": rng.randint(1, 604800),
        "time": datetime.datetime(2015, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 10**9)),
    }


def by_botocore(monkeypatch, session, wanted):
    class Fixed(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return wanted["time"]

    clock = types.SimpleNamespace(datetime=Fixed, timedelta=datetime.timedelta)
    monkeypatch.setattr(botocore.auth, "datetime", clock)
    monkeypatch.setattr(botocore.signers, "datetime", clock)
    client = session.create_client("s3", wanted["region"], aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET,
                                   aws_session_token=wanted["token"], config=Config(signature_version="s3v4"))  # fmt: skip
    conditions = [{name: value} for name, value in wanted["fields"]]
    conditions += [["starts-with", "$" + name, prefix] for name, prefix in wanted["starts_with"]]
    if wanted["range"]:
        conditions.append(["content-length-range", *wanted["range"]])
    key = wanted["key"] + ("${filename}" if wanted["prefix"] else "")
    return client.generate_presigned_post(wanted["bucket"], key, dict(wanted["fields"]), conditions, wanted["expires_in"])["fields"]


def test_forms_say_what_botocores_say(daemon, monkeypatch):
    rng, session = random.Random(20260105), botocore.session.get_session()
    for _ in range(60):
        wanted = random_form(rng)
        theirs = by_botocore(monkeypatch, session, wanted)
        asked = {name: wanted[name] for name in ("region", "bucket", "fields", "starts_with", "expires_in")}
        asked.update(object=None if wanted["prefix"] else wanted["key"], object_prefix=wanted["key"] if wanted["prefix"] else None,
                     content_length_range=wanted["range"], session_token=wanted["token"], time=wanted["time"].strftime("%Y-%m-%dT%H:%M:%SZ"))  # fmt: skip
        ours = fields_of(daemon, **asked)
        assert ours["x-amz-signature"] == s3_form.signature(SECRET, ours)
        own, other = s3_form.document(ours), s3_form.document(theirs)
        as_set = lambda policy: sorted(json.dumps(condition, sort_keys=True) for condition in policy["conditions"])  # noqa: E731
        assert as_set(own) == as_set(other) and own["expiration"] == other["expiration"]
        signed = ("policy", "x-amz-signature")
        assert {n: v for n, v in ours.items() if n not in signed} == {n: v for n, v in theirs.items() if n not in signed}


def test_grants_tell_objects_and_prefixes_apart(daemon):
    narrow = {"key": "narrow"}
    assert ask(daemon, **narrow).status == 200
    problem(ask(daemon, **narrow, object="exact/a/b"), "not_permitted", 403)
    problem(ask(daemon, **narrow, object="user/a"), "not_permitted", 403)
    problem(ask(daemon, **narrow, bucket="other"), "not_permitted", 403)
    problem(ask(daemon, **narrow, expires_in=901), "not_permitted", 403)
    problem(ask(daemon, **narrow, object="exact/.."), "not_permitted", 403)
    prefix = {**narrow, "object": None, "object_prefix": "user/17/", "content_length_range": [0, 1000], "starts_with": [["Content-Type", "image/"]]}
    assert ask(daemon, **prefix).status == 200
    problem(ask(daemon, **{**prefix, "object_prefix": "use"}), "not_permitted", 403)
    problem(ask(daemon, **{**prefix, "object_prefix": "exact/"}), "not_permitted", 403)
    problem(ask(daemon, **{**prefix, "content_length_range": None}), "not_permitted", 403)
    problem(ask(daemon, **{**prefix, "content_length_range": [0, 1001]}), "not_permitted", 403)
    for other in (None, [["Content-Type", "text/"]], [*prefix["starts_with"], ["x-amz-meta-a", ""]]):
        problem(ask(daemon, **{**prefix, "starts_with": other}), "not_permitted", 403)


def test_a_deny_sees_the_acl_of_a_form(daemon):
    assert ask(daemon, key="narrow", fields=[["acl", "private"]]).status == 200
    for name in ("acl", "ACL", "x-amz-acl"):
        reply = ask(daemon, key="narrow", fields=[[name, "public-read"]])
        problem(reply, "not_permitted", 403)
        assert record_of(daemon, reply)["grant"] == "never-public"


def test_a_grant_without_mode_opens_no_forms_and_suggest_says_how(daemon):
    reply = ask(daemon, key="closed", starts_with=[["acl", ""]], content_length_range=[0, 0])
    problem(reply, "not_permitted", 403)
    assert '"mode" was "post", which a grant has to name' in record_of(daemon, reply)["reason"]
    assert "which a grant has to name" in daemon.cli("policy", "explain", reply.request_id, "--config", daemon.config).stdout
    suggested = daemon.cli("policy", "suggest", reply.request_id).stdout
    assert 'mode = "post"' in suggested
    try:
        daemon.write_policy(GRANTS + suggested)
        assert daemon.reload().status == 200
        assert ask(daemon, key="closed", starts_with=[["acl", ""]], content_length_range=[0, 0]).status == 200
        problem(ask(daemon, key="closed", starts_with=[["acl", ""]], content_length_range=[0, 2]), "not_permitted", 403)
    finally:
        daemon.write_policy(GRANTS)
        assert daemon.reload().status == 200


@pytest.mark.parametrize("changes", [{"expires_in": None}, {"object": None}, {"object_prefix": "a"}, {"object": "${filename}"},
                                     {"fields": [["x-amz-date", "1"]]}, {"bucket": "B"}, {"more": 1}], ids=str)  # fmt: skip
def test_a_bad_request_is_no_decision(daemon, changes):
    problem(ask(daemon, **changes), "invalid_request", 400)


def device_commands(daemon):
    with Client(daemon.metrics_socket) as client:
        text = client.get("/metrics").content.decode()
    return float(re.search(r"^holdfast_device_execution_seconds_count\{[^}]*\} (\S+)$", text, re.MULTILINE)[1])


def test_requests_and_forms_share_one_signing_key(daemon):
    day = {"region": "us-west-2", "time": datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")}
    before = device_commands(daemon)
    assert ask(daemon, **day).status == 200
    derived = device_commands(daemon)
    reply = daemon.sign({**sigv4.get("open", explain=True), **day})
    assert reply.status == 200 and sigv4.wrong(reply.json, SECRET) == ""
    assert ask(daemon, **day, object="exact/b").status == 200
    assert derived > before and device_commands(daemon) == derived


def test_only_keys_of_aws_sign_forms(daemon):
    daemon.create_key("narrow-digest")
    problem(ask(daemon, key="narrow-digest"), "not_permitted", 403)


def test_curl_uploads_what_the_command_prints(daemon, folder):
    photo = os.path.join(folder, 'photo "1".png')
    with open(photo, "wb") as file:
        file.write(b"\x89PNG\r\n")
    with s3_form.Bucket("inbox", SECRET) as bucket:
        command = ["sign", "s3-post", "--key", "open", "--region", "eu-west-1", "--bucket", "inbox", "--object-prefix", "user/", "--expires-in", "60",
                   "--max-length", "6", "--field", 'x-amz-meta-odd=a "b" \\c=;@<é$', "--field", "Content-Type=image/png", "--url", bucket.url]  # fmt: skip
        configuration = daemon.cli(*command).stdout
        upload = ["curl", "-sS", "-q", "-o", os.devnull, "-w", "%{http_code}", "-K", "-", "-F", f'file=@"{photo.replace(chr(34), chr(92) + chr(34))}"']
        result = subprocess.run(upload, input=configuration, capture_output=True, text=True, timeout=60, check=False)
        assert (result.stdout, result.stderr, bucket.refused) == ("204", "", [])
        assert list(bucket.stored.values()) == [b"\x89PNG\r\n"]
        with open(photo, "ab") as file:
            file.write(b"more")
        result = subprocess.run(upload, input=configuration, capture_output=True, text=True, timeout=60, check=False)
        assert result.stdout == "403" and "content-length-range" in bucket.refused[0], result

    reply = json.loads(daemon.cli("--json", *command).stdout)
    assert set(reply) == {"url", "fields", "signature", "audit_seq"}
    explained = daemon.cli(*command, "--explain")
    assert json.loads(explained.stderr.partition("policy document:\n")[2])["conditions"]


@pytest.mark.parametrize("more", [["--field", "novalue"], ["--object", "a", "--object-prefix", "b"], ["--min-length", "1"], ["--expires-in", "0"]], ids=str)
def test_wrong_usage_is_said(daemon, more):
    command = ["sign", "s3-post", "--key", "open", "--region", "eu-west-1", "--bucket", "inbox"]
    command += [] if "--expires-in" in more else ["--expires-in", "60"]
    command += [] if "--object" in more else ["--object", "a"]
    assert daemon.cli(*command, *more, check=False).returncode == 2
