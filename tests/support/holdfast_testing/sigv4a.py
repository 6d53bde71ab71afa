"""SigV4A checked from outside, with python3-cryptography: the derivation of the key, and signatures."""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def private_number(access_key_id, secret):
    """As the SigV4A specification has it: SP 800-108 in counter mode, again while it is out of range."""
    for counter in range(1, 255):
        text = b"\x00\x00\x00\x01AWS4-ECDSA-P256-SHA256\x00" + access_key_id.encode() + bytes([counter]) + b"\x00\x00\x01\x00"
        number = int.from_bytes(hmac.new(b"AWS4A" + secret.encode(), text, hashlib.sha256).digest(), "big")
        if number <= ORDER - 2:
            return number + 1
    raise ValueError("no key")


def public_key(access_key_id, secret):
    """{"X", "Y"} in hex, as the vectors have it."""
    numbers = ec.derive_private_key(private_number(access_key_id, secret), ec.SECP256R1()).public_key().public_numbers()
    return {"X": f"{numbers.x:064x}", "Y": f"{numbers.y:064x}"}


def verifies(key, string_to_sign, signature_hex):
    public = ec.EllipticCurvePublicNumbers(int(key["X"], 16), int(key["Y"], 16), ec.SECP256R1()).public_key()
    try:
        public.verify(bytes.fromhex(signature_hex), string_to_sign.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def pem(key):
    public = ec.EllipticCurvePublicNumbers(int(key["X"], 16), int(key["Y"], 16), ec.SECP256R1()).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
