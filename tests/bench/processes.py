"""Where the daemon's processes run, what they use, how large they are."""

import os

from holdfast_testing.processes import children


class Group:
    """The processes of one daemon and its TPM, by what they are."""

    def __init__(self, daemon, swtpm):
        self.pids = {"supervisor": daemon.process.pid, "swtpm": swtpm.process.pid}
        for pid, command in children(daemon.process.pid):
            self.pids[command.split()[0].removeprefix("holdfast-")] = pid

    def pin(self, processors):
        for pid in self.pids.values():
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), processors)

    def cpu(self):
        """Seconds on a processor so far, of each process: schedstat counts nanoseconds."""
        return {name: sum(_runtime(pid, task) for task in os.listdir(f"/proc/{pid}/task")) / 1e9
                for name, pid in self.pids.items()}  # fmt: skip

    def resident_mib(self):
        return {name: round(_resident(pid), 1) for name, pid in self.pids.items()}


def _runtime(pid, task):
    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def _resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0
