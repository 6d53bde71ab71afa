"""A software TPM of the test's own, on a Unix socket in its folder."""

import os
import subprocess

from holdfast_testing.processes import end, listens, start, wait_until


class Swtpm:
    """Its state stays in the folder, so that start() after kill() is a TPM that lost its power."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.socket = os.path.join(self.folder, "tpm.sock")
        self.tcti = f"swtpm:path={self.socket}"
        self.log = os.path.join(self.folder, "swtpm.log")
        self.process = None
        os.makedirs(os.path.join(self.folder, "tpm"), exist_ok=True)
        self.start()

    def start(self):
        for path in (self.socket, self.socket + ".ctrl"):
            if os.path.exists(path):
                os.unlink(path)
        self.process = start(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}/tpm"]
            + ["--server", f"type=unixio,path={self.socket}", "--ctrl", f"type=unixio,path={self.socket}.ctrl"]
            + ["--flags", "not-need-init,startup-clear"],
            self.log,
        )
        # Not by connecting: on the data channel that would be the TPM's one client for a moment.
        wait_until(self._listens, 20, f"swtpm listens (see {self.log})")

    def _listens(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"swtpm ended with {self.process.returncode}: {log.read()[-2000:]}")
        return listens(self.socket) and listens(self.socket + ".ctrl")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        end(self.process)

    def tool(self, *command, check=True, **options):
        """Runs one of tpm2-tools on this TPM, which serves one client at a time: not beside a daemon."""
        environment = dict(os.environ, TPM2TOOLS_TCTI=self.tcti)
        return subprocess.run(
            list(command), env=environment, cwd=self.folder, check=check, timeout=60,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, **options
        )  # fmt: skip

    def lockout_counter(self):
        """Failures that the TPM counts towards its dictionary-attack lockout."""
        for line in self.tool("tpm2_getcap", "properties-variable").stdout.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "TPM2_PT_LOCKOUT_COUNTER":
                return int(value, 16)
        raise AssertionError("TPM2_PT_LOCKOUT_COUNTER is not among the TPM's properties")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
