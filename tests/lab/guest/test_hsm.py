"""A device that is an HSM, as docs/hsm.md sets one up on a machine with the service: SoftHSM, with all of the unit's
sandboxing, AppArmor's profile, and a PIN that only this machine's TPM gives out."""

import json
import os

import pytest

from conftest import DAEMON, health, is_ready, processes, run, write
from holdfast_testing.processes import wait_until
from test_credentials import EXAMPLES, seal

MODULE, PIN = "/usr/lib/softhsm/libsofthsm2.so", "48151623"
FOLDER, CONFIGURATION = "/var/lib/holdfast-softhsm", "/etc/holdfast/softhsm2.conf"
DROP_INS = f"/etc/systemd/system/{DAEMON}.d"

DEVICE = f"""
[[device]]
name = "hsm"
backend = "pkcs11"
module = "{MODULE}"
uri = "pkcs11:token=lab"
pin_credential = "hsm-pin"
writable = ["{FOLDER}"]
environment = {{ SOFTHSM2_CONF = "{CONFIGURATION}" }}
"""

GRANT = """
[[grant]]
name = "hsm"
key = "in-hsm"
caller = { user = "root" }
facts = { audience = "hsm" }
"""

APPARMOR = f"""
{MODULE} mr,
{CONFIGURATION} r,
{FOLDER}/ r,
{FOLDER}/** rwk,
"""


def a_token():
    os.makedirs(FOLDER)
    run("chown", "holdfast-device", FOLDER)
    write(CONFIGURATION, f"directories.tokendir = {FOLDER}\nobjectstore.backend = file\n")
    run("runuser", "-u", "holdfast-device", "--", "env", f"SOFTHSM2_CONF={CONFIGURATION}",
        "softhsm2-util", "--init-token", "--free", "--label", "lab", "--so-pin", "90210753", "--pin", PIN)  # fmt: skip
    write("/run/pin", PIN)
    seal("hsm-pin", "/run/pin")


def the_service():
    os.makedirs(DROP_INS)
    run("cp", f"{EXAMPLES}/credential.conf", DROP_INS)
    with open(f"{EXAMPLES}/hsm.conf", encoding="utf-8") as file:
        example = file.read()
    assert "/var/lib/softhsm/tokens" in example
    write(f"{DROP_INS}/hsm.conf", example.replace("/var/lib/softhsm/tokens", FOLDER))
    write("/etc/apparmor.d/local/usr.sbin.holdfastd", APPARMOR)
    run("apparmor_parser", "-r", "-T", "-W", "/etc/apparmor.d/usr.sbin.holdfastd")


@pytest.fixture
def hsm(daemon):
    """The service with the TPM and an HSM; afterwards as it was."""
    a_token()
    the_service()
    with open("/etc/holdfast/holdfast.toml", encoding="utf-8") as file:
        before = file.read()
    write("/etc/holdfast/holdfast.toml", before + DEVICE)
    write("/etc/holdfast/policy.d/hsm.toml", GRANT)
    restarted()
    yield
    write("/etc/holdfast/holdfast.toml", before)
    run("rm", "-r", DROP_INS, "/etc/holdfast/policy.d/hsm.toml")
    restarted()


def restarted():
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", DAEMON)
    wait_until(is_ready, 60, "it works again")


def test_an_hsm_signs_under_the_service_with_the_packaged_drop_ins(hsm):
    assert {device["name"]: device["backend"] for device in health()["devices"]} == {"tpm": "tpm", "hsm": "pkcs11"}
    run("holdfast", "key", "create", "in-hsm", "--type", "ec-p256", "--use", "jwt", "--device", "hsm")
    shown = json.loads(run("holdfast", "--json", "key", "show", "in-hsm").stdout)
    assert (shown["device"], shown["software"], shown["origin"]) == ("hsm", True, "generated"), shown
    assert run("holdfast", "token", "jwt", "--key", "in-hsm", "--audience", "hsm").stdout.count(".") == 2

    # Also after a restart, for which the PIN is unsealed anew.
    restarted()
    assert run("holdfast", "token", "jwt", "--key", "in-hsm", "--audience", "hsm").stdout.count(".") == 2
    assert processes().keys() >= {"holdfastd", "holdfast-core", "holdfast-device"}
