"""MGM 2019: credentials stood in an API's documents, where everybody could use them.

Everything that people share about an enrolled machine is made and searched, and every snippet in it is run by a stranger. The
control is a program with a static key, whose documents are made in the same way.
"""

import ctypes
import json
import os
import re
import shutil
import subprocess

import pytest

import artefacts
import verifier
from holdfast_testing import pem, traces
from holdfast_testing.client import Client
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import program
from holdfast_testing.story import attack, control, outcome
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.units import enter
from holdfast_testing.users import ALICE, MALLORY, become, in_child

ORDERS, STRANGER = ALICE, MALLORY
KEY_ID, SECRET = "AKIAORDERSMGM", "ordersSecret" + os.urandom(14).hex()
SESSION_TOKEN, PASSPHRASE, MISTAKEN = (name + os.urandom(12).hex() for name in ("sessionToken", "passphrase", "mistakenSecret"))
URL = "https://bucket.s3.eu-west-1.amazonaws.com/invoices/7.pdf"
HERE = os.path.dirname(os.path.abspath(__file__))
PRIZE = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+|Signature=[0-9a-f]{64}|\"signature\":|PRIVATE KEY")

# The names of the documents' examples, so that their snippets are about keys that are there.
GRANTS = """
[[grant]]
name = "orders-s3"
key = "orders-aws"
caller = %(orders)s
facts = { service = "s3", method = ["GET", "PUT"], action = ["**", "unknown"] }

[[grant]]
name = "orders-tokens"
key = ["orders-jwt", "github-app", "build-sign"]
caller = %(orders)s
facts = { "claim.*" = "**" }
"""


