"""What the scenarios share. Each test is a step of its file's story and prints it; the file's first line is the headline."""

import contextlib
import subprocess

import pytest

from holdfast_testing import story, units
from holdfast_testing.fixtures import folder, pytest_runtest_makereport, root  # noqa: F401
from holdfast_testing.hosts import Network
from holdfast_testing.paths import program

# How the builds or services of one uid are told apart: the cgroup that each is in.
UNITS = units.tree() is not None


@pytest.fixture(autouse=True)
def heading(request):
    """The step's number and what it is about, before it prints what came of it."""
    steps = [item for item in request.session.items if item.fspath == request.node.fspath]
    number = steps.index(request.node) + 1
    if number == 1:
        print(f"\n{request.module.__doc__.splitlines()[0]}")
        if not UNITS:
            story.note("No cgroups can be made here, so grants name the uid alone; which unit a process is in is tested with recorded paths.")
    print(f"\n{number}. {request.function.__doc__.splitlines()[0]}")


@pytest.fixture(scope="module")
def network(root):
    try:
        one = Network()
    except PermissionError as error:
        pytest.skip(str(error))
    with one:
        yield one


@pytest.fixture(scope="module")
def unit():
    """unit(NAME) makes a systemd unit and gives its cgroup.procs; None where no cgroups can be made."""
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(units.unit(f"system.slice/{name}")) if UNITS else None


@pytest.fixture
def two_units():
    """True where one uid in two units can be shown; else the rules are tried on paths that were recorded."""
    if not UNITS:
        command = [program("unit_identity"), "--gtest_filter=Unit.*", "--gtest_brief=1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout
        story.note("no cgroups can be made here; the rules hold for recorded paths (unit_identity, Unit.*)")
    return UNITS


@pytest.fixture(scope="session")
def caller_of():
    """The `caller` table of a grant: a uid, its unit where there are units, and what else is given."""

    def table(uid, unit_name, more=""):
        named = f', unit = "{unit_name}"' if UNITS else ""
        return f"{{ uid = {uid}{named}{more} }}"

    return table
