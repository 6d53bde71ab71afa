"""Putting a process into what the daemon takes for a systemd unit: a cgroup below system.slice."""

import contextlib
import os

# The tree that sd_pid_get_unit's rules look at: name=systemd where it is mounted, else the unified one.
TREES = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup")


def tree():
    """The cgroup tree this process may write, or None."""
    for folder in TREES:
        if os.access(os.path.join(folder, "cgroup.procs"), os.W_OK):
            return folder
    return None


def labelled(label):
    """The scopes of `holdfast run --label` that are there."""
    with contextlib.suppress(FileNotFoundError):
        return [name for name in os.listdir(os.path.join(tree(), "system.slice")) if name.startswith(f"holdfast-label-{label}-")]
    return []


@contextlib.contextmanager
def unit(path):
    """The cgroup `path`, such as system.slice/orders.service; removed afterwards with what was made for it."""
    made = []
    folder = tree()
    for name in path.split("/"):
        folder = os.path.join(folder, name)
        if not os.path.isdir(folder):
            os.mkdir(folder)
            made.append(folder)
    try:
        yield os.path.join(folder, "cgroup.procs")
    finally:
        for one in reversed(made):
            with contextlib.suppress(OSError):  # someone is still in it: whoever uses it removes it
                os.rmdir(one)


def move(pid, procs):
    """A process into the unit whose cgroup.procs this is."""
    with open(procs, "w", encoding="ascii") as file:
        file.write(str(pid))


def enter(procs):
    """This process into it; None, where no cgroups can be made, leaves it where it is."""
    if procs:
        move(0, procs)
