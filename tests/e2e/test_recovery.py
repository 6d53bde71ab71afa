"""docs/recovery.md, row by row: what it says one sees is seen, and what it says to do is done and helps."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from holdfast_testing.bus import Bus
from holdfast_testing.client import Client
from holdfast_testing.daemon import Daemon, everything
from holdfast_testing.paths import SOURCE, temporary_folder
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get, wrong
from holdfast_testing.swtpm import Swtpm
from test_threats import lock

SECRET = "a-secret-of-the-recovery-tests"

with open(os.path.join(SOURCE, "docs", "recovery.md"), encoding="utf-8") as page:
    PAGE = page.read()
ROWS = {}
for line in PAGE.splitlines():
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if line.startswith("| ") and len(cells) == 3 and cells[0] != "what happened":
        ROWS[cells[0]] = cells[1:]

# The tests of each row; one that has its home elsewhere is named with its file.
TESTED = {
    "The TPM was cleared, or the mainboard replaced": ["test_cleared_tpm", "test_another_tpm"],
    "The token of an HSM was replaced, or initialised anew and given another serial": ["test_hsm.py::test_a_token_that_is_another_is_refused_until_it_is_accepted"],
    "An HSM refuses the PIN": ["test_hsm.py::test_a_wrong_pin_is_tried_once_and_said"],
    "A key does not load any more": ["test_key_of_another_tpm"],
    "A certificate has expired": ["test_roles_anywhere.py::test_an_expired_certificate_signs_nothing"],
    "A key's files are damaged": ["test_damaged_key_file", "test_roles_anywhere.py::test_a_damaged_file_stops_its_key_alone"],
    "The state directory was lost": ["test_state_directory_lost"],
    "The state directory was restored from an old copy": ["test_state_directory_from_an_old_copy"],
    "The log can't be written (disk full, input/output error)": ["test_log_that_can_not_be_written"],
    "The log's files don't agree with each other": ["test_log_that_does_not_agree"],
    "The TPM does not answer": ["test_tpm_that_is_gone", "test_tpm_that_hangs"],
    "The TPM is in failure mode": ["test_failure_mode"],
    "The owner hierarchy has a password": ["test_owner_password_taken_away", "test_owner_password_kept"],
    "The TPM is in lockout": ["test_lockout"],
    "The clock went back": ["test_clock.py::test_row24_clock_that_goes_back_stops_signing_until_it_is_right"],
}


def test_each_row_has_its_tests():
    assert set(ROWS) == set(TESTED)
    for tests in TESTED.values():
        for test in tests:
            file, _, name = test.rpartition("::")
            with open(os.path.join(os.path.dirname(__file__), file or "test_recovery.py"), encoding="utf-8") as content:
                assert re.search(rf"^def {name}\(", content.read(), re.MULTILINE), test


def sees(row, *observed, without=()):
    """Each quoted text and each code word of the row's second column is in what was observed."""
    text = "\n".join(one.content.decode() if hasattr(one, "content") else json.dumps(one) for one in observed)
    seen = ROWS[row][0]
    for wanted in re.findall(r'(?<!`)"([^"`]+)"', seen) + re.findall(r"`([a-z_]+)`", seen):
        if wanted not in ("health", *without):
            assert wanted in text, (row, wanted, text)


class Machine:
    """A TPM, a daemon on it with one key, and what its administrator can do."""

    def __init__(self, folder, tcti=None, **options):
        self.tpm = Swtpm(os.path.join(folder, "t"))
        self.daemon = Daemon(os.path.join(folder, "d"), tcti or self.tpm.tcti, everything(), **options)
        self.daemon.import_aws("aws", "AKIARECOVER", SECRET)
        self.days = 0
        assert self.signs()

    def ask(self, key="aws"):
        """Asks for a day of its own each time, so that the device has to answer."""
        self.days += 1
        request = get(key, time=f"{2001 + self.days // 300}-{self.days // 25 % 12 + 1:02}-{self.days % 25 + 1:02}T00:00:00Z", explain=True)
        return self.daemon.sign(request)

    def signs(self, key="aws"):
        reply = self.ask(key)
        assert reply.status != 200 or wrong(reply.json, SECRET) == "", reply
        return reply.status == 200

    def health(self, admin=False):
        with self.daemon.admin() if admin else self.daemon.client() as client:
            return client.get("/v1/health").json

    def device_becomes(self, state):
        wait_until(lambda: self.health()["devices"][0]["state"] == state, 20, f"the device is {state}: {self.health()}")

    def metrics(self):
        with Client(self.daemon.metrics_socket) as client:
            return client.get("/metrics").content.decode()

    def do(self, row, command):
        """A command that the row names, in its words."""
        assert f"`{command}`" in ROWS[row][1] or command in PAGE, command
        return self.daemon.cli(*shlex.split(command)[1:])

    def start(self):
        """The device is asked when the daemon is ready already."""
        self.daemon.start()
        wait_until(lambda: self.health()["devices"][0]["state"] != "starting", 20, "the device was opened or not")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()
        self.tpm.stop()


