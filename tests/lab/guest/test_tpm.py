"""The TPM suites over the kernel's two devices."""

import os
import stat
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import run

BUILD = os.environ["BUILD"]
DEVICES = ["/dev/tpmrm0", "/dev/tpm0"]
SUITES = {
    "plain": ("contract_backends", "Tpm/*"),
    "encrypted": ("contract_backends", "Encrypted/*"),
    "process": ("contract_backends", "Process/*"),
    "tpm": ("contract_tpm", "*"),
}
# Of the short run: what the daemon itself uses, and no key that takes long to make.
SHORT = "Process/BackendContract.SignsSoThatOpensslVerifies/*:Process/BackendContract.DerivesAnAwsSigningKey/*"


@pytest.mark.short
def test_the_kernel_has_a_tpm_and_gives_it_to_tss():
    for device, group in (("tpm0", "root"), ("tpmrm0", "tss")):
        found = os.stat(f"/dev/{device}")
        assert stat.S_ISCHR(found.st_mode)
        assert run("stat", "-c", "%U:%G:%a", f"/dev/{device}").stdout.strip() == f"tss:{group}:660"


def passes(program, selected, device, capsys):
    results, log = f"/tmp/{program}.xml", f"/run/lab/{program}-{os.path.basename(device)}.log"
    environment = dict(os.environ, HOLDFAST_TPM_TCTI=f"device:{device}", HOLDFAST_DEVICE_PROGRAM=f"{BUILD}/bin/holdfast-device")
    with open(log, "ab") as output:
        done = subprocess.run([f"{BUILD}/bin/{program}", f"--gtest_filter={selected}", f"--gtest_output=xml:{results}"], env=environment,
                              stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=2400, check=False)  # fmt: skip
    if device == "/dev/tpm0":
        # A device process that was killed leaves its objects in the TPM, which no resource manager takes away.
        for kind in ("--transient-object", "--loaded-session"):
            run("tpm2_flushcontext", kind, "-T", f"device:{device}")
    root = xml.etree.ElementTree.parse(results).getroot()
    passed = 0
    with capsys.disabled():
        print()
        for case in root.iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            skipped = case.find("skipped")
            if skipped is not None:
                print(f"  left out: {name}: {skipped.get('message').splitlines()[-1]}")
            elif case.find("failure") is not None:
                print(f"  FAILED: {name}")
            else:
                passed += 1
        print(f"  {passed} passed over {device}")
    with open(log, encoding="utf-8", errors="replace") as output:
        assert done.returncode == 0, output.read()[-6000:]
    assert passed > 0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite, device, capsys):
    passes(*SUITES[suite], device, capsys)


@pytest.mark.short
@pytest.mark.parametrize("device", DEVICES)
def test_device_process_signs_and_derives(device, capsys):
    passes("contract_backends", SHORT, device, capsys)
