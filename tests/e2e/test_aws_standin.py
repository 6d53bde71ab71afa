"""The stand-in for STS and Roles Anywhere is a judge: what botocore signs it takes, what is altered it refuses."""

import base64
import datetime
import hashlib
import http.client
import json
import ssl
import time

import boto3
import botocore.config
import botocore.exceptions
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from holdfast_testing import aws_clients, jws
from holdfast_testing.aws_authority import Authority
from holdfast_testing.aws_standin import ACCOUNT, StandIn, quoted

ROLE = f"arn:aws:iam::{ACCOUNT}:role/orders"
ANCHOR = f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:trust-anchor/00000000-0000-4000-8000-000000000001"
PROFILE = f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:profile/00000000-0000-4000-8000-000000000002"


@pytest.fixture
def aws(folder):
    with StandIn(folder) as standin:
        standin.access_keys["AKIAJUDGE"] = "a-secret-of-the-judge"
        yield standin


def sts(aws, key, secret, token=None):
    config = botocore.config.Config(retries={"max_attempts": 0})
    return boto3.client("sts", region_name="eu-west-1", endpoint_url=aws.url, verify=aws.ca_file, config=config,
                        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token)  # fmt: skip


def code_of(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**options)
    return raised.value.response["Error"]["Code"]


def test_botocore_gets_credentials_that_serve_and_nobody_without_the_secret_does(aws):
    good = sts(aws, "AKIAJUDGE", "a-secret-of-the-judge")
    assert good.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/AKIAJUDGE"
    for given in (good.get_session_token(), good.assume_role(RoleArn=ROLE, RoleSessionName="judge")):
        one = given["Credentials"]
        assert one["Expiration"] > datetime.datetime.now(datetime.timezone.utc)
        assert sts(aws, one["AccessKeyId"], one["SecretAccessKey"], one["SessionToken"]).get_caller_identity()["Account"] == ACCOUNT
        assert code_of(sts(aws, one["AccessKeyId"], one["SecretAccessKey"], "no").get_caller_identity) == "InvalidClientTokenId"
    assert code_of(sts(aws, "AKIAJUDGE", "another").get_session_token) == "SignatureDoesNotMatch"
    assert code_of(sts(aws, "AKIANOBODY", "another").get_session_token) == "InvalidClientTokenId"
    assert code_of(good.assume_role, RoleArn=ROLE.replace("role/", "user/"), RoleSessionName="judge") == "ValidationError"


@pytest.mark.parametrize("name", aws_clients.NAMES)
def test_every_client_is_told_who_it_is(aws, folder, name):
    env = aws_clients.environment(aws, folder, AWS_ACCESS_KEY_ID="AKIAJUDGE", AWS_SECRET_ACCESS_KEY="a-secret-of-the-judge")
    assert aws_clients.identity(name, aws, env) == f"arn:aws:iam::{ACCOUNT}:user/AKIAJUDGE"
    with pytest.raises(AssertionError):
        aws_clients.identity(name, aws, dict(env, AWS_SECRET_ACCESS_KEY="another"))


def test_a_clock_that_is_off_is_refused(aws):
    aws.clock = 1200
    assert code_of(sts(aws, "AKIAJUDGE", "a-secret-of-the-judge").get_session_token) == "SignatureDoesNotMatch"


def test_only_a_token_of_the_published_keys_assumes_a_role(aws):
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    aws.jwks = {"keys": [{"kty": "EC", "crv": "P-256", "x": jws.encode(numbers.x.to_bytes(32, "big")), "y": jws.encode(numbers.y.to_bytes(32, "big"))}]}
    now = int(time.time())

    def ask(signer, **changed):
        claims = {"aud": "sts.amazonaws.com", "nbf": now, "exp": now + 300, **changed}
        text = ".".join(jws.encode(json.dumps(part).encode()) for part in ({"alg": "ES256"}, claims))
        r, s = decode_dss_signature(signer.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        token = f"{text}.{jws.encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
        return {"RoleArn": ROLE, "RoleSessionName": "judge", "WebIdentityToken": token}

    call = sts(aws, "unused", "unused").assume_role_with_web_identity
    assert call(**ask(key))["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert code_of(call, **ask(ec.generate_private_key(ec.SECP256R1()))) == "InvalidIdentityToken"
    assert code_of(call, **ask(key, aud="elsewhere")) == "InvalidIdentityToken"
    assert code_of(call, **ask(key, exp=now - 1)) == "ExpiredTokenException"


def certified(authority, key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "judge")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = authority.issue(request.public_bytes(serialization.Encoding.PEM).decode()).encode()
    end = b"-----END CERTIFICATE-----\n"
    return [x509.load_pem_x509_certificate(one + end) for one in pem.split(end)[:-1]]


def create_session(aws, key, chain, alter=None):
    """(status, reply) of a CreateSession signed here, by the published rules; `alter` changes the headers after that."""
    host = aws.url.removeprefix("https://")
    body = b'{"durationSeconds":900}'
    query = "&".join(f"{name}={quoted(value)}" for name, value in (("profileArn", PROFILE), ("roleArn", ROLE), ("trustAnchorArn", ANCHOR)))
    der = [base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode() for one in chain]
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {"content-type": "application/json", "host": host, "x-amz-date": stamp, "x-amz-x509": der[0], "x-amz-x509-chain": ",".join(der[1:])}
    canonical = "\n".join(["POST", "/sessions", query, *(f"{name}:{value}" for name, value in headers.items()), "", ";".join(headers), hashlib.sha256(body).hexdigest()])
    algorithm = "AWS4-X509-ECDSA-SHA256" if isinstance(key, ec.EllipticCurvePrivateKey) else "AWS4-X509-RSA-SHA256"
    scope = f"{stamp[:8]}/eu-west-1/rolesanywhere/aws4_request"
    text = "\n".join([algorithm, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()]).encode()
    signature = key.sign(text, ec.ECDSA(hashes.SHA256())) if "ECDSA" in algorithm else key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    headers["authorization"] = f"{algorithm} Credential={chain[0].serial_number}/{scope}, SignedHeaders={';'.join(headers)}, Signature={signature.hex()}"
    connection = http.client.HTTPSConnection(host, timeout=30, context=ssl.create_default_context(cafile=aws.ca_file))
    connection.request("POST", f"/sessions?{query}", body, {**headers, **(alter or {})})
    reply = connection.getresponse()
    answer = json.loads(reply.read())
    connection.close()
    return reply.status, answer


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_session_is_for_the_owner_of_a_certificate_of_the_anchor(aws, folder, kind):
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    chain = certified(aws.authority, key)
    status, answer = create_session(aws, key, chain)
    assert status == 201, answer
    one = answer["credentialSet"][0]["credentials"]
    arn = sts(aws, one["accessKeyId"], one["secretAccessKey"], one["sessionToken"]).get_caller_identity()["Arn"]
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/")

    refused = [create_session(aws, ec.generate_private_key(ec.SECP256R1()), chain), create_session(aws, key, chain[:1]),
               create_session(aws, key, chain, {"x-amz-date": "20200101T000000Z"}), create_session(aws, key, chain, {"content-type": "text/plain"}),
               create_session(aws, key, certified(Authority(folder + "/foreign", "Foreign"), key))]  # fmt: skip
    assert [status for status, _ in refused] == [403] * len(refused), refused
