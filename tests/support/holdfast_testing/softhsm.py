"""A token of SoftHSM in a folder of the test's own, and pkcs11-tool on it."""

import os
import shutil
import subprocess

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "48151623"


class SoftHsm:
    """What Daemon() takes for a device: `name`, and `settings`, the lines of its [[device]]."""

    name = "hsm"

    def __init__(self, folder, pin=PIN):
        for needed in (MODULE, shutil.which("softhsm2-util"), shutil.which("pkcs11-tool")):
            if not needed or not os.path.exists(needed):
                raise FileNotFoundError("SoftHSM or pkcs11-tool is missing: apt-get install softhsm2 opensc")
        self.folder = os.path.abspath(folder)
        self.tokens = os.path.join(self.folder, "tokens")
        self.pin_file = os.path.join(self.folder, "pin")
        os.makedirs(self.tokens, exist_ok=True)
        config = os.path.join(self.folder, "softhsm2.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": config}
        self.initialise()
        self.write_pin(pin)

    def initialise(self):
        self.run("softhsm2-util", "--init-token", "--free", "--label", "holdfast", "--so-pin", "90210753", "--pin", PIN)

    def initialise_anew(self):
        """Another token of the same label, without the former's keys."""
        self.run("softhsm2-util", "--delete-token", "--token", "holdfast")
        self.initialise()

    @property
    def settings(self):
        variables = ", ".join(f'{name} = "{value}"' for name, value in self.environment.items())
        return (
            f'backend = "pkcs11"\nmodule = "{MODULE}"\nuri = "pkcs11:token=holdfast"\npin_file = "{self.pin_file}"\n'
            f'writable = ["{self.folder}"]\nenvironment = {{ {variables} }}'
        )

    def write_pin(self, pin):
        if os.path.exists(self.pin_file):
            os.unlink(self.pin_file)
        with open(os.open(self.pin_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as file:
            file.write(pin + "\n")

    def run(self, *command):
        done = subprocess.run(command, env=dict(os.environ, **self.environment), capture_output=True, text=True, timeout=60,
                              check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def tool(self, *arguments, pin=PIN):
        """pkcs11-tool, logged in as the user."""
        return self.run("pkcs11-tool", "--module", MODULE, "--token-label", "holdfast", "--login", "--pin", pin, *arguments)

    def labels(self):
        """Of the private keys on the token."""
        lines = self.tool("--list-objects", "--type", "privkey").splitlines()
        return [line.split(":", 1)[1].strip() for line in lines if line.strip().startswith("label:")]

    def private_keys(self):
        return self.tool("--list-objects", "--type", "privkey").count("Private Key Object")

    def pull_out(self):
        os.rename(self.tokens, self.tokens + ".away")

    def put_back(self):
        os.rename(self.tokens + ".away", self.tokens)
