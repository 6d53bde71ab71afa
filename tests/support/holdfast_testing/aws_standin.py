"""A stand-in for AWS STS and IAM Roles Anywhere, on loopback with TLS, that verifies each signature for real.

Written from the published rules and sharing no code with the daemon. It knows access keys, a root of trust and a JWK
Set, and hands out credentials that GetCallerIdentity then takes. Faults are set by the tests: `fault`, `clock`.

    with StandIn(folder) as aws:
        aws.access_keys["AKIA…"] = "secret"
        … holdfast aws credential-process --endpoint aws.url --ca-file aws.ca_file …
        assert aws.count("CreateSession") == 1
"""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import os
import re
import secrets
import ssl
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from holdfast_testing import jws
from holdfast_testing.aws_authority import Authority
from holdfast_testing.sigv4 import signing_key

ACCOUNT = "123456789012"
SKEW = 300  # seconds that a signature's time may differ, as STS has it
STS = "https://sts.amazonaws.com/doc/2011-06-15/"


class Refusal(Exception):
    def __init__(self, code, message, status=403):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_request(request, signed, payload):
    """As https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html says, for a path of plain segments."""
    query = sorted((quoted(name), quoted(value)) for name, value in urllib.parse.parse_qsl(request.query, keep_blank_values=True, strict_parsing=bool(request.query)))
    lines = [f"{name}:{' '.join(','.join(request.headers.get_all(name)).split())}" for name in signed]
    return "\n".join([request.command, request.route, "&".join("=".join(pair) for pair in query), *lines, "", ";".join(signed), payload])


class Authorization:
    """The parts of the request's Authorization header."""

    FORM = re.compile(r"(AWS4-[A-Z0-9-]+) Credential=([^,/]+)/(\d{8})((?:/[^,/]+)+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]+)")

    def __init__(self, request):
        found = self.FORM.fullmatch(request.headers.get("Authorization") or "")
        if not found:
            raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token")
        self.algorithm, self.credential, self.date, rest, signed, self.signature = found.groups()
        *self.region, self.service = rest[1:].split("/")
        self.scope = f"{self.date}{rest}/aws4_request"
        self.signed = signed.split(";")
        if self.signed != sorted(set(self.signed)) or not {"host", "x-amz-date"} <= set(self.signed):
            raise Refusal("IncompleteSignature", "SignedHeaders")
        for name in request.headers:
            if name.lower().startswith("x-amz-") and name.lower() not in self.signed:
                raise Refusal("AccessDenied", f"There were headers present in the request which were not signed: {name}")

    def string_to_sign(self, request, payload):
        text = canonical_request(request, self.signed, payload)
        return "\n".join([self.algorithm, request.headers["X-Amz-Date"], self.scope, hashlib.sha256(text.encode()).hexdigest()])


