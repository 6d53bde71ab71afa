"""What more keys, grants and connections cost; all on one core."""

import hashlib
import os
import resource
import shutil
import sys

from holdfast_testing.client import Client
from holdfast_testing.daemon import everything
from holdfast_testing.processes import wait_until
from measure import AWS_KEY, restart
from processes import descriptors

GRANT = """[[grant]]
name = "g{0:05}"
key = "bench-{0:05}"
caller = {{ uid = {1} }}
facts = {{ service = "s3", method = "GET" }}
"""
IN_ONE_FILE = 1000  # a file of the configuration has at most 1 MiB
# The daemon's descriptors: for each connection, and beside them. A few connections are not of the load.
PER_CONNECTION, OTHERS, SPARE = 2, 1280, 16
USUAL = 500  # connections of one user that need no setting


def growth(bench, counts=(10, 1000, 10000), connections=(1, 10, 100, 1000, 10000)):
    return {"keys": keys(bench, counts), **of_connections(bench, connections)}


def keys(bench, counts):
    """As many keys as grants; the caller uses the last of them."""
    report = {}
    for count in counts:
        bench.daemon.stop()
        _copy_keys(bench.daemon.state, count)
        for first in range(0, count, IN_ONE_FILE):
            _write_grants(bench.daemon, f"g{first:05}", range(first, min(first + IN_ONE_FILE, count)))
        restart(bench, "")
        result = bench.load(bench.sigv4(f"bench-{count - 1:05}"), 1, 0, {0})
        report[count] = dict(result, resident_mib=bench.group.resident_mib()["core"])
    folder = os.path.dirname(bench.daemon.policy)
    for first in range(0, max(counts), IN_ONE_FILE):
        os.unlink(os.path.join(folder, f"g{first:05}.toml"))
    restart(bench, everything())
    return report


def _write_grants(daemon, name, numbers):
    with open(os.path.join(os.path.dirname(daemon.policy), f"{name}.toml"), "w", encoding="utf-8") as file:
        file.write("".join(GRANT.format(n, os.geteuid()) for n in numbers))


def _copy_keys(state, number):
    """The folder of the one access key under other names, each with its own checksum."""
    folder = os.path.join(state, "keys")
    with open(os.path.join(folder, AWS_KEY, "key.json"), encoding="utf-8") as file:
        line = file.readline().rstrip("\n")
    for n in range(number):
        name = f"bench-{n:05}"
        copy = os.path.join(folder, name)
        if os.path.isdir(copy):
            continue
        shutil.copytree(os.path.join(folder, AWS_KEY), copy)
        text = line.replace(f'"name":"{AWS_KEY}"', f'"name":"{name}"')
        with open(os.path.join(copy, "key.json"), "w", encoding="utf-8") as file:
            file.write(f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}\n")


def of_connections(bench, counts):
    """`connections`: one caller asks beside so many that rest; `busy`: so many ask at once."""
    most = _raise_descriptors(max(counts))
    counts = sorted({min(count, most) for count in counts})
    beyond = f"[limits]\nconnections = {most + SPARE}\nconnections_per_user = {most + SPARE}\n"
    restart(bench, settings=beyond if max(counts) > USUAL else "")
    report = {"connections": {}, "busy": {}}
    clients = []
    for count in counts:
        while len(clients) < count - 1:
            clients.append(Client(bench.daemon.socket))
            clients[-1].get("/v1/version")
        result = bench.load(bench.sigv4(), 1, 0, {0})
        if descriptors(bench.group.pids["core"]) < count:
            raise RuntimeError(f"the daemon has closed some of {count} connections: this took longer than they may rest")
        report["connections"][count] = dict(result, resident_mib=bench.group.resident_mib()["core"])
    for client in clients:
        client.close()
    for count in counts:
        wait_until(lambda: descriptors(bench.group.pids["core"]) < 64, 30, "the daemon has closed what its callers left")
        result = bench.load(bench.sigv4(), count, 0, {0})
        report["busy"][count] = dict(result, resident_mib=bench.group.peak_mib()["core"])
    restart(bench, settings="")
    return report


def _raise_descriptors(count):
    """So many of `count` connections as this process, and so the daemon that it starts, may have descriptors for."""
    needed = PER_CONNECTION * (count + SPARE) + OTHERS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, needed), max(hard, needed)))
        return count
    except ValueError:  # may not be raised
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        most = ((hard - OTHERS) // PER_CONNECTION - SPARE) // 100 * 100
        print(f"RLIMIT_NOFILE can't be raised above {hard}: {most} connections instead of {count}", file=sys.stderr)
        return most
