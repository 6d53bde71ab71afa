"""The programs that use credentials: boto3, aws-cli and the SDK for JavaScript, each a process of its own that asks STS who it is."""

import json
import os
import subprocess
import sys

from holdfast_testing.paths import BUILD, SOURCE

FOLDER = os.path.join(BUILD, "aws_sdk")  # where tests/run has `npm ci` put it
BOTO3 = "import boto3, json, sys; print(json.dumps(boto3.client('sts', endpoint_url=sys.argv[1]).get_caller_identity()['Arn']))"


def commands(endpoint):
    script = os.path.join(SOURCE, "tests", "support", "aws_sdk", "identity.mjs")
    return {
        "boto3": [sys.executable, "-c", BOTO3, endpoint],
        "aws-cli": ["aws", "--endpoint-url", endpoint, "--output", "json", "--query", "Arn", "sts", "get-caller-identity"],
        "javascript": ["node", script, FOLDER, endpoint],
    }


NAMES = tuple(commands(""))


def environment(standin, home, **more):
    """What such a program is run with: no credentials but those that `more` or the files in `home` lead to, and the stand-in's root."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    kept.update(HOME=home, AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1", AWS_CA_BUNDLE=standin.ca_file, NODE_EXTRA_CA_CERTS=standin.ca_file, AWS_MAX_ATTEMPTS="1")
    return {**kept, **{"AWS_EC2_METADATA_DISABLED": "true"}, **more}


def identity(name, standin, env):
    """The ARN that the stand-in knows this program by; AssertionError with what it said instead."""
    if name == "javascript" and not os.path.isdir(os.path.join(FOLDER, "node_modules", "@aws-sdk")):
        raise FileNotFoundError(f"{FOLDER} has no AWS SDK: tests/run installs it (npm ci)")
    done = subprocess.run(commands(standin.url)[name], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (name, done.stdout, done.stderr[-2000:])
    answer = json.loads(done.stdout)
    return answer if isinstance(answer, str) else answer["arn"]