class Session:
    """Credentials that were handed out."""

    def __init__(self, arn, seconds, clock):
        self.arn = arn
        self.access_key_id = "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode()
        self.secret = base64.b64encode(secrets.token_bytes(30)).decode()
        self.token = base64.b64encode(secrets.token_bytes(96)).decode()
        self.ends = clock + seconds

    def expiration(self):
        return datetime.datetime.fromtimestamp(self.ends, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class StandIn:
    """`fault`: None, a status ("500", "503", "429"), "hang", "half" (of a body), "empty", "close"; for the next `faults` requests, or all where that is None.
    `clock`: seconds that its clock is ahead of ours. `lifetime`: seconds of what it hands out, whatever is asked for; None: as asked for."""

    def __init__(self, folder):
        self.authority = Authority(os.path.join(folder, "authority"))
        self.ca_file = self.authority.root
        self.access_keys, self.sessions, self.requests = {}, {}, []
        self.jwks, self.audience = {"keys": []}, "sts.amazonaws.com"
        self.fault, self.faults, self.clock, self.lifetime, self.delay = None, None, 0, None, 0
        self.ended = threading.Event()
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.handle(self)

            do_POST = do_GET

            def date_time_string(self, timestamp=None):
                return super().date_time_string(outer.now() if timestamp is None else timestamp)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.server())
        # The handshake is the connection's thread's: one that is slow keeps nobody waiting.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def now(self):
        return time.time() + self.clock

    def count(self, action):
        """How many requests for it came, answered or not."""
        with self.lock:
            return sum(one == action for one in self.requests)

    # --- one request -------------------------------------------------------------------------------------------

    def handle(self, request):
        request.route, _, request.query = request.path.partition("?")
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        form = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace"))) if request.route == "/" else {}
        action = form.get("Action", "CreateSession" if request.route == "/sessions" else "unknown")
        with self.lock:
            self.requests.append(action)
            fault = self.fault if self.faults is None or self.faults > 0 else None
            if fault and self.faults is not None:
                self.faults -= 1
        if self.delay:
            self.ended.wait(self.delay)
        if fault == "hang":
            self.ended.wait(120)
        if fault in ("hang", "close"):
            request.close_connection = True
            return
        try:
            if fault and fault.isdigit():
                raise Refusal({"429": "Throttling", "503": "ServiceUnavailable"}.get(fault, "InternalFailure"), "a fault of the test", int(fault))
            if action == "CreateSession":
                status, kind, data = 201, "application/json", self.create_session(request, body)
            else:
                status, kind, data = 200, "text/xml", self.sts(request, action, form, body)
        except Refusal as refusal:
            status = refusal.status
            if action == "CreateSession":
                kind, data = "application/json", json.dumps({"message": refusal.message, "__type": refusal.code})
            else:
                kind = "text/xml"
                data = f'<ErrorResponse xmlns="{STS}"><Error><Type>Sender</Type><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error></ErrorResponse>'
        self.reply(request, status, kind, "" if fault == "empty" else data, fault == "half")

    def reply(self, request, status, kind, data, half):
        data = data.encode()
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2] if half else data)
        if half:
            request.close_connection = True

    def check_time(self, text):
        try:
            signed = datetime.datetime.strptime(text or "", "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        except ValueError:
            raise Refusal("IncompleteSignature", f"Date must be in ISO-8601 'basic format': {text}") from None
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now()))
        if signed < self.now() - SKEW:
            raise Refusal("SignatureDoesNotMatch", f"Signature expired: {text} is now earlier than {stamp} - 5 min.")
        if signed > self.now() + SKEW:
            raise Refusal("SignatureDoesNotMatch", f"Signature not yet current: {text} is still later than {stamp} + 5 min.")
        return text[:8]

    # --- STS ---------------------------------------------------------------------------------------------------

    def sts(self, request, action, form, body):
        if action == "AssumeRoleWithWebIdentity":
            return self.web_identity(form)
        caller = self.signer(request, body)
        if action == "GetCallerIdentity":
            result = f"<Arn>{caller}</Arn><UserId>{hashlib.sha256(caller.encode()).hexdigest()[:21].upper()}</UserId><Account>{ACCOUNT}</Account>"
            return self.answer(action, result)
        if ":assumed-role/" in caller and action == "GetSessionToken":
            raise Refusal("AccessDenied", "Cannot call GetSessionToken with session credentials")
        if action == "GetSessionToken":
            return self.answer(action, self.hand_out(caller, form, 43200))
        if action == "AssumeRole":
            return self.answer(action, self.hand_out(*self.assumed(form)))
        raise Refusal("InvalidAction", f"Could not find operation {action}", 400)

    def signer(self, request, body):
        """The ARN of who signed it, by SigV4."""
        authorization = Authorization(request)
        key = authorization.credential
        if authorization.algorithm != "AWS4-HMAC-SHA256" or authorization.service != "sts":
            raise Refusal("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'.")
        if self.check_time(request.headers["X-Amz-Date"]) != authorization.date:
            raise Refusal("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date")
        session = self.sessions.get(key)
        secret = session.secret if session else self.access_keys.get(key)
        if secret is None or (session and request.headers.get("X-Amz-Security-Token") != session.token):
            raise Refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
        if session and session.ends < self.now():
            raise Refusal("ExpiredToken", "The security token included in the request is expired")
        text = authorization.string_to_sign(request, hashlib.sha256(body).hexdigest())
        derived = signing_key(secret, authorization.date, authorization.region[0], "sts")
        if not hmac.compare_digest(hmac.new(derived, text.encode(), hashlib.sha256).hexdigest(), authorization.signature):
            raise Refusal("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
        return session.arn if session else f"arn:aws:iam::{ACCOUNT}:user/{key}"

    def web_identity(self, form):
        try:
            _, claims = jws.claims(form.get("WebIdentityToken"), self.jwks)
        except jws.Refused as refused:
            raise Refusal("InvalidIdentityToken", f"Couldn't retrieve verification key or token is invalid: {refused}", 400) from None
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise Refusal("InvalidIdentityToken", "Incorrect token audience", 400)
        if not claims["nbf"] - SKEW <= self.now() < claims["exp"]:
            raise Refusal("ExpiredTokenException", "Token expired", 400)
        return self.answer("AssumeRoleWithWebIdentity", self.hand_out(*self.assumed(form)))

    def assumed(self, form):
        role, name = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        found = re.fullmatch(rf"arn:aws:iam::{ACCOUNT}:role/([\w+=,.@/-]+)", role)
        if not found or not re.fullmatch(r"[\w+=,.@-]{2,64}", name):
            raise Refusal("ValidationError", f"RoleArn {role!r} or RoleSessionName {name!r} is invalid", 400)
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{found[1].rsplit('/', 1)[-1]}/{name}", form, 3600

    def session(self, arn, asked, default):
        seconds = int(asked or default)
        if not 900 <= seconds <= 129600:
            raise Refusal("ValidationError", "DurationSeconds", 400)
        session = Session(arn, self.lifetime or seconds, self.now())
        self.sessions[session.access_key_id] = session
        return session

    def hand_out(self, arn, form, default):
        one = self.session(arn, form.get("DurationSeconds"), default)
        return (f"<Credentials><AccessKeyId>{one.access_key_id}</AccessKeyId><SecretAccessKey>{one.secret}</SecretAccessKey>"
                f"<SessionToken>{one.token}</SessionToken><Expiration>{one.expiration()}</Expiration></Credentials>")  # fmt: skip

    @staticmethod
    def answer(action, result):
        return (f'<{action}Response xmlns="{STS}"><{action}Result>{result}</{action}Result>'
                f"<ResponseMetadata><RequestId>{secrets.token_hex(16)}</RequestId></ResponseMetadata></{action}Response>")  # fmt: skip

    # --- Roles Anywhere ----------------------------------------------------------------------------------------

    def create_session(self, request, body):
        """https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-sign-process.html"""
        authorization = Authorization(request)
        if self.check_time(request.headers["X-Amz-Date"]) != authorization.date or authorization.service != "rolesanywhere":
            raise Refusal("AccessDeniedException", "Credential scope")
        try:
            leaf_der = base64.b64decode(request.headers["X-Amz-X509"], validate=True)
            chain = [base64.b64decode(one, validate=True) for one in (request.headers["X-Amz-X509-Chain"] or "").split(",") if one]
            leaf = x509.load_der_x509_certificate(leaf_der)
        except (TypeError, ValueError) as error:
            raise Refusal("ValidationException", f"X-Amz-X509: {error}", 400) from None
        if authorization.credential != str(leaf.serial_number):
            raise Refusal("AccessDeniedException", "Credential is not the certificate's serial number")
        text = authorization.string_to_sign(request, hashlib.sha256(body).hexdigest()).encode()
        signature, key = bytes.fromhex(authorization.signature), leaf.public_key()
        try:
            if authorization.algorithm == "AWS4-X509-ECDSA-SHA256" and isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
            elif authorization.algorithm == "AWS4-X509-RSA-SHA256" and not isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
            else:
                raise Refusal("AccessDeniedException", f"{authorization.algorithm} is not the key's")
        except InvalidSignature:
            raise Refusal("AccessDeniedException", "Signature verification failed") from None
        with self.lock:
            if not self.authority.vouches(leaf_der, chain):
                raise Refusal("AccessDeniedException", "Untrusted certificate. Insufficient certificate")
        return self.created(dict(urllib.parse.parse_qsl(request.query)), json.loads(body), leaf)

    def created(self, arns, wish, leaf):
        region = r"[a-z0-9-]+"
        for name, form in (("trustAnchorArn", rf"arn:aws:rolesanywhere:{region}:{ACCOUNT}:trust-anchor/[0-9a-f-]{{36}}"),
                           ("profileArn", rf"arn:aws:rolesanywhere:{region}:{ACCOUNT}:profile/[0-9a-f-]{{36}}"),
                           ("roleArn", rf"arn:aws:iam::{ACCOUNT}:role/[\w+=,.@/-]+")):  # fmt: skip
            if not re.fullmatch(form, arns.get(name, "")):
                raise Refusal("ValidationException", f"{name} {arns.get(name)!r}", 400)
        if set(wish) - {"durationSeconds", "roleSessionName"}:
            raise Refusal("ValidationException", f"unknown field in {sorted(wish)}", 400)
        role = arns["roleArn"].rsplit("/", 1)[-1]
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{wish.get('roleSessionName', f'{leaf.serial_number:x}')}"
        one = self.session(arn, wish.get("durationSeconds"), 3600)
        credentials = {"accessKeyId": one.access_key_id, "secretAccessKey": one.secret, "sessionToken": one.token, "expiration": one.expiration()}
        user = {"arn": arn, "assumedRoleId": f"AROA:{leaf.serial_number:x}"}
        return json.dumps({"credentialSet": [{"assumedRoleUser": user, "credentials": credentials, "packedPolicySize": 0, "roleArn": arns["roleArn"], "sourceIdentity": ""}], "subjectArn": f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:subject/0"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
