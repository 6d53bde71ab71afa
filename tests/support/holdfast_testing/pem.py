"""Private keys as people have them: made by the openssl command, in every form that it writes."""

import base64
import subprocess

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from holdfast_testing import jws

OPTIONS = {
    "ec-p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ec-p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ec-p521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "ec-k256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "rsa-1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "rsa-2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa-3072": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    "rsa-4096": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    "rsa-exponent-3": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"],
    "rsa-pss": ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["-algorithm", "ED25519"],
}


def openssl(*command, data=None):
    return subprocess.run(["openssl", *command], input=data, check=True, capture_output=True, timeout=60).stdout


def pkcs8(kind):
    return openssl("genpkey", *OPTIONS[kind]).decode()


def traditional(pem):
    """The same key as SEC1 or PKCS#1."""
    return openssl("pkey", "-traditional", data=pem.encode()).decode()


def public(pem):
    return openssl("pkey", "-pubout", data=pem.encode()).decode()


def jwk(pem):
    """The public key's JWK, made without the daemon."""
    numbers = load_pem_private_key(pem.encode(), None).public_key().public_numbers()
    if isinstance(numbers, ec.EllipticCurvePublicNumbers):
        size = numbers.curve.key_size // 8
        return {"kty": "EC", "crv": f"P-{numbers.curve.key_size}", "x": jws.encode(numbers.x.to_bytes(size, "big")), "y": jws.encode(numbers.y.to_bytes(size, "big"))}
    return {"kty": "RSA", "n": jws.encode(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")), "e": "AQAB"}


def secrets(pem):
    """What nobody may find: the numbers that only the owner of the key knows, as bytes."""
    numbers = load_pem_private_key(pem.encode(), None).private_numbers()
    if isinstance(numbers, ec.EllipticCurvePrivateNumbers):
        return {"d": numbers.private_value.to_bytes(numbers.public_numbers.curve.key_size // 8, "big")}
    parts = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    return {name: number.to_bytes((number.bit_length() + 7) // 8, "big") for name, number in parts.items()}


def traces(secret):
    """Byte strings of which one would be there if the secret was, as it is or in a usual coding, whole or in good part."""
    found = []
    for order in (secret, secret[::-1]):  # big numbers are kept with either end first
        found += [order[:16], order[-16:], order[len(order) // 2 :][:16]]
    found += [secret[:16].hex().encode(), secret[:16].hex().upper().encode()]
    for shift in range(3):  # base64 of what comes `shift` bytes after a group's start
        found.append(base64.b64encode(secret[shift : shift + 15]))
    return found + [text.translate(bytes.maketrans(b"+/", b"-_")) for text in found[-3:] if b"+" in text or b"/" in text]
