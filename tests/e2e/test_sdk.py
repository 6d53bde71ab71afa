"""libholdfast: two threads, a fork and a restarted daemon; every answer checked."""

import glob
import hashlib
import os
import shutil
import subprocess

import pytest

from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import SOURCE, program
from holdfast_testing.sigv4 import signature

SECRET = "the-secret-of-the-library's-tests"
# Of each thread, where a tool makes them slow; docs/sdk.md has the command for all 20,000.
REQUESTS = int(os.environ.get("HOLDFAST_SDK_REQUESTS", "500"))
EMPTY = hashlib.sha256(b"").hexdigest()
HOST = "bucket.s3.eu-west-1.amazonaws.com"


def expected(path):
    """The signature of the load program's request, from nothing that the daemon or the library said."""
    stamp = "20260101T000000Z"
    headers = f"host:{HOST}\nx-amz-content-sha256:{EMPTY}\nx-amz-date:{stamp}\n"
    canonical = f"GET\n{path}\n\n{headers}\nhost;x-amz-content-sha256;x-amz-date\n{EMPTY}"
    scope = f"{stamp[:8]}/eu-west-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return signature(SECRET, text)


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, everything()) as running:
        running.import_aws("aws", "AKIALIBRARY", SECRET)
        yield running


def run_load(daemon, folder, requests, wrapper=(), load=None, restart="stop"):
    """Runs the load program and restarts the daemon in its middle; every answer is checked. Its standard error."""
    place = os.path.join(folder, "load")
    shutil.rmtree(place, ignore_errors=True)
    os.mkdir(place)
    environment = dict(os.environ, HOLDFAST_SOCKET=daemon.socket)
    log = os.path.join(place, "stderr")
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            [*wrapper, load or program("sdk_load"), str(requests), place],
            env=environment, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    said = []
    try:
        for line in process.stdout:
            said.append(line.strip())
            if said[-1] == "middle":
                getattr(daemon, restart)()
                daemon.start()
    finally:
        if process.poll() is None and "middle" not in said:
            process.kill()
    status = process.wait()
    with open(log, encoding="utf-8", errors="replace") as errors:
        text = errors.read()
    assert status == 0 and said == ["forking", "middle", "done"], f"{status} {said}\n{text[-4000:]}"
    check_answers(daemon, place, {"thread-0": requests, "thread-1": requests, "child": requests // 20 + 1})
    return text


def check_answers(daemon, place, counts):
    records = set()
    for who, count in counts.items():
        with open(os.path.join(place, who), encoding="ascii") as file:
            answers = [line.split() for line in file]
        assert [int(number) for number, _, _ in answers] == list(range(count)), who
        for number, given, _ in answers:
            assert given == expected(f"/{who}/{number}"), (who, number)
        records.update(int(record) for _, _, record in answers)
    assert len(records) == sum(counts.values()), "two answers name one record"
    print(f"{len(records)} signatures, each as computed from outside")


def test_two_threads_a_fork_and_a_restart(daemon, folder):
    run_load(daemon, folder, 20000)


def test_two_threads_a_fork_and_a_daemon_that_is_killed(daemon, folder):
    run_load(daemon, folder, 2000, restart="kill")


def build(folder, name, *options):
    """The library and the load program in one, whatever the rest was built with."""
    load = os.path.join(folder, "load-" + name)
    sources = [*glob.glob(os.path.join(SOURCE, "sdk", "c", "*.c")), os.path.join(SOURCE, "tests", "sdk", "load.c")]
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-fno-omit-frame-pointer", *options, "-o", load]
    command += ["-I", os.path.join(SOURCE, "sdk", "c", "include"), *sources, "-ljansson", "-pthread"]
    subprocess.run(command, check=True)
    return load


def test_no_fault_that_valgrind_finds(daemon, folder):
    if not shutil.which("valgrind"):
        pytest.skip("no valgrind")
    wrapper = ["valgrind", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible", "--error-exitcode=9"]
    text = run_load(daemon, folder, REQUESTS, wrapper, build(folder, "plain"))
    print("\n".join(line for line in text.splitlines() if "lost:" in line or "SUMMARY" in line))


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_no_fault_that_a_sanitizer_finds(daemon, folder, sanitizer):
    name = sanitizer.partition(",")[0]
    load = build(folder, name, f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")
    text = run_load(daemon, folder, REQUESTS, load=load)
    assert "Sanitizer" not in text and "runtime error" not in text, text
