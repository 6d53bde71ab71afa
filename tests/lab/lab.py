"""The lab's command; tests/lab/run installs what it needs and hands its options on."""

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import initramfs
import kernel
import machine

SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SKIPPED = 77
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "swtpm": "swtpm", "cpio": "cpio", "busybox": "busybox-static", "cmake": "cmake", "setpriv": "util-linux"}


def stage(build, place):
    """The files of the packages holdfast-daemon and holdfast, as they lie in a file system."""
    for component in ("daemon", "cli"):
        subprocess.run(["cmake", "--install", build, "--prefix", "/usr", "--strip", "--component", component],
                       env=dict(os.environ, DESTDIR=place), check=True, stdout=subprocess.DEVNULL)  # fmt: skip


def boot(series, options):
    """True if all tests of one boot passed."""
    started = time.monotonic()
    found = kernel.kernel(series, options.cache, fetch=not options.no_fetch)
    work = tempfile.mkdtemp(prefix="hflab-", dir="/tmp")
    try:
        # Below the build folder, which the guest sees.
        staged = tempfile.mkdtemp(prefix="stage-", dir=options.cache)
        try:
            stage(options.build, staged)
            tests = list(options.tests)
            if options.short:
                tests += ["-m", "short"]
            settings = {"SOURCE": SOURCE, "BUILD": options.build, "STAGE": staged, "TESTS": shlex.join(tests), "KERNEL": series}
            image = os.path.join(work, "initramfs")
            initramfs.make(image, found, settings, work)
            results = machine.run(found, image, work, options.boot_seconds, options.seconds)
        finally:
            shutil.rmtree(staged)
        kept = os.path.join(options.cache, f"results-{series}")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(results, kept)
        shutil.copy(os.path.join(work, "console"), kept)
        return judge(series, kept, time.monotonic() - started)
    finally:
        if options.keep:
            print(f"lab: console, journal, results and the TPM's state are in {work}")
        else:
            shutil.rmtree(work)


def judge(series, kept, seconds):
    try:
        with open(os.path.join(kept, "status"), encoding="ascii") as file:
            status = int(file.read())
        suite = xml.etree.ElementTree.parse(os.path.join(kept, "results.xml")).getroot().find("testsuite")
    except (OSError, ValueError) as error:
        raise machine.Failed(f"the guest left no results ({error}); its console ends with:\n{machine.tail(os.path.join(kept, 'console'))}") from error
    count = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    good = status == 0 and count["tests"] > count["skipped"]
    print(f"lab: Linux {series}: {count['tests']} tests, {count['failures'] + count['errors']} failed, {count['skipped']} skipped, {seconds:.0f} s; "
          f"journal and results in {kept}")  # fmt: skip
    return good


def main():
    parser = argparse.ArgumentParser(prog="tests/lab/run", add_help=False)
    parser.add_argument("--kernel", choices=kernel.RELEASES, action="append")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--no-fetch", action="store_true")
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"))
    parser.add_argument("--boot-seconds", type=int, default=240)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    os.umask(0o022)
    options.build = os.path.realpath(options.build)
    options.cache = os.path.join(options.build, "lab")
    options.seconds = options.seconds or (900 if options.short else 7200)
    series = options.kernel or (["6.1"] if options.short else list(kernel.RELEASES))
    try:
        if platform.machine() != "x86_64":
            raise kernel.Missing(f"this machine is {platform.machine()}, and the lab's is x86_64")
        missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
        if missing:
            raise kernel.Missing(f"install {', '.join(missing)}, or let tests/lab/run do it")
        if options.fetch:
            for one in series:
                kernel.kernel(one, options.cache)
            return 0
        # All are run, whatever the first one says.
        return 0 if all([boot(one, options) for one in series]) else 1
    except kernel.Missing as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" or options.fetch else SKIPPED
    except machine.Failed as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
