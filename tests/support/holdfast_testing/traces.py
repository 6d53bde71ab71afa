"""Looking for a secret in what somebody got hold of: the secret itself in its spellings, and any text that is one."""

import base64
import hashlib
import hmac
import os
import re
import urllib.parse

from holdfast_testing import pem, sigv4


def base64_forms(data):
    """What is in the base64 of any text that holds `data`, for each of the three ways it may lie."""
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data)
        yield text[-(-shift * 8 // 6) : len(text) - (4 if (shift + len(data)) % 3 else 0)]


def forms(secret):
    """Raw, base64 and base64url, hex, url-encoded; of the bytes of a private key's number also a good part of it."""
    data = secret.encode() if isinstance(secret, str) else secret
    found = [data, data.hex().encode(), data.hex().upper().encode(), urllib.parse.quote_from_bytes(data, safe="").encode()]
    for text in base64_forms(data):
        found += [text, text.replace(b"+", b"-").replace(b"/", b"_")]
    return found if isinstance(secret, str) else found + pem.traces(data)


def seen(secrets, places):
    """(name of the secret, place) of each secret that is in one of the places, which are names and bytes."""
    needles = [(name, form) for name, secret in secrets.items() for form in forms(secret)]
    return sorted({(name, place) for place, content in places.items() for name, form in needles if form in content})


def files(folder, leave_out=()):
    """Content of each file below the folder that this process may read, and what it may not."""
    found, denied = {}, []
    for base, _, names in os.walk(folder, onerror=lambda error: denied.append(error.filename)):
        for path in (os.path.join(base, name) for name in names):
            if not os.path.isfile(path) or path.startswith(tuple(leave_out)):
                continue
            try:
                with open(path, "rb") as file:
                    found[path] = file.read()
            except OSError:
                denied.append(path)
    return found, denied


def candidates(places):
    """Every text that might be an AWS secret, as an attacker would try them who knows no names."""
    texts = set()
    for content in places.values():
        for run in re.findall(rb"[A-Za-z0-9+/=_.-]{16,160}", content):
            texts.update((run, run.partition(b"=")[2], run.removeprefix(b"AWS4")))
    return {text for text in texts if 16 <= len(text) <= 124}


def signing_secret(texts, string_to_sign, signature):
    """The one of these texts that is the secret behind a signature, or None."""
    date, region, service, _ = string_to_sign.split("\n")[2].split("/")
    want = bytes.fromhex(signature)
    for text in texts:
        key = b"AWS4" + text
        for part in (date, region, service, "aws4_request", string_to_sign):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        if key == want:
            return text.decode()
    return None


def derived(secret, string_to_sign):
    """The signing key of that day, region and service, which is worth a day."""
    return sigv4.signing_key(secret, *string_to_sign.split("\n")[2].split("/")[:3])
