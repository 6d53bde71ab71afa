"""jose from npm as a second verifier: one node process that answers for many tokens."""

import json
import os
import subprocess
import threading

from holdfast_testing.paths import BUILD, SOURCE

FOLDER = os.path.join(BUILD, "jose")  # where tests/run has `npm ci` put it
SCRIPT = os.path.join(SOURCE, "tests", "support", "jose", "check.mjs")


class Jose:
    """Use from several threads is fine; they take turns."""

    def __init__(self):
        if not os.path.isdir(os.path.join(FOLDER, "node_modules", "jose")):
            raise FileNotFoundError(f"{FOLDER} has no jose: tests/run installs it (npm ci)")
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            ["node", SCRIPT, FOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def check(self, token, jwks, **options):
        """{"header", "payload"}, or {"error", "message"}; options are those of jose's jwtVerify."""
        line = json.dumps({"token": token, "jwks": jwks, "options": options}).encode() + b"\n"
        with self.lock:
            self.process.stdin.write(line)
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"node ended with {self.process.wait()}")
        return json.loads(answer)

    def claims(self, token, jwks, **options):
        answer = self.check(token, jwks, **options)
        assert "error" not in answer, (answer, token)
        return answer["payload"]

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
