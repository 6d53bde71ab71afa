"""Threat row 14: who sits between the machine and its TPM sees nothing secret, and can't make the daemon believe a lie."""

import base64
import hashlib
import os
import re

import pytest

from holdfast_testing import bus as wire
from holdfast_testing import jws, pem
from holdfast_testing.bus import Bus, flip
from holdfast_testing.daemon import Daemon, everything, problem
from holdfast_testing.paths import temporary_folder
from holdfast_testing.processes import wait_until
from holdfast_testing.sigv4 import get, wrong
from holdfast_testing.swtpm import Swtpm
from holdfast_testing.tokens import jwks, mint

ENCRYPTED, PLAIN = 'sessions = "encrypted"', 'sessions = "plain"'


class Machine:
    """A TPM, somebody on its bus, and a daemon beyond."""

    def __init__(self, folder, sessions):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.tpm = Swtpm(os.path.join(folder, "t"))
        self.bus = Bus(os.path.join(folder, "bus.sock"), self.tpm)
        self.daemon = Daemon(os.path.join(folder, "d"), self.bus.tcti, everything(), device=sessions)
        wait_until(lambda: self.health()["devices"][0]["state"] == "ready", 20, "the device is open")
        self.secret = "SECRET" + os.urandom(12).hex()
        self.days = 0

    def fill(self):
        """A key of every way in: imported secret, imported private keys, made in the TPM."""
        self.daemon.import_aws("aws", "AKIABUS", self.secret)
        self.private = {}
        with self.daemon.admin() as admin:
            for kind in ("ec-p256", "ec-p384", "rsa-2048"):
                self.private[kind] = pem.pkcs8(kind)
                reply = admin.post("/v1/keys/import", {"name": f"brought-{kind}", "use": "jwt", "private_key_pem": self.private[kind]})
                assert reply.status == 201, reply
        self.daemon.create_key("made", use="jwt")
        self.daemon.create_key("made-rsa", "rsa-2048", "jwt")

    def aws(self):
        """A signature for a day that was not yet asked for, so that the TPM has to make an HMAC."""
        self.days += 1
        reply = self.daemon.sign(get("aws", time=f"{2001 + self.days // 300}-{self.days // 25 % 12 + 1:02}-{self.days % 25 + 1:02}T00:00:00Z", explain=True))
        if reply.status == 200:
            assert wrong(reply.json, self.secret) == "", reply
        return reply

    def token(self, key="made"):
        reply = mint(self.daemon, key)
        if reply.status == 200:
            jws.verify(reply.json["token"], jwks(self.daemon, key))
        return reply

    def use_all(self):
        assert self.aws().status == 200
        for key in ("made", "made-rsa", *(f"brought-{kind}" for kind in self.private)):
            assert self.token(key).status == 200

    def health(self):
        with self.daemon.client() as client:
            return client.get("/v1/health").json

    def auth_values(self):
        found = {}
        for base, _, names in os.walk(os.path.join(self.daemon.state, "keys")):
            for name in names:
                if name.endswith(".pem"):
                    with open(os.path.join(base, name), encoding="ascii") as file:
                        line = re.search(r"^Holdfast-Auth: ([0-9a-f]+)$", file.read(), re.MULTILINE)
                    found[os.path.join(os.path.basename(base), name)] = line[1] if line else ""
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()
        self.bus.close()
        self.tpm.stop()


@pytest.fixture
def place():
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def machine():
    with temporary_folder() as folder, Machine(folder, ENCRYPTED) as one:
        one.fill()
        yield one


