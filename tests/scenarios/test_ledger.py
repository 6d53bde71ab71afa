"""Ledger 2020: an API key was coded into a client program, where everybody who unpacked it found it.

The client is Holdfast's command line, pinned by a grant to a uid, a unit and the file that root installed. The control is a C
program with its key compiled in.
"""

import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import threading

import pytest

import verifier
from holdfast_testing import jws, paths, traces
from holdfast_testing.daemon import Daemon
from holdfast_testing.paths import SOURCE, program
from holdfast_testing.processes import wait_until
from holdfast_testing.story import attack, control, note, outcome
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.units import enter
from holdfast_testing.users import ALICE, MALLORY, become, in_child

KEY_ID, SECRET = "AKIAWALLET1", "walletSecret" + os.urandom(14).hex()
NEXT_KEY_ID, NEXT_SECRET = "AKIAWALLET2", "walletSecret" + os.urandom(14).hex()
HOST, PATH = "ledger.s3.eu-west-1.amazonaws.com", "/accounts/7"
HERE = os.path.dirname(os.path.abspath(__file__))


class Wallet:
    """The client as it is installed, and its daemon."""

    def __init__(self, place, daemon, unit):
        self.folder = place
        self.daemon = daemon
        self.procs = {name: unit(f"{name}.service") for name in ("wallet", "games")}
        self.program = os.path.join(place, "bin", "wallet")

    def call(self, *command, executable=None, uid=ALICE, unit="wallet", before=(), environment=None):
        """The client, or another executable that should pass for it, run as somebody."""

        def step():
            enter(self.procs[unit])
            become(uid)

        arguments = command or ("token", "jwt", "--key", "wallet-jwt", "--audience", "https://ledger.example.com")
        environment = {"PATH": "/usr/bin:/bin", "HOLDFAST_SOCKET": self.daemon.socket, **(environment or {})}
        return subprocess.run([*before, executable or self.program, *arguments], env=environment, preexec_fn=step, cwd="/", text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)  # fmt: skip

    def sign(self, **who):
        return self.call("--json", "sign", "sigv4", "--key", "wallet-aws", "--region", "eu-west-1", "--service", "s3", f"https://{HOST}{PATH}", **who)


@pytest.fixture(scope="module")
def wallet(root, folder, unit, caller_of):
    # Not below /tmp: a program counts by its path only where none but root could have changed it.
    with paths.temporary_folder("/var/lib") as place, Swtpm(os.path.join(folder, "tpm")) as tpm:
        os.mkdir(os.path.join(place, "bin"))
        installed = os.path.join(place, "bin", "wallet")
        shutil.copy(program("holdfast"), installed)
        caller = caller_of(ALICE, "wallet.service", f', exe = "{installed}"')
        grants = f'[[grant]]\nname = "wallet"\nkey = ["wallet-jwt", "wallet-aws"]\ncaller = {caller}\n'
        with Daemon(os.path.join(folder, "daemon"), tpm.tcti, grants) as daemon:
            daemon.create_key("wallet-jwt", use="jwt")
            daemon.import_aws("wallet-aws", KEY_ID, SECRET)
            yield Wallet(place, daemon, unit)


def compiled(folder, key_id, secret):
    """The client with a static key, built for that key."""
    target = os.path.join(folder, f"static-{key_id}")
    subprocess.run(["cc", "-O2", "-o", target, f'-DKEY_ID="{key_id}"', f'-DSECRET="{secret}"', os.path.join(HERE, "static_client.c"), "-lcrypto"],
                   check=True, capture_output=True)  # fmt: skip
    return target


@pytest.fixture(scope="module")
def static_client(wallet):
    return compiled(wallet.folder, KEY_ID, SECRET)


def static_headers(executable, uid):
    """What the client with a static key makes, run by that uid."""
    done = subprocess.run([executable, HOST, PATH], preexec_fn=lambda: become(uid), capture_output=True, text=True, check=True)
    return [tuple(line.split(": ", 1)) for line in done.stdout.splitlines()]


def unpacked(*programs):
    """Their bytes, and the texts that strings(1) and readelf(1) find in them."""
    places = {}
    for path in programs:
        with open(path, "rb") as file:
            places[path] = file.read()
        for command in (["strings", "-a"], ["strings", "-a", "-el"], ["readelf", "--wide", "-p", ".rodata", "-p", ".data", "-p", ".comment"]):
            places[f"{' '.join(command)} {path}"] = subprocess.run([*command, path], capture_output=True, check=False).stdout
    return places


def libholdfast():
    shown = subprocess.run(["ldd", program("example-c-sigv4")], capture_output=True, text=True, check=True).stdout
    return os.path.realpath(re.search(r"libholdfast\.so\S* => (\S+)", shown)[1])