@pytest.fixture
def place():
    with temporary_folder() as folder:
        yield folder


# The TPM's storage root is another.


def accepts_and_begins_anew(machine):
    row = "The TPM was cleared, or the mainboard replaced"
    machine.start()
    machine.device_becomes("refused")
    sees(row, machine.health(), machine.ask())
    assert machine.health()["status"] == "down"
    with machine.daemon.admin() as admin:
        assert admin.post("/v1/keys", {"name": "new", "type": "ec-p256", "use": "digest", "device": "tpm"}).code == "device_unavailable"
    # A restart changes nothing.
    machine.daemon.stop()
    machine.start()
    machine.device_becomes("refused")
    machine.do(row, "holdfast device accept tpm")
    machine.device_becomes("ready")
    record = [record for record in machine.daemon.audit() if record["operation"] == "admin.device.accept"]
    assert len(record) == 1 and record[0]["code"] == "ok" and record[0]["details"]["caller"]["uid"] == os.geteuid()
    # The old key is gone for good, and says so.
    reply = machine.ask()
    sees("A key does not load any more", reply, machine.health(admin=True), shown(machine, "aws"))
    assert machine.health()["status"] == "degraded"
    machine.daemon.cli("key", "delete", "aws", "--yes")
    machine.daemon.import_aws("aws", "AKIARECOVER", SECRET)
    assert machine.signs() and machine.health()["status"] == "ok", machine.health()
    machine.daemon.stop()
    machine.start()
    assert machine.signs()
    # Accepted is what was there: it says so, and changes nothing.
    with machine.daemon.admin() as admin:
        assert admin.post("/v1/devices/tpm/accept").json == {"device": "tpm", "accepted": False, "pin_again": False}
    assert machine.signs()


def shown(machine, key):
    return json.loads(machine.daemon.cli("--json", "key", "show", key).stdout)


def test_cleared_tpm(place):
    with Machine(place) as machine:
        machine.daemon.stop()
        machine.tpm.tool("tpm2_clear", "-c", "p")
        accepts_and_begins_anew(machine)


def test_another_tpm(place):
    with Machine(place) as machine:
        machine.daemon.stop()
        machine.tpm.stop()
        shutil.rmtree(os.path.join(machine.tpm.folder, "tpm"))
        os.mkdir(os.path.join(machine.tpm.folder, "tpm"))
        machine.tpm.start()
        accepts_and_begins_anew(machine)


def test_key_of_another_tpm(place):
    """A key's folder that came from another machine is lost here; its neighbours sign."""
    row = "A key does not load any more"
    with Machine(os.path.join(place, "one")) as one, Machine(os.path.join(place, "two")) as two:
        two.daemon.stop()
        one.daemon.stop()
        # Its metadata has the name in it, so it takes the same key's place.
        shutil.rmtree(os.path.join(two.daemon.state, "keys", "aws"))
        shutil.copytree(os.path.join(one.daemon.state, "keys", "aws"), os.path.join(two.daemon.state, "keys", "aws"))
        two.start()
        two.daemon.import_aws("other", "AKIAOTHER", SECRET)
        reply = two.ask()
        sees(row, reply, two.health(admin=True), shown(two, "aws"))
        assert shown(two, "aws")["versions"][0]["lost"] is True
        assert "aws" not in json.dumps(two.health()["reasons"]) and two.health()["status"] == "degraded"
        assert two.signs("other")
        # With a new version the key is well again, and what became of the lost one is nobody's trouble.
        with two.daemon.admin() as admin:
            reply = admin.post("/v1/keys/aws/versions", {"access_key_id": "AKIARECOVER", "secret_access_key": SECRET, "state": "active"})
            assert reply.status == 201, reply
            assert two.signs() and two.health()["status"] == "ok", two.health()
            assert admin.post("/v1/keys/aws/versions/1/retire").status == 200
        assert two.health()["status"] == "ok", two.health()
        two.daemon.cli("key", "delete", "aws", "--yes")
        two.daemon.import_aws("aws", "AKIARECOVER", SECRET)
        assert two.signs() and two.health()["status"] == "ok"


