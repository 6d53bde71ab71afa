"""OpenStack Swift with its S3 interface, which verifies SigV4 itself: one replica, one device, loopback only.

Own rings, ports and folder; the installed /etc/swift/swift.conf alone is shared (it can't be moved).
"""

import os
import signal
import sys

from holdfast_testing.processes import accepts_port, end, free_ports, start, user_name, wait_until

ACCESS_KEY = "test:tester"
SECRET = "testing"
REGION = "us-east-1"

SERVER = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

PROXY = """\
[DEFAULT]
bind_ip = {address}
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors gatekeeper proxy-logging cache listing_formats bulk s3api tempauth slo dlo \
versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""

RINGS = """\
import sys
from swift.common.ring import RingBuilder
for kind, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(2, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1,
                     "replication_ip": "127.0.0.1", "replication_port": int(port)})
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
"""


class Swift:
    """Started by the constructor, which returns when an S3 request is answered."""

    def __init__(self, folder, secret=SECRET, address="127.0.0.1"):
        self.secret = secret
        self.address = address
        self.folder = os.path.abspath(folder)
        self.log = os.path.join(self.folder, "swift.log")
        os.makedirs(os.path.join(self.folder, "devices", "d1"), exist_ok=True)
        self.processes = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        *ports, self.port, memcached = free_ports(5)
        self._run([sys.executable, "-c", RINGS, self.folder, *map(str, ports)])
        self._spawn(["memcached", "-u", user_name(), "-l", "127.0.0.1", "-p", str(memcached), "-m", "16"])
        for kind, port in zip(("account", "container", "object"), ports):
            text = SERVER.format(kind=kind, port=port, folder=self.folder, user=user_name())
            self._spawn([f"/usr/bin/swift-{kind}-server", self._write(f"{kind}-server.conf", text)])
        text = PROXY.format(port=self.port, folder=self.folder, user=user_name(), memcached=memcached, secret=self.secret,
                            address=self.address)  # fmt: skip
        self._spawn(["/usr/bin/swift-proxy-server", self._write("proxy-server.conf", text)])
        wait_until(lambda: self._all_up([memcached, *ports]), 60, f"Swift listens (see {self.log})")

    def _all_up(self, ports):
        for process in self.processes:
            if process.poll() is not None:
                with open(self.log, encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(f"{process.args[0]} ended with {process.returncode}:\n{log.read()[-3000:]}")
        return all(accepts_port(port) for port in ports) and accepts_port(self.port, self.address)

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _run(self, command):
        process = start(command, self.log, cwd=self.folder)
        if process.wait(30) != 0:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"Swift's rings could not be built:\n{log.read()[-3000:]}")

    def _spawn(self, command):
        self.processes.append(start(command, self.log, cwd=self.folder))

    @property
    def host(self):
        return f"{self.address}:{self.port}"

    @property
    def endpoint(self):
        return f"http://{self.host}"

    def stop(self):
        for process in reversed(self.processes):
            end(process, sig=signal.SIGTERM, seconds=5)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def main():
    """python3 -m holdfast_testing.swift FOLDER [SECRET ADDRESS]: serves until its standard input or SIGTERM ends it; prints its address."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Swift(*sys.argv[1:]) as swift:
        print(swift.host, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
