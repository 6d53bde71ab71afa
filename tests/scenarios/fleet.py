"""The fleet of the Peloton scenario: three services, fifty keys, the policy between them, and everything one may ask.

The policy's matrix is kept here as sets, and the grants are written from it; what is expected is never read from the daemon.
"""

import base64
import http.server
import os
import socketserver
import threading

from holdfast_testing.client import Client

SERVICES = {"bikes": 61101, "treads": 61102, "rowers": 61103}
NAMES = list(SERVICES)
KEYS = [f"k{number:02d}" for number in range(50)]
ABSENT = "k99"
AUDIENCE = "https://rides.example.com"
DIGEST = base64.b64encode(bytes(32)).decode()


def use_of(key):
    return ("sigv4", "jwt", "digest")[int(key[1:]) % 3]


def owners(key):
    """Most keys are of one service, some of all three, some of nobody."""
    number = int(key[1:])
    if number % 10 == 7:
        return set(NAMES)
    return {NAMES[number // 3 % 4]} if number // 3 % 4 < 3 else set()


FACTS = {
    "sigv4": 'facts = {{ service = "s3", method = "GET", path = "/rides/{service}/**" }}',
    "jwt": 'facts = {{ audience = "https://rides.example.com" }}\nset = {{ subject = "{subject}" }}',
    "digest": 'facts = {{ algorithm = "ES256" }}',
}


def grants(caller_of, template):
    """One for each key and owner; `template` is the subject that tokens are given."""
    text = ""
    for key in KEYS:
        for service in sorted(owners(key)):
            text += f'[[grant]]\nname = "{service}-{key}"\nkey = "{key}"\ncaller = {caller_of(SERVICES[service], service + ".service")}\n'
            text += FACTS[use_of(key)].format(service=service, subject=template) + "\n\n"
    return text


def s3(key, service, **more):
    url = f"https://b.s3.eu-west-1.amazonaws.com/rides/{service}/1"
    return ("POST", "/v1/sign/sigv4", {"key": key, "region": "eu-west-1", "service": "s3", "method": "GET", "url": url, **more})


def jwt(key, audience=AUDIENCE, **more):
    return ("POST", "/v1/token/jwt", {"key": key, "audience": audience, "ttl": 60, **more})


def operations(key, service):
    """(name, request, the use a key needs for it, or None where the policy allows it to nobody) of all that `service` may try with a key."""
    other = NAMES[(NAMES.index(service) + 1) % 3]
    return [
        ("sign", s3(key, service), "sigv4"),
        ("presign", s3(key, service, mode="query", expires_in=60), "sigv4"),
        ("sign for another's data", s3(key, other), None),
        ("token", jwt(key), "jwt"),
        ("token for another audience", jwt(key, "https://payments.example.com"), None),
        ("token with a claim", jwt(key, claims={"admin": True}), None),
        ("digest", ("POST", "/v1/sign/digest", {"key": key, "algorithm": "ES256", "digest": DIGEST, "encoding": "raw"}), "digest"),
    ]


def odd_requests(key):
    """What only a key that is there could answer otherwise: algorithms, encodings and sizes of other types of keys, by name."""
    odd = {f"token with {algorithm}": jwt(key, algorithm=algorithm) for algorithm in ("ES256", "ES384", "RS256", "EdDSA", "none")}
    for algorithm, size in (("ES256", 32), ("ES256", 48), ("ES384", 48), ("RS256", 32), ("PS256", 32)):
        for more in ({"encoding": "der"}, {"encoding": "raw"}, {}):
            body = {"key": key, "algorithm": algorithm, "digest": base64.b64encode(bytes(size)).decode(), **more}
            odd[f"digest with {algorithm}, {size} bytes, {more}"] = ("POST", "/v1/sign/digest", body)
    odd["an old date"] = s3(key, "bikes", time="2026-01-01T00:00:00Z")
    odd["a raw path"] = s3(key, "a b")
    odd["an unknown field"] = s3(key, "bikes", more=1)
    return odd


def ask(socket, requests):
    """Their replies, on one connection, as whoever calls this."""
    with Client(socket) as client:
        return [client.request(*request) for request in requests]


class SharedKeyServer:
    """The control: whoever has the one key that all clients have is let in, and then nobody asks for whom."""

    KEY = "fleet-" + os.urandom(12).hex()

    def __init__(self, path, records):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                known = self.headers["Authorization"] == f"Bearer {SharedKeyServer.KEY}"
                record = records.get(self.path.rpartition("/")[2])
                status, data = (200, record) if known else (401, "say the key")
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data.encode())

            def log_message(self, *_):
                pass

        self.server = socketserver.ThreadingUnixStreamServer(path, Handler)
        os.chmod(path, 0o666)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
