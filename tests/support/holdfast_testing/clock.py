"""A wall clock of the test's own for the core process, which keeps the real CLOCK_BOOTTIME: libfaketime.

The supervisor gives its children a clean environment, so that nobody can preload something into them. So the test puts
a folder of programs together in which `holdfast-core` is a script that sets the environment and becomes the real one.
"""

import glob
import os
import shutil

from holdfast_testing.paths import program

SCRIPT = """\
#!/bin/sh
export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={file} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1
exec {core} "$@"
"""


class Clock:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not libraries:
            raise FileNotFoundError("libfaketime is missing: it is in Debian's package faketime")
        self.file = os.path.join(folder, "offset")
        self.set(0)
        # Copied, because programs are looked for beside the real supervisor.
        self.supervisor = shutil.copy(program("holdfastd"), folder)
        for name in ("holdfast-caller", "holdfast-device"):
            os.symlink(program(name), os.path.join(folder, name))
        script = os.path.join(folder, "holdfast-core")
        with open(script, "w", encoding="utf-8") as file:
            file.write(SCRIPT.format(library=libraries[0], file=self.file, core=program("holdfast-core")))
        os.chmod(script, 0o755)

    def set(self, seconds):
        """How far the clock is from the real one, at once."""
        with open(self.file + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.rename(self.file + ".new", self.file)
        self.offset = seconds
