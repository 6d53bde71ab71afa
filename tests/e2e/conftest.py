"""What the end-to-end tests share. A file's tests share its TPM and, where they can, its daemon."""

import os

import pytest

from holdfast_testing import paths, units
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.fixtures import folder, pytest_runtest_makereport, root, swtpm  # noqa: F401
from holdfast_testing.softhsm import SoftHsm


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
def vectors():
    if not os.path.isdir(paths.VECTORS):
        pytest.skip(f"no published vectors in {paths.VECTORS}: set HOLDFAST_VECTORS")
    return paths.VECTORS


@pytest.fixture
def cgroups(root):
    if not units.tree():
        pytest.skip("no cgroup tree that can be written: " + ", ".join(units.TREES))
    return units
