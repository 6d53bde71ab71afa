"""Machines of a test's own on one network: network namespaces that veth pairs join, each with a TPM and a daemon.

What ends a namespace is the end of the process that holds it, and that ends with us.
"""

import contextlib
import ctypes
import os
import subprocess

from holdfast_testing import units
from holdfast_testing.daemon import Daemon
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.users import become, in_child

SERVER = "10.77.0.1"  # of the network, for all hosts


class Namespace:
    def __init__(self):
        script = "ip link set lo up && echo up && exec cat"
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
        if self.holder.stdout.readline() != b"up\n":
            raise PermissionError(f"no network namespace can be made here: {self.holder.stderr.read().decode().strip()}")
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.wrapper = ["nsenter", f"--net={self.path}"]

    def run(self, *command):
        done = subprocess.run([*self.wrapper, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PermissionError(f"{' '.join(command)}: {done.stderr.strip()}")

    def enter(self):
        """This process into it; before it gives up root."""
        with open(self.path, "rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def close(self):
        self.holder.communicate()


class Network:
    """Where the servers are: SERVER, which each host reaches over a link of its own."""

    def __init__(self):
        self.namespace = Namespace()
        self.namespace.run("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
        self.hosts = 0

    def connect(self, namespace):
        self.hosts += 1
        here, subnet = f"host{self.hosts}", f"10.77.{self.hosts}"
        self.namespace.run("ip", "link", "add", here, "type", "veth", "peer", "name", "net0", "netns", str(namespace.holder.pid))
        for end, name, number in ((self.namespace, here, 1), (namespace, "net0", 2)):
            end.run("ip", "address", "add", f"{subnet}.{number}/24", "dev", name)
            end.run("ip", "link", "set", name, "up")
        namespace.run("ip", "route", "add", SERVER, "via", f"{subnet}.1")
        return f"{subnet}.2"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.namespace.close()


class Host:
    """Its daemon is made by serve(). Processes on it are children of ours, under whatever uid and in whatever unit."""

    def __init__(self, folder, network):
        self.folder = folder
        os.makedirs(folder)
        self.namespace = Namespace()
        self.address = network.connect(self.namespace)
        self.tpm = Swtpm(os.path.join(folder, "tpm"))
        self.daemon = None

    def serve(self, grants, name="daemon", **options):
        self.daemon = Daemon(os.path.join(self.folder, name), self.tpm.tcti, grants, run=False, **options)
        self.daemon.start(wrapper=self.namespace.wrapper)
        return self.daemon

    def stepping_in(self, uid=0, procs=None):
        """What makes a new process one of this host's: for preexec_fn and in_child."""

        def step():
            self.namespace.enter()
            units.enter(procs)
            if uid:
                become(uid)

        return step

    def run(self, function, uid=0, procs=None):
        return in_child(function, before=self.stepping_in(uid, procs))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.ExitStack() as stack:
            stack.callback(self.namespace.close)
            stack.callback(self.tpm.stop)
            if self.daemon:
                self.daemon.__exit__()
