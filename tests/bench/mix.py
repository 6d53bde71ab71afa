"""What the soak asks: two paced streams, and a caller that does what is rare, on connections of its own."""

import base64
import datetime
import hashlib
import os
import time

from holdfast_testing.client import Client, Raw
from holdfast_testing.sigv4 import get
from measure import AWS_KEY, DIGEST_KEY, http

JWT_KEY = "soak-jwt"
GRANT = f'''
[[grant]]
name = "tokens"
key = "{JWT_KEY}"
caller = {{ uid = {os.geteuid()} }}
facts = {{ "claim.*" = "**" }}
'''
BUCKET = "https://bucket.s3.eu-west-1.amazonaws.com/invoices/"


def _digest(n):
    return {"key": DIGEST_KEY, "algorithm": "ES256", "encoding": "raw",
            "digest": base64.b64encode(hashlib.sha256(b"%d" % n).digest()).decode()}  # fmt: skip


def _token(n):
    return {"key": JWT_KEY, "audience": "https://api.example.com", "subject": f"orders-{n}", "ttl": 300, "claims": {"n": n}}


def core_stream():
    """Signatures whose signing key the core has; one request in eight is refused, malformed, or asks after health."""
    requests = []
    for n in range(64):
        if n % 32 == 0:
            requests.append((http("/v1/sign/sigv4", get("nobody-has-this", url=f"{BUCKET}{n}")), 403))
        elif n % 32 == 8:
            requests.append((http("/v1/sign/sigv4", get(AWS_KEY, unknown_field=n)), 400))
        elif n % 32 == 16:
            requests.append((http("/v1/sign/digest", dict(_digest(n), digest="AA==")), 400))
        elif n % 32 == 24:
            requests.append((b"GET /v1/health HTTP/1.1\r\nHost: holdfast\r\n\r\n", 200))
        elif n % 2:
            requests.append((http("/v1/sign/sigv4", get(AWS_KEY, url=f"{BUCKET}{n:06}.pdf")), 200))
        else:
            body = base64.b64encode(b"x" * 64 * n).decode()
            requests.append((http("/v1/sign/sigv4", dict(get(AWS_KEY, url=f"{BUCKET}{n:06}.pdf"), method="PUT", body=body)), 200))
    return requests


def device_stream(days=2048):
    """What the device has to do: tokens, digests, and signing keys of more days than the core keeps."""
    requests = []
    for n in range(days):
        day = datetime.date(2020, 1, 1) + datetime.timedelta(days=n)
        requests.append((http("/v1/token/jwt", _token(n)), 200))
        requests.append((http("/v1/sign/digest", _digest(n)), 200))
        requests.append((http("/v1/sign/sigv4", get(AWS_KEY, time=f"{day}T00:00:00Z")), 200))
    return requests


class Rare:
    """Each round: new connections, keys that come and go, reading of all kinds. Unexpected answers become errors."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.rounds = self.asked = 0
        self.errors = []
        # Kept for hours.
        self.kept, self.metrics = daemon.client(), Client(daemon.metrics_socket)
        for reply in (self.kept.get("/v1/version"), self.metrics.get("/metrics")):
            self._want(200, reply)

    def _want(self, status, reply):
        self.asked += 1
        if reply is None or reply.status != status:
            self.errors.append(f"wanted {status}: {reply}")
        return reply

    def _once(self, status, method, path, body=None):
        with self.daemon.client() as client:
            return self._want(status, client.request(method, path, body))

    def round(self, until):
        self.rounds += 1
        self._administrate()
        while time.monotonic() < until:
            self._want(200, self.kept.get("/v1/health"))
            self._want(200, self.metrics.get("/metrics"))
            self._strangers()
            time.sleep(0.2)

    def _strangers(self):
        for path in ("version", "whoami", "keys", f"keys/{JWT_KEY}", "jwks"):
            self._once(200, "GET", f"/v1/{path}")
        self._once(200, "POST", "/v1/sign/sigv4", get(AWS_KEY))
        self._once(200, "POST", "/v1/token/jwt", _token(self.asked))
        self._once(403, "GET", "/v1/keys/nobody-has-this")
        self._once(404, "GET", "/v1/nothing")
        self._once(405, "DELETE", "/v1/whoami")
        for data in (b"GET /v1/health HTTP/1.0\r\n\r\n", b"POST /v1/sign/digest HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"):
            with Raw(self.daemon.socket) as raw:
                raw.send(data)
                self._want(400, raw.reply())
        with Raw(self.daemon.socket) as raw:  # and goes in the middle of a request
            raw.send(b"POST /v1/sign/digest HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")

    def _administrate(self):
        """A key of each kind is made, used and deleted; an access key gets another version; the policy is read again."""
        with self.daemon.admin() as admin:
            secret = hashlib.sha256(b"%d" % self.rounds).hexdigest()
            aws = {"access_key_id": f"AKIASOAK{self.rounds:012}", "secret_access_key": secret}
            self._want(201, admin.post("/v1/keys", {"name": "comes-and-goes", "type": "ec-p256", "use": "digest"}))
            self._want(201, admin.post("/v1/keys/import", {"name": "aws-comes-and-goes", "use": "sigv4", **aws}))
            self._want(200, self.kept.post("/v1/sign/digest", dict(_digest(0), key="comes-and-goes")))
            self._want(200, self.kept.post("/v1/sign/sigv4", get("aws-comes-and-goes")))
            self._want(201, admin.post("/v1/keys/aws-comes-and-goes/versions", {"state": "active", **aws}))
            self._want(200, self.kept.post("/v1/sign/sigv4", get("aws-comes-and-goes")))
            self._want(200, admin.get("/v1/keys"))
            self._want(200, admin.get("/v1/audit?limit=100"))
            self._want(200, admin.post("/v1/reload"))
            for name in ("comes-and-goes", "aws-comes-and-goes"):
                self._want(204, admin.delete(f"/v1/keys/{name}"))
        self._once(403, "POST", "/v1/sign/digest", dict(_digest(0), key="comes-and-goes"))

    def close(self):
        self.kept.close()
        self.metrics.close()
