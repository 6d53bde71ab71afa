"""The commands of docs/aws.md, in their order, in a shell of `holdfast dev`, with a stand-in for AWS."""

import os
import re
import subprocess

from holdfast_testing import paths
from holdfast_testing.aws_standin import ACCOUNT, StandIn


def blocks():
    with open(os.path.join(paths.SOURCE, "docs", "aws.md"), encoding="utf-8") as page:
        return re.findall(r"^```sh\n(.*?)^```", page.read(), re.DOTALL | re.MULTILINE)


def test_each_command_works_as_written(folder):
    first, *rest = blocks()
    assert first == "holdfast dev -- bash\n"
    place, home = os.path.join(folder, "page"), os.path.join(folder, "home")
    os.mkdir(place, 0o755)
    os.mkdir(home, 0o700)
    with StandIn(folder) as aws:
        aws.authority.root = os.path.join(place, "ca.crt")  # the trust anchor
        # Where AWS is, is all that is changed.
        script, count = re.subn(r"holdfast aws configure ", f"holdfast aws configure --endpoint {aws.url} --ca-file {aws.ca_file} ", "".join(rest))
        script, more = re.subn(r" aws sts ", f" aws --endpoint-url {aws.url} sts ", script)
        assert (count, more) == (1, 2)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "XDG_"))}
        environment = dict(kept, PATH=f"{paths.BUILD}/bin:{os.environ['PATH']}", HOME=home, AWS_CA_BUNDLE=aws.ca_file, AWS_EC2_METADATA_DISABLED="true")
        done = subprocess.run([*first.split(), "-euxo", "pipefail", "-c", script], cwd=place, env=environment, capture_output=True,
                              text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        identities = re.findall(r'"Arn": "([^"]*)"', done.stdout)
        assert len(identities) == 2, done.stdout  # by the profile, and from the endpoint
        assert all(arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/") for arn in identities)
        assert aws.count("CreateSession") == 1
