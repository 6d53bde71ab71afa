"""Asking for tokens, and what three verifiers say of them."""

import json

from jwcrypto import jwk, jwt

from holdfast_testing import jws

TYPES = {"ES256": "ec-p256", "ES384": "ec-p384", "RS256": "rsa-2048", "PS256": "rsa-2048", "EdDSA": "ed25519"}


def mint(daemon, key, audience="https://api.example.com", ttl=300, **more):
    """The reply to POST /v1/token/jwt."""
    with daemon.client() as client:
        return client.post("/v1/token/jwt", {"key": key, "audience": audience, "ttl": ttl, **more})


def minted(daemon, key, **more):
    reply = mint(daemon, key, **more)
    assert reply.status == 200, reply
    return reply.json["token"]


def jwks(daemon, key=None):
    with daemon.client() as client:
        reply = client.get("/v1/jwks" + (f"?key={key}" if key else ""))
    assert reply.status == 200, reply
    return reply.json


def jwcrypto_claims(token, keys, algorithm):
    """What python3-jwcrypto reads out of the token; raises where it refuses."""
    seen = jwt.JWT(jwt=token, key=jwk.JWKSet.from_json(json.dumps(keys)), algs=[algorithm])
    return json.loads(seen.claims)


def change_claim(token, name, value):
    """The same token with one claim changed, and the signature that it had."""
    header, payload, signature = token.split(".")
    content = json.loads(jws.decode(payload))
    assert content.get(name) != value
    content[name] = value
    return f"{header}.{jws.encode(json.dumps(content).encode())}.{signature}"


def other_signature(token):
    head, payload, signature = token.split(".")
    data = bytearray(jws.decode(signature))
    data[len(data) // 2] ^= 1
    return f"{head}.{payload}.{jws.encode(bytes(data))}"
