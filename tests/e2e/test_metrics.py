"""Metrics, judged by Prometheus' own Python parser: on metrics.sock, by `holdfast metrics`, and over HTTP."""

import http.client
import json
import os
import re
import select
import socket
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast_testing.authority import Authority
from holdfast_testing.client import Client
from holdfast_testing.paths import SOURCE, program
from holdfast_testing.processes import end, wait_until

BOUNDS = [unit * step for unit in (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1) for step in (1, 2.5, 5)] + [10]


def scrape(daemon):
    with Client(daemon.metrics_socket) as client:
        reply = client.get("/metrics")
    assert reply.status == 200
    return reply.content.decode()


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(text, name, **labels):
    """The sum of all samples of this name that have at least these labels."""
    return sum(
        sample.value
        for family in families(text).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@pytest.fixture(scope="module")
def used(daemon, folder):
    """A daemon that has signed, and has a key with a certificate."""
    daemon.create_key("signs")
    daemon.create_key("certified", use="roles-anywhere")
    with daemon.admin() as admin:
        request = admin.post("/v1/keys/certified/csr", {"subject": [["CN", "certified"]]}).json["csr_pem"]
        chain = Authority(os.path.join(folder, "ca")).issue(request)
        assert admin.post("/v1/keys/certified/certificate", {"chain_pem": chain}).status == 200
    with daemon.client() as client:
        assert digest(client, "signs").status == 200
    return daemon


def digest(client, key):
    return client.post("/v1/sign/digest", {"key": key, "algorithm": "ES256", "encoding": "raw", "digest": "A" * 43 + "="})


def test_prometheus_reads_them_and_each_has_a_help_and_the_right_type(used):
    text = scrape(used)
    for name, family in families(text).items():
        assert re.fullmatch(r"(holdfast|process)_[a-z_]+", name), name
        assert family.documentation.endswith("."), name
        assert family.type in ("counter", "gauge", "histogram"), name
        assert f"# TYPE {name}{'_total' if family.type == 'counter' else ''} {family.type}" in text


def test_a_request_is_counted_by_operation_format_decision_and_code(used):
    before = scrape(used)
    with used.client() as client:
        for _ in range(3):
            assert digest(client, "signs").status == 200
        assert digest(client, "no-such-key").status == 403
        assert client.post("/v1/sign/digest", {"key": "signs"}).status == 400
    after = scrape(used)
    counts = [
        ({"operation": "sign.digest", "format": "digest", "decision": "allowed", "code": "ok"}, 3),
        ({"operation": "sign.digest", "format": "digest", "decision": "denied", "code": "not_permitted"}, 1),
        ({"operation": "sign.digest"}, 4),
    ]
    for labels, more in counts:
        name = "holdfast_requests_total"
        assert value(after, name, **labels) - value(before, name, **labels) == more, labels
    assert value(after, "holdfast_requests_total", operation="admin.key.create", decision="allowed", code="ok", format="") >= 1
    assert value(after, "holdfast_audit_records") - value(before, "holdfast_audit_records") == 4
    assert value(after, "holdfast_audit_unsigned_records") == value(after, "holdfast_audit_records")


def test_queue_and_execution_of_each_command_are_timed_apart(used):
    before = scrape(used)
    with used.client() as client:
        for _ in range(5):
            assert digest(client, "signs").status == 200
    after = scrape(used)
    for kind in ("queue", "execution"):
        name = f"holdfast_device_{kind}_seconds"
        samples = [s for s in families(after)[name].samples if s.name == f"{name}_bucket"]
        assert {sample.labels["device"] for sample in samples} == {"tpm"}
        assert [float(sample.labels["le"]) for sample in samples] == pytest.approx(BOUNDS + [float("inf")])
        counts = [sample.value for sample in samples]
        assert counts == sorted(counts) and counts[-1] == value(after, f"{name}_count")
        assert value(after, f"{name}_count") - value(before, f"{name}_count") >= 5
        assert value(after, f"{name}_sum") > value(before, f"{name}_sum")


def test_open_connections_are_counted_by_socket(used):
    def opened():
        return value(scrape(used), "holdfast_open_connections", socket="application")

    before = wait_until(lambda: opened() == 0 and [0], 20, "earlier connections are gone")[0]
    clients = [used.client() for _ in range(3)]
    for client in clients:
        assert client.get("/v1/version").status == 200
    assert opened() - before == 3
    assert value(scrape(used), "holdfast_open_connections", socket="metrics") == 1
    for client in clients:
        client.close()
    wait_until(lambda: opened() == before, 20, "they are gone")


def test_the_page_has_each_metric_with_its_type_and_labels(used):
    given_now = families(scrape(used))
    with open(os.path.join(SOURCE, "docs", "metrics.md"), encoding="utf-8") as page:
        rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", page.read(), re.MULTILINE)
    said = {name.removesuffix("_total"): (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}
    given = {name: (family.type, {label for s in family.samples for label in s.labels} - {"le"}) for name, family in given_now.items()}
    assert said == given


def test_the_dashboard_asks_only_for_what_the_daemon_gives(used):
    given = {}
    for family in families(scrape(used)).values():
        for sample in family.samples or [None]:
            name, labels = (sample.name, set(sample.labels)) if sample else (family.name, set())
            given.setdefault(name, set()).update(labels)
    with open(os.path.join(SOURCE, "docs", "grafana", "holdfast.json"), encoding="utf-8") as file:
        board = json.load(file)
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [v["query"]["query"] for v in board["templating"]["list"] if v["type"] == "query"]
    assert len(queries) > 15
    asked = set()
    for query in queries:
        names = re.findall(r"\b(?:holdfast|process)_\w+", query)
        assert names, query
        labels = set(re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', query)) | set(
            label.strip() for by in re.findall(r"by \((.*?)\)", query) for label in by.split(",")
        )
        for name in names:
            assert name in given, query
            assert labels - {"instance"} <= given[name], query
        asked.update(re.sub(r"_(bucket|sum|count)$", "", name) for name in names)
    assert asked >= {name for name in families(scrape(used)) if name.startswith("holdfast_device_") and name.endswith("seconds")}


def test_the_command_prints_them(used):
    printed = families(used.cli("metrics").stdout)
    assert set(printed) == set(families(scrape(used)))


class Server:
    """`holdfast metrics --listen 0` of a daemon."""

    def __init__(self, daemon, *options):
        environment = dict(daemon.environment, HOLDFAST_SOCKET=daemon.socket, HOLDFAST_ADMIN_SOCKET=daemon.admin_socket)
        self.process = subprocess.Popen(
            [program("holdfast"), "metrics", "--listen", *options], env=environment, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stderr.readline()
        found = re.fullmatch(r"serving http://(.*):(\d+)/metrics\n", line)
        assert found, line + self.process.stderr.read()
        self.host, self.port = found[1], int(found[2])

    def ask(self, method="GET", target="/metrics", headers=None, body=None):
        connection = http.client.HTTPConnection(self.host.strip("[]"), self.port, timeout=30)
        connection.request(method, target, body=body, headers=headers or {})
        reply = connection.getresponse()
        reply.content = reply.read()
        connection.close()
        return reply

    def connect(self):
        return socket.create_connection((self.host.strip("[]"), self.port), timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.process.stderr.close()


@pytest.fixture(scope="module")
def server(used):
    with Server(used, "0", "--host", "signer.example.com") as running:
        yield running


def test_scrapers_get_them_on_the_loopback_interface(used, server):
    assert server.host == "127.0.0.1"
    reply = server.ask()
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.headers["Connection"] == "close"
    assert set(families(reply.content.decode())) == set(families(scrape(used)))


def test_scrapers_get_nothing_else(server):
    for target in ("/", "/metrics/", "/metrics?x=1", "/v1/keys"):
        assert server.ask(target=target).status == 404, target
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        reply = server.ask(method=method)
        assert reply.status == 405 and reply.headers["Allow"] == "GET", method
    reply = server.ask(method="POST", body=b"x" * 100_000)
    assert reply.status == 405


def test_a_host_header_that_names_another_server_is_refused(server):
    for name in ("127.0.0.1", f"127.0.0.1:{server.port}", "[::1]:9464", "localhost", "LOCALHOST:1", "signer.example.com:9464", "192.0.2.1"):
        assert server.ask(headers={"Host": name}).status == 200, name
    for name in ("evil.example.com", "evil.example.com:9464", "localhost.evil.example.com", "127.0.0.1.evil.example.com", "", "[", "signer.example.com."):
        assert server.ask(headers={"Host": name}).status == 421, name
    for header in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        with server.connect() as raw:
            raw.sendall(b"GET /metrics HTTP/1.1\r\n" + header + b"\r\n")
            assert raw.recv(65536).startswith(b"HTTP/1.1 421 ")


def test_slow_connections_are_few_and_end(server):
    def link(path):
        try:
            return os.readlink(path)
        except FileNotFoundError:  # closed meanwhile
            return ""

    def held():
        folder = f"/proc/{server.process.pid}/fd"
        return sum(link(os.path.join(folder, fd)).startswith("socket:") for fd in os.listdir(folder))

    before = held()
    slow = [server.connect() for _ in range(300)]
    for one in slow:
        try:
            one.sendall(b"GET /metrics HTTP/1.1\r\n")
        except (ConnectionResetError, BrokenPipeError):
            pass  # one too many
    most = 0
    left = list(slow)
    while left:
        most = max(most, held())
        ended = select.select(left, [], [], 0.1)[0]
        left = [one for one in left if one not in ended]
    for one in slow:
        try:
            assert one.recv(1) == b""
        except ConnectionResetError:
            pass
        one.close()
    assert before + 16 < most <= before + 257  # one more, until it is closed
    assert server.ask().status == 200


def test_a_header_without_end_is_cut_off(server):
    with server.connect() as raw:
        try:
            raw.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            for _ in range(1000):
                raw.sendall(b"x" * 1000)
            assert raw.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert server.ask().status == 200


def test_wrong_addresses_and_a_port_that_is_taken_are_said(used, server):
    for address in ("", "x", "70000", "-1", "localhost:1", "127.0.0.1:", "9464x"):
        result = used.cli("metrics", "--listen", address, check=False)
        assert result.returncode == 2, address
    result = used.cli("metrics", "--listen", str(server.port), check=False)
    assert result.returncode == 1 and "in use" in result.stderr
    assert used.cli("metrics", "--host", "x", check=False).returncode == 2


def test_a_daemon_that_is_down_is_said_and_asked_again(used):
    with Server(used, "[::1]:0") as running:
        assert running.host == "[::1]"
        assert running.ask().status == 200
        used.stop()
        reply = running.ask()
        assert reply.status == 503 and reply.headers["Content-Type"].startswith("text/plain")
        used.start()
        wait_until(lambda: running.ask().status == 200, 20, "it gives them again")