def test_damaged_key_file(place):
    row = "A key's files are damaged"
    with Machine(place) as machine:
        machine.daemon.import_aws("other", "AKIAOTHER", SECRET)
        path = os.path.join(machine.daemon.state, "keys", "aws", "v1.pem")
        shutil.copytree(os.path.dirname(path), os.path.join(place, "backup"))
        machine.daemon.stop()
        with open(path, "r+b") as file:
            file.seek(80)
            byte = file.read(1)
            file.seek(80)
            file.write(bytes([byte[0] ^ 1]))
        machine.start()
        sees(row, machine.health(), machine.ask())
        assert any("key aws" in reason for reason in machine.health(admin=True)["reasons"])
        assert machine.signs("other")
        machine.daemon.stop()
        shutil.rmtree(os.path.dirname(path))
        shutil.copytree(os.path.join(place, "backup"), os.path.dirname(path))
        machine.start()
        assert machine.signs() and machine.health()["status"] == "ok"


# The state directory.


def test_state_directory_lost(place):
    row = "The state directory was lost"
    with Machine(place) as machine:
        machine.daemon.stop()
        backup = os.path.join(place, "backup")
        shutil.move(machine.daemon.state, backup)
        machine.start()
        sees(row, machine.ask())
        with machine.daemon.admin() as admin:
            assert admin.get("/v1/keys").json["keys"] == []
        assert len(machine.daemon.audit()) < 5
        machine.daemon.import_aws("aws", "AKIARECOVER", SECRET)
        assert machine.signs()
        # The copy is a backup under the same TPM.
        machine.daemon.stop()
        shutil.rmtree(machine.daemon.state)
        shutil.copytree(backup, machine.daemon.state)
        machine.start()
        assert machine.signs() and json.loads(machine.daemon.verify_audit().stdout)["good"] is True


def test_state_directory_from_an_old_copy(place):
    row = "The state directory was restored from an old copy"
    with Machine(place) as machine:
        machine.daemon.import_aws("stopped", "AKIASTOPPED", SECRET)
        machine.daemon.stop()
        copy = os.path.join(place, "copy")
        shutil.copytree(machine.daemon.state, copy)
        machine.start()
        machine.daemon.import_aws("newer", "AKIANEWER", SECRET)
        machine.daemon.cli("key", "disable", "stopped")
        assert machine.signs("newer") and not machine.signs("stopped")
        size = len(machine.daemon.audit())
        machine.daemon.stop()
        shutil.rmtree(machine.daemon.state)
        shutil.copytree(copy, machine.daemon.state)
        machine.start()
        assert len(machine.daemon.audit()) < size
        sees(row, machine.ask("newer"))
        assert machine.signs("aws") and machine.signs("stopped")
        machine.daemon.import_aws("newer", "AKIANEWER", SECRET)
        machine.daemon.cli("key", "disable", "stopped")
        assert machine.signs("newer") and not machine.signs("stopped")
        assert json.loads(machine.daemon.verify_audit().stdout)["good"] is True


# The log.


def test_log_that_can_not_be_written(root, place):
    row = "The log can't be written (disk full, input/output error)"
    disk = os.path.join(place, "disk")
    os.mkdir(disk)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", disk], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no mounting here: {mounted.stderr.strip()}")
    try:
        with Machine(place, state=os.path.join(disk, "state")) as machine:
            ballast = os.path.join(disk, "ballast")
            with open(ballast, "wb", 0) as file:
                for size in (65536, 512, 1):
                    try:
                        while file.write(b"\0" * size) == size:
                            pass
                    except OSError:
                        continue
            wait_until(lambda: not machine.signs(), 20, "the full disk stops signing")
            sees(row, machine.ask(), machine.health())
            os.unlink(ballast)
            wait_until(machine.signs, 20, "signing goes on after space is freed")
            assert machine.health()["status"] == "ok"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_log_that_does_not_agree(place):
    row = "The log's files don't agree with each other"
    with Machine(place) as machine:
        machine.daemon.stop()
        folder = os.path.join(machine.daemon.state, "audit", "leaves")
        path = os.path.join(folder, sorted(os.listdir(folder))[0])
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(data.replace(b'"ok"', b'"no"', 1))
        machine.start()
        sees(row, machine.ask(), machine.health())
        assert any(re.search("audit: .*(leaves|head|tile)", reason) for reason in machine.health()["reasons"]), machine.health()
        machine.daemon.stop()
        shutil.move(os.path.join(machine.daemon.state, "audit"), os.path.join(place, "kept"))
        machine.start()
        assert machine.signs() and machine.health()["status"] == "ok"
        assert json.loads(machine.daemon.verify_audit().stdout)["good"] is True


