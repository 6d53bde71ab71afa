"""LoadCredentialEncrypted= with a credential that is sealed to the TPM."""

import json
import os

import pytest

from conftest import DAEMON, health, is_ready, run, show, write
from holdfast_testing.processes import wait_until

EXAMPLES = "/usr/share/doc/holdfast-daemon/examples"
STORE = "/etc/credstore.encrypted"


def seal(name, path):
    os.makedirs(STORE, mode=0o700, exist_ok=True)
    run("systemd-creds", "encrypt", "--with-key=tpm2", f"--name={name}", path, f"{STORE}/{name}")
    os.unlink(path)


@pytest.mark.short
def test_a_key_is_imported_from_a_credential_that_only_this_tpm_opens(daemon):
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "/run/orders.pem")
    public = run("openssl", "pkey", "-in", "/run/orders.pem", "-pubout").stdout
    seal("orders.pem", "/run/orders.pem")
    run("cp", f"{EXAMPLES}/import-key.service", "/etc/systemd/system/")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "import-key.service")
    assert show("import-key.service", "Result", "ActiveState") == {"Result": "success", "ActiveState": "active"}
    shown = json.loads(run("holdfast", "--json", "key", "show", "orders").stdout)
    assert shown["origin"] == "imported" and shown["public_key_pem"] == public, shown
    assert not os.path.exists(f"{STORE}/orders.pem")


def test_the_daemon_gets_a_credential_by_the_packaged_drop_in(daemon):
    write("/run/pin", "1234")
    seal("hsm-pin", "/run/pin")
    folder = "/etc/systemd/system/holdfastd.service.d"
    os.makedirs(folder)
    run("cp", f"{EXAMPLES}/credential.conf", folder)
    try:
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", DAEMON)
        wait_until(is_ready, 60, "it works again")
        with open("/run/credentials/holdfastd.service/hsm-pin", encoding="ascii") as file:
            assert file.read() == "1234"
        assert health()["devices"]
    finally:
        run("rm", "-r", folder)
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", DAEMON)
        wait_until(is_ready, 60, "it works again")
