"""What the end-to-end tests share. A file's tests share its TPM and, where they can, its daemon."""

import os

import pytest

from holdfast_testing import paths
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.softhsm import SoftHsm
from holdfast_testing.swtpm import Swtpm

# A skip in CI would be a green light for what nobody looked at.
if os.environ.get("CI") == "true":

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        outcome = yield
        report = outcome.get_result()
        if report.skipped and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"skipped, which CI takes for a failure: {call.excinfo.value}"


@pytest.fixture(scope="module")
def folder():
    with paths.temporary_folder() as name:
        yield name


@pytest.fixture(scope="module")
def swtpm(folder):
    with Swtpm(os.path.join(folder, "swtpm")) as tpm:
        yield tpm


@pytest.fixture(scope="module")
def softhsm(folder):
    return SoftHsm(os.path.join(folder, "softhsm"))


@pytest.fixture(scope="module", params=["tpm", "softhsm"])
def device(request):
    """Of each backend in turn, for what has to be the same with all: Daemon() takes it."""
    if request.param == "softhsm":
        return request.getfixturevalue("softhsm")
    return request.getfixturevalue("swtpm").tcti


@pytest.fixture(scope="module")
def daemon(folder, swtpm):
    """One whose caller may do everything."""
    with Daemon(os.path.join(folder, "daemon"), swtpm.tcti, everything()) as running:
        yield running


@pytest.fixture(scope="session")
def root():
    if os.geteuid() != 0:
        pytest.skip("needs root: other uids, namespaces or mounts")


@pytest.fixture(scope="session")
def vectors():
    if not os.path.isdir(paths.VECTORS):
        pytest.skip(f"no published vectors in {paths.VECTORS}: set HOLDFAST_VECTORS")
    return paths.VECTORS
