"""The commands of docs/tokens.md, in their order, in a shell of `holdfast dev`."""

import os
import re
import subprocess

from holdfast_testing import jws, paths

ENVIRONMENT = dict(os.environ, PATH=f"{paths.BUILD}/bin:{os.environ['PATH']}")


def blocks():
    with open(os.path.join(paths.SOURCE, "docs", "tokens.md"), encoding="utf-8") as page:
        return re.findall(r"^```sh\n(.*?)^```", page.read(), re.DOTALL | re.MULTILINE)


def test_each_command_works_as_written(folder):
    first, *rest = blocks()
    assert first == "holdfast dev -- bash\n"
    # Ten minutes of waiting are two seconds here; nothing else is changed.
    script, count = re.subn(r"--publish 10m --retire-after 5m", "--publish 2s --retire-after 1s", "".join(rest))
    assert count == 2
    done = subprocess.run([*first.split(), "-euxo", "pipefail", "-c", script], cwd=folder, env=ENVIRONMENT, capture_output=True,
                          text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("refused, exit status 3") == 3, done.stdout
    assert "allowed by the grant orders-api" in done.stdout and "orders-jwt is rotated" in done.stdout
    assert "partner-2024" in done.stdout and not os.path.exists(os.path.join(folder, "partner.pem"))

    with open(os.path.join(folder, "token.txt"), encoding="ascii") as token, open(os.path.join(folder, "jwks.json"), "rb") as keys:
        header, claims = jws.claims(token.read().strip(), jws.read_json(keys.read()))
    assert header["typ"] == "JWT" and header["alg"] == "ES256"
    assert (claims["iss"], claims["sub"]) == ("https://id.example.com", f"uid-{os.geteuid()}")
    assert claims["aud"] == "https://api.example.com" and claims["role"] == "reader"
    assert claims["exp"] - claims["iat"] == 330 and claims["iat"] == claims["nbf"]
