"""A form for S3 as its receiver judges it: the published rules of POST policies, written without a look at the daemon's code.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

import base64
import datetime
import email
import hashlib
import hmac
import http.server
import json
import threading

from holdfast_testing.sigv4 import signing_key

FREE = ("policy", "x-amz-signature", "file")


def document(fields):
    return json.loads(base64.b64decode(fields["policy"], validate=True))


def signature(secret, fields):
    date, region, service, _ = fields["x-amz-credential"].split("/")[1:]
    return hmac.new(signing_key(secret, date, region, service), fields["policy"].encode(), hashlib.sha256).hexdigest()


def refusal(secret, bucket, fields, content, filename, now=None):
    """Why S3 would not store this upload; empty if it would."""
    if fields.get("x-amz-algorithm") != "AWS4-HMAC-SHA256" or signature(secret, fields) != fields["x-amz-signature"]:
        return "the signature does not match"
    policy = document(fields)
    expiration = datetime.datetime.strptime(policy["expiration"], "%Y-%m-%dT%H:%M:%SZ")
    if (now or datetime.datetime.utcnow()) > expiration:
        return "the policy has expired"
    form = {name.lower(): value.replace("${filename}", filename) for name, value in fields.items()}
    form["bucket"] = bucket
    spoken_of = {"bucket", *FREE}
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            ((name, value),) = condition.items()
            held = form.get(name.lower()) == value
        elif condition[0] == "content-length-range":
            held, name = condition[1] <= len(content) <= condition[2], ""
        else:
            kind, name, value = condition[0], condition[1].removeprefix("$"), condition[2]
            given = form.get(name.lower())
            held = kind == "starts-with" and given is not None and given.startswith(value)
        if not held:
            return f"the condition {condition} does not hold"
        spoken_of.add(name.lower())
    extra = [name for name in form if name not in spoken_of and not name.startswith("x-ignore-")]
    return f"no condition speaks of {extra}" if extra else ""


class Bucket:
    """Takes forms over HTTP for one bucket; `stored` has what was accepted, by the object's name."""

    def __init__(self, name, secret):
        bucket, self.stored, self.refused = self, {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = email.message_from_bytes(b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
                fields, content, filename = {}, b"", ""
                for part in message.get_payload():
                    named = part.get_param("name", header="content-disposition")
                    if named == "file":
                        content, filename = part.get_payload(decode=True), part.get_filename()
                    else:
                        fields[named] = part.get_payload(decode=True).decode()
                why = refusal(secret, name, fields, content, filename)
                if why:
                    bucket.refused.append(why)
                else:
                    bucket.stored[fields["key"].replace("${filename}", filename)] = content
                self.send_response(403 if why else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{name}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
