"""CreateSession signed as AWS documents it, computed from what is sent alone.

https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-sign-process.html
"""

import base64
import hashlib
import os
import subprocess
import tempfile
import urllib.parse

from holdfast_testing.authority import openssl

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/apps/orders"
PROFILE = f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:profile/01234567-89ab-cdef-0123-456789abcdef"
ANCHOR = f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:trust-anchor/fedcba98-7654-3210-fedc-ba9876543210"


def session(key, **more):
    """A request to ask a signature for."""
    return {"key": key, "region": "eu-west-1", "role_arn": ROLE, "profile_arn": PROFILE, "trust_anchor_arn": ANCHOR, **more}


def sign(daemon, key, **more):
    with daemon.client() as client:
        return client.post("/v1/sign/roles-anywhere", session(key, **more))


def certificates(pem):
    """The DER of each in a PEM file."""
    end = "-----END CERTIFICATE-----"
    blocks = [part.split("-----BEGIN CERTIFICATE-----")[1] for part in pem.split(end) if "BEGIN" in part]
    return [base64.b64decode("".join(block.split())) for block in blocks]


def serial(pem):
    return int(openssl("x509", "-noout", "-serial", text=pem).strip().split("=")[1], 16)


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def string_to_sign(reply, algorithm):
    """Tasks 1 and 2 of the documentation, from method, url, headers and body that will be sent."""
    url = urllib.parse.urlsplit(reply["url"])
    headers = {name.lower(): " ".join(value.split()) for name, value in reply["headers"] if name != "Authorization"}
    headers["host"] = url.netloc
    query = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted(urllib.parse.parse_qsl(url.query)))
    canonical = "\n".join(
        [
            reply["method"],
            url.path,
            query,
            "".join(f"{name}:{headers[name]}\n" for name in sorted(headers)),
            ";".join(sorted(headers)),
            hashlib.sha256(reply["body"].encode()).hexdigest(),
        ]
    )
    date = headers["x-amz-date"]
    scope = f"{date[:8]}/{url.hostname.split('.')[1]}/rolesanywhere/aws4_request"
    return "\n".join([algorithm, date, scope, hashlib.sha256(canonical.encode()).hexdigest()]), sorted(headers), scope


def wrong(reply, chain_pem, algorithm):
    """Why AWS would refuse this request of the leaf in chain_pem; empty if it would not."""
    sent = dict(reply["headers"])
    text, names, scope = string_to_sign(reply, algorithm)
    der = certificates(chain_pem)
    if base64.b64decode(sent["X-Amz-X509"]) != der[0]:
        return "the certificate is another"
    expected = (
        f"{algorithm} Credential={serial(chain_pem)}/{scope}, SignedHeaders={';'.join(names)}, Signature={reply['signature']}"
    )
    if sent["Authorization"] != expected:
        return f"Authorization is not {expected}"
    with tempfile.TemporaryDirectory() as folder:
        public, signature = os.path.join(folder, "public.pem"), os.path.join(folder, "signature")
        with open(public, "w", encoding="ascii") as file:
            file.write(openssl("x509", "-noout", "-pubkey", text=chain_pem))
        with open(signature, "wb") as file:
            file.write(bytes.fromhex(reply["signature"]))
        verify = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", signature]
        done = subprocess.run(verify, input=text.encode(), capture_output=True, timeout=60, check=False)
        return "" if done.returncode == 0 else "the signature is not of this key over this request"
