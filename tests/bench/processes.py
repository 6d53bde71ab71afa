"""Where the daemon's processes run, what they use, how large they are."""

import os

from holdfast_testing.processes import children


class Group:
    """The processes of one daemon and its TPM, where it has one, by what they are."""

    def __init__(self, daemon, swtpm=None):
        self.pids = {"supervisor": daemon.process.pid}
        if swtpm:
            self.pids["swtpm"] = swtpm.process.pid
        for pid, command in children(daemon.process.pid):
            self.pids[command.split()[0].removeprefix("holdfast-")] = pid

    def pin(self, processors, tpm):
        """All on `processors`, but for the TPM."""
        for name, pid in self.pids.items():
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), tpm if name == "swtpm" else processors)

    def cpu(self):
        """Seconds on a processor so far, of each process: schedstat counts nanoseconds."""
        return {name: sum(_runtime(pid, task) for task in os.listdir(f"/proc/{pid}/task")) / 1e9
                for name, pid in self.pids.items()}  # fmt: skip

    def resident_mib(self):
        return self._mib("VmRSS")

    def peak_mib(self):
        """The most that each has had resident since it started."""
        return self._mib("VmHWM")

    def _mib(self, field):
        return {name: round(sizes(pid)[field] / 1024, 1) for name, pid in self.pids.items()}


def _runtime(pid, task):
    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def sizes(pid):
    """Of its memory, in KiB, and its number of threads."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return {name: int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM", "VmData", "Threads")}


def descriptors(pid):
    """But for full tiles of the audit log, of which up to 16 stay open until they are made durable together."""
    return sum("/audit/tile/" not in _target(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd"))


def _target(link):
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""
