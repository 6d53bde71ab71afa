"""The commands of docs/hsm.md's section on SoftHSM, in their order."""

import os
import re
import subprocess

from holdfast_testing import paths

ENVIRONMENT = dict(os.environ, PATH=f"{paths.BUILD}/bin:{os.environ['PATH']}")


def blocks():
    with open(os.path.join(paths.SOURCE, "docs", "hsm.md"), encoding="utf-8") as page:
        return re.findall(r"^```sh\n(.*?)^```", page.read(), re.DOTALL | re.MULTILINE)


def test_each_command_works_as_written(folder):
    place = os.path.join(folder, "page")
    os.mkdir(place, 0o755)
    script = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(blocks())
    done = subprocess.run(["bash", "-euxo", "pipefail", "-c", script], cwd=place, env=ENVIRONMENT, capture_output=True,
                          text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert re.search(r"^hsm +pkcs11 +ready +yes|^hsm +pkcs11 +ready +true", done.stdout, re.MULTILINE), done.stdout
    assert "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" in done.stdout
    for name in ("orders-jwt", "orders-aws", "release"):
        assert re.search(rf"^{name} .* hsm ", done.stdout, re.MULTILINE), done.stdout
    with open(os.path.join(place, "token.txt"), encoding="ascii") as token:
        assert len(token.read().strip().split(".")) == 3

