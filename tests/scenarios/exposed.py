"""What is attacked in the Imperva scenario: an S3 server in the network, services on an exposed host, and taking what they have."""

import ctypes
import hashlib
import http.client
import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from holdfast_testing import traces
from holdfast_testing.client import Client
from holdfast_testing.hosts import SERVER
from holdfast_testing.memory import memory
from holdfast_testing.processes import wait_until
from holdfast_testing.story import note, outcome
from holdfast_testing.swift import ACCESS_KEY, REGION
from holdfast_testing.users import ALICE

SHOP = ALICE  # the service's user
CATALOGUE = "/shop/catalogue/today"
HERE = os.path.dirname(os.path.abspath(__file__))


class Api:
    """The S3 server in the network, which every host reaches at the same address."""

    def __init__(self, folder, network, secret):
        command = [*network.namespace.wrapper, sys.executable, "-m", "holdfast_testing.swift", folder, secret, SERVER]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.host = self.process.stdout.readline().decode().strip()
        assert self.host, f"Swift did not start: see {folder}/swift.log"

    def send(self, host, method, path, headers=(), body=b"", uid=0):
        """The status, for a request from that host."""

        def ask():
            connection = http.client.HTTPConnection(self.host, timeout=30)
            skip = any(name == "Host" for name, _ in headers)
            connection.putrequest(method, path, skip_host=skip, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body or method == "PUT":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return connection.getresponse().status

        return host.run(ask, uid)

    def signed_with(self, secret, method, path, body=b""):
        """What whoever has a static key makes of it, anywhere."""
        request = AWSRequest(method, f"http://{self.host}{path}", data=body)
        S3SigV4Auth(Credentials(ACCESS_KEY, secret), "s3", REGION).add_auth(request)
        return [(name, value) for name, value in request.headers.items()]

    def stop(self):
        self.process.communicate(timeout=60)


class Service:
    """shop.py as that user, in that unit, on the host."""

    def __init__(self, host, url, uid, procs, environment):
        home = os.path.join(host.folder, f"home-{uid}")
        os.makedirs(home)
        program = shutil.copy(os.path.join(HERE, "shop.py"), home)
        with open(os.path.join(home, "settings.json"), "w", encoding="utf-8") as file:
            json.dump({"catalogue": url, "region": REGION, "environment": environment}, file)
        os.chown(file.name, uid, uid)
        os.chmod(home, 0o700)
        os.chown(home, uid, uid)
        self.uid = uid
        self.process = subprocess.Popen(
            ["/usr/bin/python3", program, url], cwd=home, env={"PATH": "/usr/bin:/bin", **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=host.stepping_in(uid, procs), start_new_session=True,
        )  # fmt: skip

    def count(self):
        """(served, refused) so far."""
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return tuple(map(int, re.findall(r"\d+", self.process.stdout.readline())))

    def stop(self):
        self.process.communicate(timeout=30)


def loot(host, service, procs):
    """(what the service's user reads, what it is denied): its files, environment and memory, the daemon's files."""

    def read():
        found, denied = traces.files(host.folder, leave_out=[host.tpm.folder])
        for name in ("environ", "cmdline"):
            with open(f"/proc/{service.process.pid}/{name}", "rb") as file:
                found[name] = file.read()
        try:
            found["memory"] = b"\n".join(memory(service.process.pid))
        except PermissionError:
            found["memory"] = b""
        for part in ("core", "device"):
            try:
                found[part] = b"\n".join(memory(host.daemon.part(part)))
            except PermissionError:
                denied.append(f"the daemon's {part}")
        return found, denied

    found, denied = host.run(read, service.uid, procs)
    if not found["memory"]:
        note("Yama keeps even the own user from attaching here, so root reads the service's memory for the attacker.")
        found["memory"] = b"\n".join(memory(service.process.pid))
    return found, denied


def steal(pid):
    """The service's own connection to the daemon, taken out of its process (pidfd_getfd)."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    for number in range(3, 64):
        taken = libc.syscall(438, pidfd, number, 0)
        if taken < 0:
            continue
        if os.readlink(f"/proc/self/fd/{taken}").startswith("socket:"):
            one = socket.socket(fileno=taken)
            if one.family == socket.AF_UNIX:
                return one
            one.close()
        else:
            os.close(taken)
    return None


def load(tpm, state, key):
    """tpm2_load of the wrapped key in a copy of the daemon's state."""
    return tpm.tool("tpm2_load", "-r", os.path.join(state, "keys", key, "v1.pem"), "-c", "key.ctx", check=False)


def requests(daemon, *bodies):
    """Their replies, on one connection, as whoever calls this."""
    with Client(daemon.socket) as client:
        return [client.post("/v1/sign/sigv4", body) for body in bodies]


def wanted(api, method="GET", path=CATALOGUE, body=None, **more):
    request = {"key": "shop-aws", "region": REGION, "service": "s3", "method": method, "url": f"http://{api.host}{path}", "explain": True, **more}
    if method == "PUT":
        request["payload_sha256"] = hashlib.sha256(body or b"").hexdigest()
    return request


def ask(host, api, procs, method="GET", path=CATALOGUE, body=None, uid=SHOP, **more):
    return host.run(lambda: requests(host.daemon, wanted(api, method, path, body, **more))[0], uid, procs)


def through(host, api, revoke):
    """Asks for signatures on one open connection, before, while and for more than a second after `revoke()`.

    (how many before, of those asked for after it had returned how many were signed and refused, seconds from its call to the first refusal).
    """
    asking, ready = os.pipe()
    begun, done = multiprocessing.Value("d", 0), multiprocessing.Value("d", 0)

    def revoking():
        os.read(asking, 1)
        begun.value = time.monotonic()
        revoke()
        done.value = time.monotonic()

    def loop():
        log = []
        with Client(host.daemon.socket) as client:
            while not done.value or time.monotonic() < done.value + 1.5:
                at = time.monotonic()
                code = client.post("/v1/sign/sigv4", wanted(api)).code
                log.append((at, time.monotonic(), code))
                if len(log) == 5:
                    os.write(ready, b"x")
        return log

    thread = threading.Thread(target=revoking)
    thread.start()
    log = host.run(loop, SHOP, host.shop)
    thread.join()
    os.close(asking)
    os.close(ready)
    after = [code for at, _, code in log if at > done.value]
    first = next(end for _, end, code in log if code != "ok")
    return sum(code == "ok" for _, _, code in log), after.count("ok"), after.count("not_permitted"), first - begun.value


def after_revocation(shop, exposed, api, revoke, how):
    served, refused_before = shop.count()
    signed, late, refused, seconds = through(exposed, api, revoke)
    assert signed >= 5 and late == 0 and refused >= 1, (signed, late, refused)
    wait_until(lambda: shop.count()[1] > refused_before, 60, "the service is refused too")
    before = shop.count()
    wait_until(lambda: shop.count()[1] >= before[1] + 2, 30, "the service asks again")
    assert shop.count()[0] == before[0] >= served
    outcome(f"{how} on the open connection {signed} signatures before; of {refused} requests in more than a second afterwards none was signed. "
            f"The first refusal came {seconds * 1000:.0f} ms after the administrator's call. The service's own open connection: nothing either.")  # fmt: skip
