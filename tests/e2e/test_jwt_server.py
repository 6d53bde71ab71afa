"""A token before a stock web server that knows nothing of us: Apache httpd with mod_auth_openidc."""

import os
import time

import pytest

from holdfast_testing.daemon import Daemon
from holdfast_testing.oidc import Apache, JwksServer
from holdfast_testing.processes import wait_until
from holdfast_testing.tokens import change_claim, jwks, minted, other_signature

API = "https://api.example.com"
GRANT = f"""
[[grant]]
name = "tokens"
key = "*"
caller = {{ uid = {os.geteuid()} }}
facts = {{ "claim.*" = "**" }}
"""


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, GRANT) as running:
        for name, kind in (("ec-p256", "ec-p256"), ("ec-p384", "ec-p384"), ("rsa-2048", "rsa-2048"), ("unpublished", "ec-p256")):
            running.create_key(name, kind, "jwt")
        yield running


@pytest.fixture(scope="module")
def published(folder, daemon):
    def keys():
        unpublished = jwks(daemon, "unpublished")["keys"]
        return {"keys": [key for key in jwks(daemon)["keys"] if key not in unpublished]}

    with JwksServer(folder, keys) as server:
        yield server


@pytest.fixture(scope="module")
def apache(folder, published):
    with Apache(os.path.join(folder, "apache"), published.uri, API) as running:
        yield running


@pytest.mark.parametrize("key, algorithm", [("ec-p256", "ES256"), ("ec-p384", "ES384"), ("rsa-2048", "RS256"), ("rsa-2048", "PS256")])
def test_web_server_takes_the_token_and_not_one_changed_claim(daemon, apache, key, algorithm):
    token = minted(daemon, key, algorithm=algorithm, issuer="https://id.example.com", subject="orders", claims={"scope": "read"})
    assert apache.get(token) == (200, "the orders"), apache.log_text()[-2000:]
    for changed in (change_claim(token, "scope", "write"), change_claim(token, "sub", "root"), change_claim(token, "aud", "x"),
                    change_claim(token, "exp", int(time.time()) + 9999), other_signature(token), token.rpartition(".")[0] + "."):  # fmt: skip
        assert apache.get(changed)[0] == 401
    assert apache.get(token)[0] == 200


def test_web_server_refuses_others(daemon, apache, published):
    def token(key="ec-p256", **more):
        return minted(daemon, key, subject="orders", **more)

    assert apache.get()[0] == 401
    # Another audience: the token is good, and not for here.
    assert apache.get(token(audience="https://other.example.com"))[0] in (401, 403)
    assert apache.get(token(audience=[API, "https://other.example.com"]))[0] == 200
    # A key that nobody published.
    assert apache.get(token("unpublished"))[0] == 401
    short = token(ttl=1)
    wait_until(lambda: apache.get(short)[0] == 401, 20, "the token expires")
    assert published.fetched > 0