def test_the_client_unpacked_holds_no_secret(wallet, static_client):
    """The attacker unpacks the client"""
    signed = json.loads(wallet.sign().stdout)
    explained = json.loads(wallet.call("--json", "sign", "sigv4", "--key", "wallet-aws", "--region", "eu-west-1", "--service", "s3", "--explain",
                                       f"https://{HOST}{PATH}").stdout)  # fmt: skip
    assert verifier.accepts({KEY_ID: SECRET}, "GET", f"https://{HOST}{PATH}", signed["headers"]), "the client works"
    places = unpacked(wallet.program, program("example-c-sigv4"), libholdfast())
    texts = traces.candidates(places)
    attack(f"takes the command line, an example client and libholdfast.so apart: {sum(map(len, places.values())) >> 10} KiB of bytes, sections and "
           f"strings, and tries {len(texts)} texts against a signature that the client got.")  # fmt: skip
    secrets = {"secret": SECRET, "signing key": traces.derived(SECRET, explained["string_to_sign"]), "access key id": KEY_ID}
    assert traces.seen(secrets, places) == []
    assert traces.signing_secret(texts, explained["string_to_sign"], explained["signature"]) is None
    outcome("No secret, no access key id, and none of the texts makes the signature.")

    found = traces.signing_secret(traces.candidates(unpacked(static_client)), explained["string_to_sign"], explained["signature"])
    control(f"The same search in the client with a static key finds {'its key' if found == SECRET else 'nothing'}.")
    assert found == SECRET


def test_a_copy_run_by_others_is_refused(wallet, static_client, two_units):
    """It copies the client, unchanged, and runs it as somebody else"""
    assert wallet.call().returncode == 0, "the client works where it belongs"
    copy = shutil.copy(wallet.program, os.path.join(wallet.folder, "copy"))
    tries = {
        "the client as another uid": wallet.call(uid=MALLORY),
        "a copy as another uid": wallet.call(executable=copy, uid=MALLORY),
        "a copy as the same uid, in the same unit": wallet.call(executable=copy),
    }
    if two_units:
        tries["the client as the same uid, in another unit"] = wallet.call(unit="games")
    for what, done in tries.items():
        attack(f"{what}: exit status {done.returncode}.")
        assert done.returncode == 3 and done.stdout == "" and "not_permitted" in done.stderr, done
    outcome("Each was refused (3).")
    copy = shutil.copy(static_client, os.path.join(wallet.folder, "static-copy"))
    served = verifier.accepts({KEY_ID: SECRET}, "GET", f"https://{HOST}{PATH}", static_headers(copy, MALLORY))
    control(f"A copy of the client with a static key, run by uid {MALLORY}: the API {'accepts' if served else 'refuses'} what it signs.")
    assert served


def patched(wallet):
    """A copy with one byte changed, in a text that it never prints here."""
    with open(wallet.program, "rb") as file:
        data = bytearray(file.read())
    at = data.index(b"Signs for the programs on this machine")
    data[at] ^= 0x20
    target = os.path.join(wallet.folder, "patched")
    with open(target, "wb") as file:
        file.write(data)
    os.chmod(target, 0o755)
    return target


def test_a_changed_client_is_refused(wallet):
    """It changes one byte of the client and runs it as the client's user, in the client's unit"""
    changed = patched(wallet)
    assert wallet.call("--help", executable=changed).stdout.startswith("signs for"), "the changed client runs"
    done = wallet.call(executable=changed)
    attack(f"A changed copy: exit status {done.returncode}.")
    assert done.returncode == 3 and done.stdout == "", done
    shown = wallet.daemon.cli("audit", "request", re.search(r"[0-9a-f]{32}", done.stderr)[0]).stdout
    assert f"exe = {changed}\n" in shown, shown

    def overwrite():
        try:
            with open(wallet.program, "r+b"):
                return "done"
        except OSError as error:
            return error.strerror

    answer = in_child(overwrite, before=lambda: become(ALICE))
    attack(f"Changing the installed file, as uid {ALICE}: {answer}.")
    assert answer == "Permission denied"

    # curl in its place, for the real client would refuse a socket whose owner has no uid in the namespace.
    body = json.dumps({"key": "wallet-jwt", "audience": "https://ledger.example.com", "ttl": 60})
    mounted = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", 'mount --bind /usr/bin/curl "$0"; exec "$0" "$@"']
    done = wallet.call("-sS", "--unix-socket", wallet.daemon.socket, "-d", body, "http://localhost/v1/token/jwt", before=mounted)
    if done.stdout:
        reply = json.loads(done.stdout)
        attack(f"Another program mounted over it in a user namespace, so that its path is the same: {reply.get('code', 'a token')}.")
        assert reply["code"] == "not_permitted" and "token" not in reply
        # The path alone would have passed: it is the other inode that makes the program unknown.
        assert re.search(r"exe = *\n", wallet.daemon.cli("audit", "request", reply["request_id"]).stdout)
    else:
        note(f"Mounting over it in a user namespace can't be tried here: {done.stderr.strip()}")
    outcome("Each was refused; the record names the program that asked.")


