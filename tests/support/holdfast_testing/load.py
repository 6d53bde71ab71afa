"""Callers that never stop asking, and check every answer they get."""

import base64
import collections
import datetime
import hashlib
import os
import random
import threading
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast_testing.client import Client
from holdfast_testing.sigv4 import digest_in_audit, get, wrong

Outcome = collections.namedtuple("Outcome", "started done code")

# What a caller may be told while something is being brought back; anything else is a defect.
PASSING = {"device_unavailable", "overloaded", "unreachable", "audit_unavailable"}


class Load:
    """`callers` threads; each request needs the device, because its day is new to the daemon."""

    def __init__(self, daemon, aws_key, secret, digest_key, callers=3, pause=0.003, seed=1):
        self.daemon, self.secret, self.aws_key, self.digest_key = daemon, secret, aws_key, digest_key
        self.pause = pause
        with daemon.client() as client:
            self.public_key = load_pem_public_key(client.get(f"/v1/keys/{digest_key}").json["public_key_pem"].encode())
        self.outcomes = []  # appended to by every thread, in the order of `done`
        self.answered = {}  # audit_seq -> hash of the signature
        self.faults = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(random.Random(seed * 100 + n),)) for n in range(callers)]
        for thread in self.threads:
            thread.start()

    def _run(self, rng):
        client = Client(self.daemon.socket, timeout=10)
        while not self.ended.is_set():
            started = time.monotonic()
            try:
                code = self._ask(client, rng)
            except OSError:
                code = "unreachable"
            except Exception as error:  # a reply cut short is unreachable too, anything else is told
                code = "unreachable" if "http.client" in type(error).__module__ else self._fault(repr(error))
            self.outcomes.append(Outcome(started, time.monotonic(), code))
            if code not in PASSING | {"ok"}:
                self._fault(f"unexpected {code}")
            self.ended.wait(self.pause)
        client.close()

    def _ask(self, client, rng):
        if rng.random() < 0.25:
            # raw: the form that the device gives and the record's hash is of.
            digest = os.urandom(32)
            body = {"key": self.digest_key, "algorithm": "ES256", "digest": base64.b64encode(digest).decode(), "encoding": "raw"}
            reply = client.post("/v1/sign/digest", body)
            if reply.status == 200:
                signature = base64.b64decode(reply.json["signature"])
                self._verify(digest, signature)
                self._note(reply.json["audit_seq"], hashlib.sha256(signature).hexdigest())
        else:
            day = datetime.date(2000, 1, 1) + datetime.timedelta(days=rng.randrange(20000))
            reply = client.post("/v1/sign/sigv4", get(self.aws_key, time=f"{day}T00:00:00Z", explain=True))
            if reply.status == 200:
                fault = wrong(reply.json, self.secret)
                if fault:
                    self._fault(f"{fault}: {reply}")
                self._note(reply.json["audit_seq"], digest_in_audit(reply.json["signature"]))
        return reply.code

    def _verify(self, digest, signature):
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        try:
            self.public_key.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            self._fault("an ECDSA signature does not verify")

    def _note(self, seq, digest):
        if seq in self.answered:
            self._fault(f"audit_seq {seq} was given twice")
        self.answered[seq] = digest

    def _fault(self, text):
        self.faults.append(text)
        return "fault"

    def since(self, moment, codes):
        """Outcomes with one of these codes of requests begun after that moment."""
        found = []
        for outcome in reversed(self.outcomes):
            if outcome.done < moment:
                break
            if outcome.started >= moment and outcome.code in codes:
                found.append(outcome)
        return found[::-1]

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def figures(name, values, unit="ms"):
    values = sorted(value * 1000 for value in values)
    middle, late = values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)]
    print(f"{name}: {len(values)} times, median {middle:.0f} {unit}, p99 {late:.0f} {unit}, longest {values[-1]:.0f} {unit}")
