"""A strict verifier of JWS in compact form (RFC 7515), only with the algorithms that the daemon signs with.

Over python3-cryptography, and proved by published vectors (test_jws_vectors.py), so that a token it takes is one.
"""

import base64
import binascii
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils


class Refused(Exception):
    """The token or the key is not to be believed; the text says why."""


CURVES = {"ES256": ("P-256", ec.SECP256R1(), hashes.SHA256()), "ES384": ("P-384", ec.SECP384R1(), hashes.SHA384())}
RSA = ("RS256", "PS256")
EDDSA = "EdDSA"  # RFC 8037, with Ed25519 alone
ALGORITHMS = (*CURVES, *RSA, EDDSA)


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    """base64url without padding, and only in its one canonical spelling (RFC 7515 §2)."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(f"not base64url: {error}") from None
    if encode(data) != text:
        raise Refused("not the canonical base64url")
    return data


def once(pairs):
    """Names have to be unique (RFC 7515 §4)."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise Refused("a name is given twice")
    return names


def read_json(data):
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=once)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Refused(f"not JSON: {error}") from None


def whole(jwk, name):
    if not isinstance(jwk.get(name), str):
        raise Refused(f"the key has no {name}")
    return decode(jwk[name])


def public_key(jwk, algorithm):
    """The key of a JWK (RFC 7518 §6), if this algorithm may be used with it."""
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        raise Refused(f"the key is not for {algorithm}")
    if "verify" not in jwk.get("key_ops", ["verify"]):
        raise Refused("the key is not for verifying")
    try:
        if algorithm in CURVES:
            name, curve, _ = CURVES[algorithm]
            size = curve.key_size // 8
            x, y = whole(jwk, "x"), whole(jwk, "y")
            if jwk.get("kty") != "EC" or jwk.get("crv") != name or (len(x), len(y)) != (size, size):
                raise Refused(f"the key is not on {name}")
            return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve).public_key()
        if algorithm == EDDSA:
            if (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
                raise Refused("the key is not of Ed25519")
            return ed25519.Ed25519PublicKey.from_public_bytes(whole(jwk, "x"))
        modulus, exponent = whole(jwk, "n"), whole(jwk, "e")
        if jwk.get("kty") != "RSA" or int.from_bytes(modulus, "big").bit_length() < 2048 or exponent != b"\x01\x00\x01":
            raise Refused("the key is no RSA key of 2048 bits or more with exponent 65537")
        return rsa.RSAPublicNumbers(65537, int.from_bytes(modulus, "big")).public_key()
    except ValueError as error:
        raise Refused(f"the key is none: {error}") from None


def check(key, algorithm, signature, data):
    """Raises Refused unless this is the signature (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1)."""
    try:
        if algorithm in CURVES:
            _, curve, digest = CURVES[algorithm]
            size = curve.key_size // 8
            if len(signature) != 2 * size:
                raise Refused("the signature is not r and s")
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(digest))
        elif algorithm == EDDSA:
            key.verify(signature, data)
        elif algorithm == "RS256":
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            # The salt has the digest's length (RFC 7518 §3.5), not whatever length there is.
            key.verify(signature, data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    except InvalidSignature:
        raise Refused("the signature is not this key's of this text") from None


def choose(header, keys):
    """The one key that the header names; the only one where it names none."""
    if "kid" in header:
        keys = [key for key in keys if key.get("kid") == header["kid"]]
    if len(keys) != 1:
        raise Refused(f"{len(keys)} keys for kid {header.get('kid')!r}")
    return keys[0]


def verify(token, jwks):
    """(header, payload) of a token that one key of the JWK Set signed; payload as bytes."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        raise Refused("not the three parts of a compact JWS")
    header = read_json(decode(parts[0]))
    if not isinstance(header, dict):
        raise Refused("the header is no object")
    if header.get("alg") not in ALGORITHMS:
        raise Refused(f"algorithm {header.get('alg')!r}")
    if "crit" in header or "b64" in header:
        raise Refused("the header demands what is not understood")
    key = public_key(choose(header, jwks["keys"]), header["alg"])
    check(key, header["alg"], decode(parts[2]), f"{parts[0]}.{parts[1]}".encode())
    return header, decode(parts[1])


def claims(token, jwks):
    """(header, claims) of a verified JSON Web Token."""
    header, payload = verify(token, jwks)
    content = read_json(payload)
    if not isinstance(content, dict):
        raise Refused("the claims are no object")
    return header, content