def test_what_a_pinned_executable_does_not_stop(wallet):
    """It puts its code into the unchanged client (LD_PRELOAD), as the client's user in the client's unit"""
    library = os.path.join(wallet.folder, "inside.so")
    code = '#include <stdio.h>\n__attribute__((constructor)) static void inside(void) { fputs("inside\\n", stderr); }\n'
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], input=code, text=True, check=True, capture_output=True)
    # For a client that was built with AddressSanitizer, which wants to be the first library.
    done = wallet.call(environment={"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0"})
    outcome(f"Exit status {done.returncode}: this is not stopped. Whoever runs as the client's user in its unit is the client; the README says so.")
    assert done.returncode == 0 and done.stderr == "inside\n"
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as readme:
        assert "only narrows a grant: LD_PRELOAD" in re.sub(r"\s+", " ", readme.read())


def test_keys_rotate_without_a_new_client_and_without_a_failed_call(wallet, static_client):
    """The keys are rotated while the client is called in a loop"""
    calls, stop = multiprocessing.Value("i", 0), multiprocessing.Value("b", 0)

    def digest():
        with open(wallet.program, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest(), os.stat(file.name).st_ino

    def loop():
        tokens, signatures = [], []
        while not stop.value:
            tokens.append(wallet.call())
            signed = wallet.sign()
            accepted = signed.returncode == 0 and verifier.accepts({KEY_ID: SECRET, NEXT_KEY_ID: NEXT_SECRET}, "GET", f"https://{HOST}{PATH}",
                                                                   json.loads(signed.stdout)["headers"])  # fmt: skip
            signatures.append((signed, accepted))
            calls.value += 2
        return tokens, signatures

    def rotate():
        def go_on():
            so_far = calls.value
            wait_until(lambda: calls.value >= so_far + 10, 60, "ten more calls")

        try:
            go_on()
            wallet.daemon.cli("key", "add-version", "wallet-jwt")
            wallet.daemon.cli("key", "add-version", "wallet-aws", "--access-key-id", NEXT_KEY_ID, input=NEXT_SECRET + "\n")
            go_on()
            wallet.daemon.cli("key", "activate", "wallet-jwt")
            wallet.daemon.cli("key", "activate", "wallet-aws")
            go_on()
        finally:
            stop.value = 1

    before = digest()
    thread = threading.Thread(target=rotate)
    thread.start()
    tokens, signatures = in_child(loop)
    thread.join()
    failed = [done for done in [*tokens, *(signed for signed, _ in signatures)] if done.returncode != 0]
    assert not failed, failed[:3]
    keys = json.loads(wallet.daemon.cli("jwks", "--key", "wallet-jwt").stdout)
    kids = [jws.claims(done.stdout.strip(), keys)[0]["kid"] for done in tokens]
    ids = [re.search("Credential=([^/]+)", signed.stdout)[1] for signed, _ in signatures]
    assert all(accepted for _, accepted in signatures)
    for used in (kids, ids):
        assert used == sorted(used, key=used.index) and len(set(used)) == 2, used
    assert ids[0] == KEY_ID and ids[-1] == NEXT_KEY_ID and digest() == before
    outcome(f"{len(tokens) + len(signatures)} calls, none failed: {kids.count(kids[0])} tokens and {ids.count(KEY_ID)} signatures with the old keys, "
            f"{kids.count(kids[-1])} and {ids.count(NEXT_KEY_ID)} with the new ones, all good to an independent verifier. The client's file is the same.")  # fmt: skip

    only_new = {NEXT_KEY_ID: NEXT_SECRET}
    old = verifier.accepts(only_new, "GET", f"https://{HOST}{PATH}", static_headers(static_client, ALICE))
    new = verifier.accepts(only_new, "GET", f"https://{HOST}{PATH}", static_headers(compiled(wallet.folder, NEXT_KEY_ID, NEXT_SECRET), ALICE))
    control(f"The client with a static key is {'accepted' if old else 'refused'} once its key is replaced, and works again only when it is "
            f"{'built anew' if new else '-'}.")  # fmt: skip
    assert not old and new