def codings(data):
    """As it is, and in the usual codings."""
    coded = [data, data[::-1], data.hex().encode(), data.hex().upper().encode()]
    for shift in range(3):
        coded.append(base64.b64encode(data[shift : shift + (len(data) - shift) // 3 * 3]))
    return coded


def seen(machine, needles):
    """Which of {name: byte strings} went over the bus."""
    messages = machine.bus.bytes
    return sorted({name for name, texts in needles.items() for text in texts for message in messages if text in message})


# What is signed at each start to see the length of a PSS salt: with RFC 7515's example key, which is no secret.
PROBE = hashlib.sha256(b"PS256").digest()


def used(machine, code):
    return [exchange for exchange in machine.bus.of(code) if PROBE not in exchange.command]


def test_row14_nothing_secret_crosses_the_bus(place):
    with Machine(place, ENCRYPTED) as machine:
        assert machine.health()["devices"][0]["sessions"] == "encrypted"
        machine.fill()
        machine.use_all()
        # All keys loaded anew, by a TPM that was switched off.
        machine.daemon.stop()
        machine.tpm.kill()
        machine.tpm.start()
        machine.daemon.start()
        machine.use_all()
        auth = machine.auth_values()
        # 16 bytes or more, each its own: this is what would have to be guessed.
        assert len(auth) == 6 and all(len(value) >= 32 for value in auth.values()) and len(set(auth.values())) == 6, auth
        needles = {f"auth value of {name}": codings(bytes.fromhex(value)) + [value.encode()] for name, value in auth.items()}
        needles["AWS secret"] = codings(machine.secret.encode()) + codings(b"AWS4" + machine.secret.encode())
        for kind, text in machine.private.items():
            for part, secret in pem.secrets(text).items():
                needles[f"{part} of {kind}"] = pem.traces(secret)
        assert seen(machine, needles) == []
        # The book is not empty: what had to cross did, and no command that uses a key bared its authorisation.
        for code in (wire.CREATE, wire.IMPORT, wire.SIGN, wire.HMAC, wire.START_AUTH_SESSION):
            assert machine.bus.of(code), hex(code)
        for code in (wire.SIGN, wire.HMAC, wire.CREATE, wire.IMPORT, wire.LOAD):
            for exchange in used(machine, code):
                assert exchange.sessions and not any(session.is_password for session in exchange.sessions), hex(code)
        for exchange in machine.bus.of(wire.CREATE):
            assert any(session.decrypts for session in exchange.sessions)


def test_row14_control_plain_sessions_show_the_secret(place):
    """The same, told not to encrypt: the book does hold what it is searched for."""
    with Machine(place, PLAIN) as machine:
        assert machine.health()["devices"][0]["sessions"] == "plain"
        machine.fill()
        machine.use_all()
        needles = {"AWS secret": [machine.secret.encode()]}
        assert seen(machine, needles) == ["AWS secret"]
        assert any(machine.secret.encode() in exchange.command for exchange in machine.bus.of(wire.CREATE))


def goes_on(machine, ask):
    wait_until(lambda: ask().status == 200, 20, "signing goes on over an honest bus")


# The last byte is of the response's own HMAC; the 20th of what it says; the 6th of its length or code.
@pytest.mark.parametrize("position", [-1, 20])
@pytest.mark.parametrize("code, name", [(wire.SIGN, "Sign"), (wire.HMAC, "HMAC")])
def test_row14_edited_signature_is_refused(machine, code, name, position):
    ask = machine.token if code == wire.SIGN else machine.aws
    goes_on(machine, ask)
    machine.bus.change(code, flip(position))
    reply = ask()
    assert not machine.bus.pending(code), f"no {name} was edited"
    body = problem(reply, "device_unavailable", 503)
    assert not {"token", "signature", "headers"} & set(body)
    goes_on(machine, ask)


@pytest.mark.parametrize("position", [-1, 20, 120])
def test_row14_edited_new_key_is_refused(machine, position):
    goes_on(machine, machine.token)
    machine.bus.change(wire.CREATE, flip(position))
    with machine.daemon.admin() as admin:
        reply = admin.post("/v1/keys", {"name": "edited", "type": "ec-p256", "use": "jwt"})
        assert not machine.bus.pending(wire.CREATE), "no Create was edited"
        problem(reply, "device_unavailable", 503)
        problem(admin.get("/v1/keys/edited"), "not_found", 404)
        goes_on(machine, machine.token)
        # And an imported secret, which is made by the same command.
        machine.bus.change(wire.CREATE, flip(position))
        body = {"name": "edited", "use": "sigv4", "access_key_id": "AKIA", "secret_access_key": "x"}
        problem(admin.post("/v1/keys/import", body), "device_unavailable", 503)
        problem(admin.get("/v1/keys/edited"), "not_found", 404)
    goes_on(machine, machine.token)


def test_row14_edited_import_is_refused(machine):
    goes_on(machine, machine.token)
    machine.bus.change(wire.IMPORT, flip(-1))
    with machine.daemon.admin() as admin:
        reply = admin.post("/v1/keys/import", {"name": "edited", "use": "jwt", "private_key_pem": pem.pkcs8("ec-p256")})
        assert not machine.bus.pending(wire.IMPORT)
        problem(reply, "device_unavailable", 503)
        problem(admin.get("/v1/keys/edited"), "not_found", 404)
    goes_on(machine, machine.token)


def test_row14_replayed_signature_is_refused(machine):
    """An old response, whole and with the HMAC it had, in the place of a new one."""
    goes_on(machine, machine.token)
    old = machine.bus.of(wire.SIGN)[-1].response
    machine.bus.change(wire.SIGN, lambda exchange: old)
    problem(machine.token(), "device_unavailable", 503)
    assert not machine.bus.pending(wire.SIGN)
    goes_on(machine, machine.token)


# The storage root key.


def storage_root(tpm):
    """Makes the storage root key persistent, as distributions do, and gives its public area's response."""
    tpm.tool("tpm2_createprimary", "-C", "o", "-g", "sha256", "-G", "ecc256:aes128cfb", "-c", "srk.ctx",
             "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt")  # fmt: skip
    tpm.tool("tpm2_evictcontrol", "-C", "o", "-c", "srk.ctx", "0x81000001")
    tpm.tool("tpm2_flushcontext", "-t")


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("how", ["edited", "another TPM's"])
def test_row14_false_storage_root_is_refused(place, how, persistent):
    """Salts are encrypted to this key: taken from a stranger, sessions would hide nothing from him."""
    asked = wire.READ_PUBLIC if persistent else wire.CREATE_PRIMARY
    with Swtpm(os.path.join(place, "stranger")) as stranger:
        with Machine(place, ENCRYPTED) as machine:
            if persistent:
                machine.daemon.stop()
                for tpm in (machine.tpm, stranger):
                    storage_root(tpm)
                machine.daemon.start()
            machine.daemon.import_aws("aws", "AKIABUS", machine.secret)
            machine.daemon.create_key("made", use="jwt")
            machine.daemon.stop()
            machine.bus.clear()
            if how == "edited":
                # Within the point: behind its coordinates' lengths, which come after the template.
                machine.bus.change(asked, lambda exchange: edit_point(exchange.response), times=1000)
            else:
                machine.bus.others[asked] = stranger
            machine.daemon.start()
            wait_until(lambda: machine.health()["devices"][0]["state"] in ("refused", "unavailable"), 20, "the device is not taken")
            assert machine.bus.of(asked), "no public area was asked for"
            for ask in (machine.aws, machine.token):
                problem(ask(), "device_unavailable", 503)
            with machine.daemon.admin() as admin:
                body = {"name": "told", "use": "sigv4", "access_key_id": "AKIA", "secret_access_key": machine.secret}
                problem(admin.post("/v1/keys/import", body), "device_unavailable", 503)
            assert machine.health()["status"] == "down"
            # It was told nothing: no key was made, loaded or used.
            told = [hex(one.code) for code in (wire.CREATE, wire.IMPORT, wire.LOAD, wire.HMAC, wire.SIGN) for one in used(machine, code)]
            assert not told
            machine.daemon.stop()
            machine.bus.clear()
            machine.daemon.start()
            goes_on(machine, machine.aws)
            goes_on(machine, machine.token)


def edit_point(response):
    """One bit of the x coordinate of the P-256 point in a public area (TPM 2.0 Part 2 §12.2.4)."""
    at = response.index(b"\x00\x03\x00\x10\x00\x20")  # P-256, no KDF, a coordinate of 32 bytes
    changed = bytearray(response)
    changed[at + 10] ^= 1
    return bytes(changed)


def test_row14_another_tpm_is_refused_after_a_restart(place):
    with Swtpm(os.path.join(place, "stranger")) as stranger, Machine(place, ENCRYPTED) as machine:
        machine.daemon.import_aws("aws", "AKIABUS", machine.secret)
        assert machine.aws().status == 200
        machine.daemon.stop()
        honest, machine.bus.tpm = machine.bus.tpm, stranger
        machine.daemon.start()
        wait_until(lambda: machine.health()["devices"][0]["state"] == "refused", 20, "the stranger is refused")
        problem(machine.aws(), "device_unavailable", 503)
        assert any("storage root key is another" in reason for reason in machine.health()["reasons"])
        # Swapped while the daemon runs, too.
        machine.daemon.stop()
        machine.bus.tpm = honest
        machine.daemon.start()
        goes_on(machine, machine.aws)
        machine.bus.tpm = stranger
        honest.kill()
        machine.aws()
        wait_until(lambda: machine.health()["devices"][0]["state"] == "refused", 20, "the stranger is refused")
        problem(machine.aws(), "device_unavailable", 503)
        honest.start()