class Machine:
    """The enrolled machine; `secrets` is all that was ever told it."""

    def __init__(self, daemon, folder, procs):
        self.daemon = daemon
        self.folder = folder
        self.procs = procs
        self.secrets = {"secret access key": SECRET, "session token": SESSION_TOKEN, "passphrase": PASSPHRASE, "mistaken secret": MISTAKEN}
        self.bin = os.path.join(folder, "bin")
        os.mkdir(self.bin)
        shutil.copy(program("holdfast"), self.bin)

    def enrol(self):
        """Keys under the documents' names: one as a file with a passphrase, others made in the TPM."""
        self.daemon.import_aws("orders-aws", KEY_ID, SECRET)
        self.daemon.create_key("orders-jwt", use="jwt")
        self.daemon.create_key("build-sign", use="digest")
        key = pem.pkcs8("ec-p256")
        self.secrets["private key"] = pem.secrets(key)["d"]
        encrypted = pem.openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", f"pass:{PASSPHRASE}", data=key.encode())
        file = os.path.join(self.folder, "github-app.pem")
        for path, data in ((file, encrypted), (file + ".passphrase", PASSPHRASE.encode()), (file + ".wrong", MISTAKEN.encode())):
            with open(path, "wb") as out:
                out.write(data)
            os.chmod(path, 0o600)
        command = ("key", "import", "github-app", "--pem", file, "--use", "jwt", "--passphrase-file")
        self.errors = [self.daemon.cli(*command, file + ".wrong", check=False)]
        self.daemon.cli(*command, file + ".passphrase", "--remove-plaintext")

    def as_orders(self, function):
        def step():
            enter(self.procs)
            become(ORDERS)

        return in_child(function, before=step)

    def shell(self, code, uid, procs=None):
        """A line in a shell of that user, without a network."""
        home = os.path.join(self.folder, f"home-{uid}")
        if not os.path.isdir(home):
            os.mkdir(home)
            os.chown(home, uid, uid)

        def step():
            ctypes.CDLL(None).unshare(0x40000000)  # CLONE_NEWNET
            enter(procs)
            become(uid)

        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": home, "HOLDFAST_SOCKET": self.daemon.socket,
                       "HOLDFAST_ADMIN_SOCKET": self.daemon.admin_socket, "HOLDFAST_CONFIG": self.daemon.config}  # fmt: skip
        seconds = "2" if "--listen" in code else "20"  # a server never ends by itself
        return subprocess.run(["timeout", seconds, "bash", "-c", code], cwd=home, env=environment, preexec_fn=step, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", check=False)  # fmt: skip

    def use(self):
        """A day's work, with everything that can go wrong; the replies that were errors."""
        get = {"key": "orders-aws", "region": "eu-west-1", "service": "s3", "method": "GET", "url": URL, "session_token": SESSION_TOKEN}
        token = {"key": "orders-jwt", "audience": "https://api.example.com", "ttl": 60}
        bad = {"name": "orders-aws", "use": "sigv4", "access_key_id": "AKIAX", "secret_access_key": MISTAKEN}

        def work():
            with Client(self.daemon.socket) as client:
                sent = [get, {**get, "mode": "query", "expires_in": 60}, {**get, "method": "DELETE"}, {**get, "region": "NO"}, {**get, "password": MISTAKEN},
                        {**get, "key": MISTAKEN.lower()}, {**get, "url": "nowhere"}, {**get, "headers": [["Authorization", MISTAKEN]]}]  # fmt: skip
                minted = [token, {**token, "key": "github-app"}, {**token, "ttl": 99999}, {**token, "claims": {"sub": "x"}}, {**token, "key": "orders-aws"}]
                return [client.post("/v1/sign/sigv4", body) for body in sent] + [client.post("/v1/token/jwt", body) for body in minted]

        replies = self.as_orders(work)
        with self.daemon.admin() as admin:
            for change in ({}, {"name": "BAD NAME"}, {"device": "none"}, {"use": "jwt"}, {"access_key_id": "a/b"}, {"more": MISTAKEN}):
                replies.append(admin.post("/v1/keys/import", {**bad, **change}))
            replies.append(admin.post("/v1/keys/import", json.dumps(bad)[:-5].encode()))
            replies.append(admin.post("/v1/keys/import", {"name": "x", "use": "jwt", "private_key_pem": MISTAKEN}))
        for command in (["key", "import-aws", "orders-aws", "--access-key-id", "AKIAX"], ["key", "import-aws", MISTAKEN, "--access-key-id"], ["token", "jwt"],
                        ["key", "show", "none"], ["key", "create", "x", "--type", "y", "--use", "z"], ["policy", "suggest", "0"]):  # fmt: skip
            self.errors.append(self.daemon.cli(*command, check=False, input=MISTAKEN + "\n"))
        assert sum(reply.status == 200 for reply in replies) == 4, replies
        return [reply for reply in replies if reply.status >= 400]


@pytest.fixture(scope="module")
def machine(root, folder, unit, caller_of):
    procs = unit("orders.service")
    with Swtpm(os.path.join(folder, "tpm")) as tpm:
        grants = GRANTS % {"orders": caller_of(ORDERS, "orders.service")}
        with Daemon(os.path.join(folder, "daemon"), tpm.tcti, grants, settings='log_level = "debug"') as daemon:
            one = Machine(daemon, folder, procs)
            one.enrol()
            yield one


@pytest.fixture(scope="module")
def shared(machine, folder):
    """All artefacts: {name: bytes}."""
    failed = machine.use()
    texts = {**artefacts.help_texts(), **artefacts.documents()}
    texts.update({f"error of the API {number}": reply.content.decode() for number, reply in enumerate(failed)})
    texts.update({f"error of holdfast {' '.join(done.args[1:4])}": done.stdout + done.stderr for done in machine.errors})
    texts.update(artefacts.shown_by_commands(machine.daemon, [reply.request_id for reply in failed]))
    texts["journal"] = machine.daemon.log_text()
    return {**{name: text.encode() for name, text in texts.items()}, **artefacts.support_dump(machine.daemon, texts, folder)}


def test_no_secret_is_in_what_people_share(machine, shared):
    """Somebody publishes everything that is written about the machine, and by it"""
    kinds = {"help texts": "help of", "errors": "error of", "outputs of commands": "holdfast ", "files of the support dump": machine.folder}
    counts = {kind: sum(name.startswith(start) for name in shared) for kind, start in kinds.items()}
    attack(f"reads {', '.join(f'{count} {kind}' for kind, count in counts.items())}, the journal, the metrics, the documents and the API's files: "
           f"{sum(map(len, shared.values())) >> 10} KiB.")  # fmt: skip
    assert all(counts.values()) and b"orders-aws" in shared["holdfast key list"] and b"holdfast_requests_total" in shared["metrics"]
    assert any(name.endswith("v1.pem") for name in shared) and any(b"sign.sigv4" in content for name, content in shared.items() if "/audit/leaves/" in name)
    assert traces.seen({"access key id": KEY_ID}, shared), "the search finds what is there"
    assert traces.seen(machine.secrets, shared) == []
    outcome(f"None of {', '.join(machine.secrets)} is in any of it, raw, in base64, in hex or url-encoded.")


def test_no_text_in_it_is_a_key(machine, shared):
    """Each text in it is tried as a key"""
    reply = machine.as_orders(lambda: Client(machine.daemon.socket).post("/v1/sign/sigv4", {
        "key": "orders-aws", "region": "eu-west-1", "service": "s3", "method": "GET", "url": URL, "explain": True}).json)  # fmt: skip
    texts = traces.candidates(shared)
    assert traces.signing_secret(texts, reply["string_to_sign"], reply["signature"]) is None
    outcome(f"None of {len(texts)} texts makes a signature of the machine's.")


def allowed_to(daemon, uid):
    return [record for record in daemon.audit() if record["uid"] == uid and record["decision"] == "allowed"]


def test_snippets_run_by_a_stranger_get_nothing(machine, shared):
    """A stranger runs every snippet in it, on the machine itself"""
    lines = artefacts.snippets({name: content.decode(errors="replace") for name, content in shared.items() if not name.startswith(machine.folder)})
    gained = [line for line in lines if PRIZE.search(machine.shell(line, ORDERS, machine.procs).stdout)]
    with machine.daemon.admin() as admin:
        before = admin.get("/v1/keys").content
    attack(f"uid {STRANGER} pastes {len(lines)} lines with commands of holdfast, such as: {gained[0]}")
    denied = {}
    for line in lines:
        done = machine.shell(line, STRANGER)
        assert not PRIZE.search(done.stdout + done.stderr), (line, done)
        denied[done.returncode] = denied.get(done.returncode, 0) + 1
    written, _ = traces.files(os.path.join(machine.folder, f"home-{STRANGER}"))
    assert not [path for path, content in written.items() if PRIZE.search(content.decode(errors="replace"))]
    with machine.daemon.admin() as admin:
        assert admin.get("/v1/keys").content == before
    assert allowed_to(machine.daemon, STRANGER) == []
    outcome(f"No signature, no token, no key; nothing changed, nothing allowed to uid {STRANGER} is on record. Exit statuses: "
            + ", ".join(f"{status} ({count}×)" for status, count in sorted(denied.items())) + f". Run by the orders service {len(gained)} of them sign.")  # fmt: skip
    assert len(lines) > 50 and len(gained) >= 3


def test_recorded_requests_sent_by_a_stranger_get_nothing(machine):
    """The stranger sends again what the audit log of the support dump says was signed"""
    requests = list(artefacts.recorded_requests(machine.daemon))

    def send():
        with Client(machine.daemon.socket) as client:
            return [client.post(path, body) for path, body in requests]

    own = machine.as_orders(send)
    replies = in_child(send, before=lambda: become(STRANGER))
    outcome(f"{len(replies)} requests: {sorted({reply.code for reply in replies})}. Sent by the orders service {sum(reply.status == 200 for reply in own)} are signed.")
    assert {reply.code for reply in replies} == {"not_permitted"} and sum(reply.status == 200 for reply in own) >= 5
    assert allowed_to(machine.daemon, STRANGER) == []


def test_control_documents_of_a_program_with_a_static_key(machine, folder):
    """The same is made of a program that holds a static key"""
    place = os.path.join(folder, "static")
    os.mkdir(place)
    tool = shutil.copy(os.path.join(HERE, "ordersctl.py"), os.path.join(place, "ordersctl"))
    settings = os.path.join(place, "ordersctl.json")
    with open(settings, "w", encoding="utf-8") as file:
        json.dump({"access_key_id": KEY_ID, "secret_access_key": SECRET, "url": URL}, file)
    made = {}
    for name, arguments in {"help": ["--help"], "sample settings": ["--sample-settings"], "error": ["ftp://x"]}.items():
        done = subprocess.run([tool, *arguments], capture_output=True, check=False)
        made[name] = done.stdout + done.stderr
    with_key = [place for _, place in traces.seen({"secret": SECRET}, made)]
    os.unlink(settings)  # it is only the documents that the stranger has
    example = re.search(r"Example:\n  ordersctl(.*)", made["help"].decode())[1]
    with open(settings, "w", encoding="utf-8") as file:
        json.dump({"access_key_id": "", "secret_access_key": "", "url": ""}, file)
    done = machine.shell(f"{tool} {example}", STRANGER)
    headers = [tuple(line.split(": ", 1)) for line in done.stdout.splitlines()]
    served = verifier.accepts({KEY_ID: SECRET}, "GET", URL, headers)
    control(f"Its key is in its {', '.join(with_key)}. The example of its help text, run by uid {STRANGER}, makes a request that the API "
            f"{'accepts' if served else 'refuses'}.")  # fmt: skip
    assert with_key == ["error", "help", "sample settings"] and served
