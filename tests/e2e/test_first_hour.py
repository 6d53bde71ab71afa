"""The first hour of a new user: quickstart, a shell in `holdfast dev`, a key, a refusal, a grant, a request."""

import json
import os
import re
import subprocess

import pytest

from holdfast_testing import paths
from holdfast_testing.swift import ACCESS_KEY, SECRET, Swift

ENVIRONMENT = dict(os.environ, PATH=f"{paths.BUILD}/bin:{os.environ['PATH']}")


@pytest.fixture(scope="module")
def swift(folder):
    with Swift(os.path.join(folder, "swift")) as server:
        yield server


def credentials(folder, profile="default"):
    path = os.path.join(folder, "credentials")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = stays\n\n[{profile}]\n")
        file.write(f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET}\nregion = us-east-1\n")
    os.chmod(path, 0o600)
    return path


def bash(script, cwd, **environment):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=cwd, env={**ENVIRONMENT, **environment},
                          capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


# What the user narrows the ready-made grant to, after a look around.
NARROW = """
import re, sys
path = sys.argv[1]
text = open(path).read()
head = text[:text.index("[[grant]]")]
open(path, "w").write(head + '[[grant]]\\nname = "read-logs"\\nkey = "orders"\\ncaller = { uid = %d }\\nfacts = { service = "s3", path = "/logs/**" }\\n' % int(sys.argv[2]))
"""

SESSION = """
holdfast health
holdfast whoami
holdfast key import-aws orders --profile default --remove-plaintext
holdfast key list
python3 -c "$NARROW" "$HOLDFAST_CONFIG" "$(id -u)"
holdfast reload

# Refused: nothing lets us make a bucket.
status=0
holdfast aws curl --key orders --region us-east-1 --service s3 -sS -X PUT -- "$URL/orders" 2>refusal || status=$?
test "$status" = 3
cat refusal
id=$(grep -o 'policy suggest [^ ]*' refusal | cut -d' ' -f3 | head -n 1)

# The grant that it would have needed, into the policy.
mkdir -p "$(dirname "$HOLDFAST_CONFIG")/policy.d"
holdfast policy suggest "$id" | tee "$(dirname "$HOLDFAST_CONFIG")/policy.d/orders.toml"
holdfast reload
holdfast aws curl --key orders --region us-east-1 --service s3 -sS --fail-with-body -X PUT -- "$URL/orders"

# It allows that, and no more.
status=0
holdfast aws curl --key orders --region us-east-1 --service s3 -sS -X DELETE -- "$URL/orders" 2>refusal || status=$?
test "$status" = 3
holdfast audit tail
holdfast audit verify
"""


def test_import_refusal_suggestion_and_request(folder, swift):
    file = credentials(folder)
    place = os.path.join(folder, "session")
    os.mkdir(place)
    output = bash('holdfast dev -- bash -euo pipefail -c "$SESSION"', place, SESSION=SESSION, NARROW=NARROW, URL=swift.endpoint,
                  AWS_SHARED_CREDENTIALS_FILE=file)  # fmt: skip
    assert "[[grant]]" in output and "orders" in output
    with open(file, encoding="utf-8") as content:
        text = content.read()
    assert SECRET not in text and "aws_secret_access_key = stays" in text and ACCESS_KEY in text
    # The whole state of the TPM and the daemon holds the secret in no readable form, and the shell left nothing running.
    for base, _, names in os.walk(place):
        for name in names:
            path = os.path.join(base, name)
            if os.path.isfile(path):
                with open(path, "rb") as content:
                    assert b"AWS4" + SECRET.encode() not in content.read(), path
    assert not subprocess.run(["pgrep", "-f", place], capture_output=True, check=False).stdout


def test_dev_passes_the_commands_status_on(folder):
    place = os.path.join(folder, "status")
    os.mkdir(place)
    done = subprocess.run(["holdfast", "dev", "--", "bash", "-c", "exit 7"], cwd=place, env=ENVIRONMENT, timeout=60, check=False)
    assert done.returncode == 7
    # A second time with what is there, and with answers as JSON.
    output = bash("holdfast dev -- holdfast --json health", place)
    assert json.loads(output)["status"] == "ok"


def test_device_is_there_when_dev_runs_the_command(folder):
    place = os.path.join(folder, "there")
    os.mkdir(place)
    for _ in range(5):
        health = json.loads(bash("holdfast dev -- bash -c 'holdfast --json health || true'", place))
        assert (health["status"], [device["state"] for device in health["devices"]]) == ("ok", ["ready"]), health


def test_command_in_dev_finds_the_holdfast_that_runs_it(folder):
    place = os.path.join(folder, "found")
    os.mkdir(place)
    plain = {"PATH": os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not p.endswith("/build/bin"))}
    output = bash(f"{paths.BUILD}/bin/holdfast dev -- bash -c 'command -v holdfast; echo $PATH'", place, **plain)
    assert output == f"{paths.BUILD}/bin/holdfast\n{paths.BUILD}/bin:{plain['PATH']}\n"
    # Where it is in the path already, nothing is put before what else is there.
    plain["PATH"] += f":{paths.BUILD}/bin"
    assert bash(f"{paths.BUILD}/bin/holdfast dev -- bash -c 'echo $PATH'", place, **plain) == plain["PATH"] + "\n"


def readme_session():
    """The README's commands for the shell inside `holdfast dev`."""
    with open(os.path.join(paths.SOURCE, "README.md"), encoding="utf-8") as readme:
        blocks = re.findall(r"^```sh\n(.*?)^```", readme.read(), re.DOTALL | re.MULTILINE)
    return [block for block in blocks if "key import-aws" in block]


def test_readme_commands_work_as_written(folder, swift):
    blocks = readme_session()
    assert len(blocks) == 1
    # Its bucket is on this machine's server; nothing else is changed.
    script, count = re.subn(r"https://[a-z-]+\.s3\.[a-z0-9-]+\.amazonaws\.com(/[a-z.]*)?", f"{swift.endpoint}/readme", blocks[0])
    assert count >= 1
    script = script.replace("eu-west-1", "us-east-1").replace("aws curl", "aws curl -sS")
    key = re.search(r"import-aws (\S+)", script)[1]
    script = script.replace("holdfast aws curl", f"holdfast aws curl --key {key} --region us-east-1 --service s3 -sS -X PUT -- {swift.endpoint}/readme\nholdfast aws curl", 1)
    place = os.path.join(folder, "readme")
    os.mkdir(place)
    file = credentials(folder)
    output = bash('holdfast dev -- bash -euo pipefail -c "$SCRIPT"', place, SCRIPT=script, AWS_SHARED_CREDENTIALS_FILE=file)
    assert "ListBucketResult" in output, output


def test_quickstart_shows_the_main_job(folder):
    output = bash(f'"{paths.SOURCE}/examples/quickstart" --no-install --programs "{paths.BUILD}/bin"', folder, TMPDIR=folder)
    assert [int(n) for n in re.findall(r"^\[(\d)/9\]", output, re.MULTILINE)] == list(range(1, 10))
    assert output.count("Kept by holdfast.") == 2 and "not_permitted" in output
    assert int(re.search(r"Done in (\d+) s", output)[1]) < 60
    assert not [name for name in os.listdir(folder) if name.startswith("holdfast-quickstart")]


@pytest.mark.parametrize("script", ["examples/quickstart", "tests/run"])
def test_scripts_say_what_they_take(script):
    path = os.path.join(paths.SOURCE, script)
    assert subprocess.run([path, "--help"], capture_output=True, text=True, check=True).stdout.startswith("Usage: " + script)