# The TPM itself.


def test_tpm_that_is_gone(place):
    row = "The TPM does not answer"
    with Machine(place) as machine:
        machine.tpm.kill()
        machine.ask()
        machine.device_becomes("unavailable")
        reply = machine.ask()
        sees(row, reply, machine.health(), without=("starting",))
        machine.tpm.start()
        wait_until(machine.signs, 20, "signing goes on")
        assert machine.health()["status"] == "ok"


def test_tpm_that_hangs(place):
    tpm_socket = os.path.join(place, "bus.sock")
    with Swtpm(os.path.join(place, "real")) as real, Bus(tpm_socket, real) as bus:
        with Machine(place, tcti=bus.tcti) as machine:
            bus.silent = True
            assert machine.ask().code == "device_unavailable"
            machine.device_becomes("starting")
            assert machine.ask().code == "device_unavailable"
            bus.silent = False
            wait_until(machine.signs, 20, "signing goes on")


def test_failure_mode(place):
    row = "The TPM is in failure mode"
    with Swtpm(os.path.join(place, "real")) as real, Bus(os.path.join(place, "bus.sock"), real) as bus:
        with Machine(place, tcti=bus.tcti) as machine:
            bus.fixed = 0x101
            machine.ask()
            machine.device_becomes("unavailable")
            sees(row, machine.ask(), machine.health())
            assert machine.health()["status"] == "down"
            bus.fixed = None  # switched off and on
            real.kill()
            real.start()
            wait_until(machine.signs, 20, "signing goes on")
            assert machine.health()["status"] == "ok"


def with_owner_password(machine):
    machine.daemon.stop()
    machine.tpm.tool("tpm2_changeauth", "-c", "owner", "PASSWORD")
    machine.start()
    machine.device_becomes("unavailable")
    reply = machine.ask()
    sees("The owner hierarchy has a password", machine.health(), reply)
    return reply.json["detail"]


def test_owner_password_taken_away(place):
    with Machine(place) as machine:
        with_owner_password(machine)
        machine.daemon.stop()
        command = "tpm2_changeauth -c owner -p PASSWORD"
        assert f"`{command}`" in ROWS["The owner hierarchy has a password"][1]
        machine.tpm.tool(*shlex.split(command))
        machine.start()
        assert machine.signs() and machine.health()["status"] == "ok"


def test_owner_password_kept(place):
    with Machine(place) as machine:
        reason = with_owner_password(machine)
        machine.daemon.stop()
        commands = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()
        assert len(commands) == 2
        assert all(command in reason for command in commands), reason
        for command in commands:
            machine.tpm.tool(*shlex.split(command))
        machine.tpm.tool("tpm2_flushcontext", "-t")
        machine.start()
        assert machine.signs() and machine.health()["status"] == "ok"


def test_lockout(place):
    row = "The TPM is in lockout"
    with Machine(place) as machine:
        machine.daemon.stop()
        lock(machine.tpm)
        machine.start()
        assert machine.signs() and machine.health()["status"] == "ok"
        counter = wait_until(lambda: re.search(r'^holdfast_device_lockout_counter\{device="tpm"\} ([0-9]+)$', machine.metrics(), re.MULTILINE), 10, "it is counted")
        assert int(counter[1]) > 0
        sees(row, machine.metrics())
        machine.daemon.stop()
        command = "tpm2_dictionarylockout --clear-lockout"
        assert f"`{command}`" in ROWS[row][1]
        machine.tpm.tool(*shlex.split(command))
        assert machine.tpm.lockout_counter() == 0
