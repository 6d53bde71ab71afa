"""SigV4 checked from outside: the derivation in software, and requests as botocore signs them."""

import hashlib
import hmac


def signing_key(secret, date, region, service):
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def signature(secret, string_to_sign):
    """Of a string to sign, whose third line is the scope."""
    date, region, service, _ = string_to_sign.split("\n")[2].split("/")
    return hmac.new(signing_key(secret, date, region, service), string_to_sign.encode(), hashlib.sha256).hexdigest()


def wrong(reply, secret):
    """Why an explained reply is not a signature of that secret over what it explains; empty if it is."""
    text = reply["string_to_sign"]
    if text.split("\n")[3] != hashlib.sha256(reply["canonical_request"].encode()).hexdigest():
        return "the string to sign is of another canonical request"
    if signature(secret, text) != reply["signature"]:
        return "the signature is not of this secret and string to sign"
    return ""


def get(key, url="https://bucket.s3.eu-west-1.amazonaws.com/a", **more):
    """A plain S3 GET to ask a signature for."""
    return {"key": key, "region": "eu-west-1", "service": "s3", "method": "GET", "url": url, **more}


def digest_in_audit(signature_hex):
    """What the record's signature_sha256 has to be: the hash of the MAC's 32 bytes."""
    return hashlib.sha256(bytes.fromhex(signature_hex)).hexdigest()
