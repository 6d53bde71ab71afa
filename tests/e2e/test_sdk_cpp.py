"""The C++ client and the Asio one: what they get, their failures, a fork, a restarted daemon."""

import os
import subprocess

import pytest

from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import program


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, everything()) as running:
        running.import_aws("aws", "AKIALIBRARY", "the-secret-of-the-c++-tests")
        running.create_key("digests")
        yield running


@pytest.mark.parametrize("what", ["blocking", "asio", "fork", "restart"])
def test_cpp(daemon, what):
    environment = dict(os.environ, HOLDFAST_SOCKET=daemon.socket)
    process = subprocess.Popen(
        [program("sdk_cpp"), what], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    restarted = False
    for line in process.stdout:
        if line.strip() == "middle" and not restarted:
            restarted = True
            daemon.stop()
            daemon.start()
    errors = process.stderr.read()
    assert process.wait(60) == 0, errors
    assert restarted == (what == "restart")
