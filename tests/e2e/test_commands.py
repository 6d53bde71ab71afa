"""The commands that docs/testing.md names."""

import os
import re
import subprocess

import pytest

from holdfast_testing.paths import SOURCE

with open(os.path.join(SOURCE, "docs", "testing.md"), encoding="utf-8") as page:
    TEXT = page.read()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(tests/[\w/-]+)", TEXT))))
def test_it_is_there_and_says_what_it_does(command):
    result = subprocess.run([os.path.join(SOURCE, command), "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.lower().startswith("usage: ")
    options = set(re.findall(rf"`{command}(?: \w+)?((?: --[\w-]+)+)", TEXT))
    assert all(option in result.stdout for line in options for option in re.findall(r"--[\w-]+", line)), options
