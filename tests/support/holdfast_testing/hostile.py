"""The PKCS#11 module that crashes, hangs and lies on demand (tests/support/hostile_faults.h has its words)."""

import os

from holdfast_testing import paths

MODULE = os.environ.get("HOLDFAST_HOSTILE_MODULE") or os.path.join(paths.BUILD, "tests", "support", "libholdfast_hostile_module.so")
PIN = "7391"
WELL_KNOWN = "pkcs11:object=well-known;type=private"  # a key that survives the module's process


class Hostile:
    """What Daemon() takes for a device: `name`, and `settings`, the lines of its [[device]]."""

    name = "hsm"

    def __init__(self, folder):
        if not os.path.exists(MODULE):
            raise FileNotFoundError(f"{MODULE} is missing: build holdfast_hostile_module")
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.faults = os.path.join(self.folder, "faults")
        self.pin_file = os.path.join(self.folder, "pin")
        self.write_pin(PIN)
        self.set("")

    def write_pin(self, pin):
        if os.path.exists(self.pin_file):
            os.unlink(self.pin_file)
        with open(os.open(self.pin_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as file:
            file.write(pin + "\n")

    @property
    def settings(self):
        return (
            f'backend = "pkcs11"\nmodule = "{MODULE}"\nuri = "pkcs11:token=hostile"\npin_file = "{self.pin_file}"\n'
            f'writable = ["{self.folder}"]\nenvironment = {{ HOLDFAST_HOSTILE_FILE = "{self.faults}" }}'
        )

    def set(self, words):
        """From the next call on; never half of it."""
        with open(self.faults + ".new", "w", encoding="utf-8") as file:
            file.write(words)
        os.rename(self.faults + ".new", self.faults)
