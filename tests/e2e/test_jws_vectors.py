"""The tests' own JWS verifier, held against published cases before any token of ours is."""

import glob
import json
import os

import pytest

from holdfast_testing import jws


def load(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return json.load(file)


def taken(token, keys):
    try:
        jws.verify(token, keys)
    except jws.Refused:
        return False
    return True


def algorithm(token):
    return json.loads(jws.decode(token.split(".")[0]))["alg"]


def is_ours(key):
    return key.get("kty") in ("EC", "RSA", "OKP")


# Weak primes (ROCA) can't be seen in a signature; our verifier is only ever given keys of the daemon.
NOT_SEEN = {"rejectsKeyWithRocaVulnerability"}


@pytest.mark.parametrize("name", ["json_web_signature", "json_web_crypto", "json_web_key"])
def test_json_web_cases_of_wycheproof(vectors, name):
    outcomes, faults = {"valid": 0, "invalid": 0}, []
    for group in load(vectors, "wycheproof", "testvectors_v1", f"{name}_test.json")["testGroups"]:
        public = group.get("public")
        keys = public.get("keys", [public]) if public else []
        if not keys or not all(map(is_ours, keys)):
            continue
        for test in group["tests"]:
            if test["comment"] in NOT_SEEN or "jws" not in test:
                continue
            # Some of what is valid is signed with PS384, which we don't have.
            wanted = test["result"] == "valid" and algorithm(test["jws"]) in jws.ALGORITHMS
            outcomes[test["result"]] += 1
            if taken(test["jws"], {"keys": keys}) != wanted:
                faults.append((test["tcId"], test["comment"], test["result"]))
    assert not faults
    print(f"{name}: {outcomes}")
    assert outcomes["valid"] >= 1 and outcomes["invalid"] >= 5


@pytest.mark.parametrize("algorithm, file", [
    ("ES256", "ecdsa_secp256r1_sha256_p1363"), ("ES384", "ecdsa_secp384r1_sha384_p1363"),
    ("RS256", "rsa_signature_2048_sha256"), ("PS256", "rsa_pss_2048_sha256_mgf1_32"),
    ("EdDSA", "ed25519"),
])  # fmt: skip
def test_signatures_of_wycheproof(vectors, algorithm, file):
    outcomes = {"valid": 0, "invalid": 0}
    for group in load(vectors, "wycheproof", "testvectors_v1", f"{file}_test.json")["testGroups"]:
        given = group["publicKey"]
        if algorithm in jws.CURVES:
            size = jws.CURVES[algorithm][1].key_size // 8
            point = bytes.fromhex(given["uncompressed"])[1:]
            jwk = {"kty": "EC", "crv": jws.CURVES[algorithm][0], "x": jws.encode(point[:size]), "y": jws.encode(point[size:])}
        elif algorithm == jws.EDDSA:
            jwk = {"kty": "OKP", "crv": "Ed25519", "x": jws.encode(bytes.fromhex(given["pk"]))}
        else:
            modulus, exponent = (bytes.fromhex(given[name]).lstrip(b"\0") for name in ("modulus", "publicExponent"))
            jwk = {"kty": "RSA", "n": jws.encode(modulus), "e": jws.encode(exponent)}
            if exponent != b"\x01\x00\x01":  # a key that the daemon never has
                with pytest.raises(jws.Refused, match="65537"):
                    jws.public_key(jwk, algorithm)
                continue
        key = jws.public_key(jwk, algorithm)
        for test in group["tests"]:
            # "acceptable" is the one PKCS#1 v1.5 signature without the digest's NULL, which RFC 8017 §8.2.2 refuses.
            wanted = test["result"] == "valid"
            try:
                jws.check(key, algorithm, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
                good = True
            except jws.Refused:
                good = False
            assert good == wanted, (test["tcId"], test["comment"], test["result"])
            outcomes["valid" if wanted else "invalid"] += 1
    print(f"{file}: {outcomes}")
    assert outcomes["valid"] >= 5 and outcomes["invalid"] >= 20


def test_jose_cookbook(vectors):
    """RFC 7520 §4: what is compact and of our algorithms is taken, its payload read; all else is refused."""
    good = 0
    for path in sorted(glob.glob(os.path.join(vectors, "jose-cookbook", "jws", "*.json"))):
        case = load(path)
        compact = case["output"].get("compact")
        if compact is None:
            continue
        keys = case["input"]["key"]
        keys = {"keys": [key for key in (keys if isinstance(keys, list) else [keys]) if is_ours(key)]}
        wanted = case["input"].get("alg") in ("RS256",)
        if not wanted:
            # PS384, ES512, HS256, detached: none of ours.
            assert not taken(compact, keys), path
            continue
        header, payload = jws.verify(compact, keys)
        assert payload.decode() == case["input"]["payload"] and header == case["signing"]["protected"], path
        head, body, signature = compact.split(".")
        for changed in (f"{head}.{body[:-1]}.{signature}", f"{head}.{body}.{signature}=", f"{compact}.", f" {compact}", f"{head}..{signature}"):
            assert not taken(changed, keys), changed
        good += 1
    assert good >= 1
