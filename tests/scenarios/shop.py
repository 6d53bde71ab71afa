"""The program under attack: asks an API for its catalogue again and again, each time with a new signature.

shop.py URL: with HOLDFAST_SOCKET in its environment the daemon signs; otherwise it holds a static key, as programs did.
A line of its standard input makes it write "served N refused N" to standard output; its end ends it.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import select
import socket
import sys
import urllib.parse

REGION, EMPTY = "us-east-1", hashlib.sha256(b"").hexdigest()


class Daemon(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["HOLDFAST_SOCKET"])


def from_the_daemon(url, kept=Daemon("localhost")):
    body = {"key": "shop-aws", "region": REGION, "service": "s3", "method": "GET", "url": url}
    try:
        kept.request("POST", "/v1/sign/sigv4", json.dumps(body))
        reply = json.loads(kept.getresponse().read())
    except (OSError, http.client.HTTPException):
        kept.close()
        return None
    return dict(reply["headers"]) if "headers" in reply else None


def with_the_static_key(url):
    parts = urllib.parse.urlsplit(url)
    now = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    names, scope = "host;x-amz-content-sha256;x-amz-date", f"{now[:8]}/{REGION}/s3/aws4_request"
    canonical = f"GET\n{parts.path}\n\nhost:{parts.netloc}\nx-amz-content-sha256:{EMPTY}\nx-amz-date:{now}\n\n{names}\n{EMPTY}"
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"
    return {"Authorization": authorization, "X-Amz-Date": now, "X-Amz-Content-Sha256": EMPTY}


def main():
    url, served, refused, sent = sys.argv[1], 0, 0, []
    sign = from_the_daemon if "HOLDFAST_SOCKET" in os.environ else with_the_static_key
    parts = urllib.parse.urlsplit(url)
    while True:
        headers = sign(url)
        status = 0
        if headers:
            sent = [*sent[-9:], json.dumps(headers)]
            api = http.client.HTTPConnection(parts.netloc, timeout=20)
            api.request("GET", parts.path, headers=headers)
            status = api.getresponse().status
            api.close()
        served, refused = served + (status == 200), refused + (status != 200)
        if select.select([sys.stdin], [], [], 0.1)[0]:
            if not sys.stdin.readline():
                return
            print(f"served {served} refused {refused}", flush=True)


if __name__ == "__main__":
    main()
