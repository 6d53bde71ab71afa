"""An API that knows its clients' secrets, as their provider does: it verifies SigV4 by its own recomputation."""

import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from holdfast_testing import sigv4

REGION = "eu-west-1"


def accepts(secrets, method, url, headers, body=b""):
    """Would it serve this request? `secrets` are those that are in force, by access key id."""
    given = {name.lower(): value for name, value in headers}
    parts = urllib.parse.urlsplit(url)
    given.setdefault("host", parts.netloc)
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(.+?)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)",
                         given.get("authorization", ""))  # fmt: skip
    if not found or found[1] not in secrets:
        return False
    key_id, date, region, service, names, signature = found.groups()
    stamp = given["x-amz-date"]
    age = abs(time.time() - calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")))
    if age > 900 or given["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
        return False
    lines = "".join(f"{name}:{given[name]}\n" for name in names.split(";"))
    canonical = f"{method}\n{parts.path}\n{parts.query}\n{lines}\n{names}\n{given['x-amz-content-sha256']}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{date}/{region}/{service}/aws4_request\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.compare_digest(sigv4.signature(secrets[key_id], text), signature)


def signed(key_id, secret, method, url, body=b""):
    """The headers that whoever has a static key makes, anywhere: with botocore."""
    request = AWSRequest(method, url, data=body)
    S3SigV4Auth(Credentials(key_id, secret), "s3", REGION).add_auth(request)
    return [(name, value) for name, value in request.headers.items()]
