"""SigV4A through the socket: keys derived from an access key, sets of regions, and what grants make of them."""

import hashlib
import json
import os

import pytest

from holdfast_testing import paths, sigv4a
from holdfast_testing.daemon import Daemon, problem
from holdfast_testing.sigv4 import get

ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
VECTOR = os.path.join(paths.VECTORS, "aws-sigv4-c-auth", "sigv4a_key_derivation.json")
GRANTS = """
[[grant]]
name = "wherever"
key = "aws*"
caller = {{ uid = {uid} }}
facts = {{ region = "*" }}

[[grant]]
name = "anywhere-by-name"
key = "plain"
caller = {{ uid = {uid} }}

[[grant]]
name = "europe"
key = "europe"
caller = {{ uid = {uid} }}
facts = {{ region = "eu-*" }}

[[grant]]
name = "open"
key = "open"
caller = {{ uid = {uid} }}
facts = {{ region = "*" }}

[[grant]]
name = "not-the-us"
effect = "deny"
key = "open"
facts = {{ region = "us-*" }}
"""


@pytest.fixture(scope="module")
def daemon(folder, device):
    grants = GRANTS.format(uid=os.geteuid())
    with Daemon(os.path.join(folder, "tpm" if isinstance(device, str) else device.name), device, grants) as running:
        running.import_aws("aws", ID, SECRET)
        for name in ("aws-4a", "plain", "europe", "open"):
            running.import_aws(name, ID, SECRET, use="sigv4a")
        yield running


def of_set(key, *regions, **more):
    request = get(key, explain=True, **more)
    del request["region"]
    return {**request, "region_set": list(regions)}


def test_the_derived_key_is_the_published_one(daemon, vectors):
    with open(VECTOR, encoding="utf-8") as file:
        vector = json.load(file)
    key = daemon.import_aws("aws-vector", vector["access_key_id"], vector["secret_access_key"], use="sigv4a")
    assert (key["type"], key["use"], key["origin"]) == ("ec-p256", "sigv4a", "imported")
    assert key["versions"][0]["kid"] == vector["access_key_id"]
    assert key["public_key_pem"] == sigv4a.pem({"X": vector["public_x"], "Y": vector["public_y"]})


def test_the_signature_is_of_the_set(daemon):
    reply = daemon.sign(of_set("aws-4a", "us-east-1", "eu-*"))
    assert reply.status == 200, reply
    assert sigv4a.verifies(sigv4a.public_key(ID, SECRET), reply.json["string_to_sign"], reply.json["signature"])
    headers = dict(reply.json["headers"])
    assert headers["X-Amz-Region-Set"] == "us-east-1,eu-*"
    assert headers["Authorization"].endswith("Signature=" + reply.json["signature"])
    record = daemon.audit(reply.json["audit_seq"] - 1)[0]
    assert [value for name, value in record["details"]["facts"] if name == "region"] == ["us-east-1", "eu-*"]
    assert record["signed_sha256"] == hashlib.sha256(reply.json["string_to_sign"].encode()).hexdigest()
    found = daemon.cli("--json", "audit", "who", headers["Authorization"], "--from", os.path.join(daemon.state, "audit"))
    assert json.loads(found.stdout.splitlines()[0])["seq"] == record["seq"]


def test_the_next_secret_is_the_next_version(daemon):
    daemon.import_aws("aws-next", ID, SECRET, use="sigv4a")
    with daemon.admin() as admin:
        body = {"access_key_id": "AKIDNEXT", "secret_access_key": SECRET, "state": "active"}
        assert admin.post("/v1/keys/aws-next/versions", body).status == 201
        problem(admin.post("/v1/keys/aws-next/versions"), "invalid_request")
    reply = daemon.sign(of_set("aws-next", "eu-west-1"))
    assert "Credential=AKIDNEXT/" in dict(reply.json["headers"])["Authorization"]
    assert sigv4a.verifies(sigv4a.public_key("AKIDNEXT", SECRET), reply.json["string_to_sign"], reply.json["signature"])


def test_row01_each_use_signs_its_own_alone(daemon):
    problem(daemon.sign(of_set("aws", "eu-west-1")), "not_permitted")
    problem(daemon.sign(get("aws-4a")), "not_permitted")
    with daemon.client() as client:
        digest = {"key": "aws-4a", "algorithm": "ES256", "digest": "A" * 43 + "=", "encoding": "raw"}
        problem(client.post("/v1/sign/digest", digest), "not_permitted")
        problem(client.post("/v1/token/jwt", {"key": "aws-4a", "audience": "a", "ttl": 60}), "not_permitted")
        assert client.get("/v1/jwks").json["keys"] == []
        assert {"sigv4", "sigv4a"} <= set(client.get("/v1/version").json["features"])


def test_it_is_made_of_an_access_key_alone(daemon):
    with daemon.admin() as admin:
        made = {"name": "made", "type": "ec-p256", "use": "sigv4a", "device": daemon.device}
        assert "import it" in problem(admin.post("/v1/keys", made), "invalid_request")["detail"]
        given = {"name": "made", "use": "sigv4a", "private_key_pem": "x", "device": daemon.device}
        problem(admin.post("/v1/keys/import", given), "invalid_request")


@pytest.mark.parametrize(
    "key, regions, allowed",
    [
        ("plain", ["us-east-1", "eu-west-1"], True),
        ("plain", ["eu-*"], False),
        ("europe", ["eu-west-1", "eu-*"], True),
        ("europe", ["eu-west-1", "us-east-1"], False),
        ("europe", ["*"], False),
        ("open", ["eu-west-1"], True),
        ("open", ["us-east-1"], False),
        ("open", ["*"], False),
        ("open", ["eu-west-1", "*-east-1"], False),
    ],
)
def test_row06_a_set_of_regions_slips_past_no_grant(daemon, key, regions, allowed):
    for more in ({}, {"mode": "query", "expires_in": 60}):
        reply = daemon.sign(of_set(key, *regions, **more))
        if allowed:
            assert reply.status == 200, reply
        else:
            problem(reply, "not_permitted")


def test_the_command_line(daemon):
    daemon.cli("key", "import-aws", "aws-cli", "--use", "sigv4a", "--access-key-id", ID, "--device", daemon.device, input=SECRET)
    arguments = ["--service", "s3", "https://bucket.s3.eu-west-1.amazonaws.com/a"]
    done = daemon.cli("--json", "sign", "sigv4", "--key", "aws-cli", "--region-set", "eu-west-1,us-*", "--explain", *arguments)
    reply = json.loads(done.stdout)
    assert dict(reply["headers"])["X-Amz-Region-Set"] == "eu-west-1,us-*"
    assert sigv4a.verifies(sigv4a.public_key(ID, SECRET), reply["string_to_sign"], reply["signature"])
    both = daemon.cli("sign", "sigv4", "--key", "aws-cli", "--region", "a", "--region-set", "b", *arguments, check=False)
    neither = daemon.cli("sign", "sigv4", "--key", "aws-cli", *arguments, check=False, env={"AWS_REGION": ""})
    assert (both.returncode, neither.returncode) == (2, 2)
    assert "--region" in neither.stderr
