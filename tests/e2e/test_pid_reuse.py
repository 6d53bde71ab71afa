"""Threat row 2: between connect and look-up the connector ends and its pid comes back as a trusted program."""

import json
import os
import subprocess
import sys

from holdfast_testing import units
from holdfast_testing.namespaces import OWN_PIDS

RUNS = 1000


def test_row02_reused_pid_gets_no_signature(root, folder):
    command = [*OWN_PIDS, sys.executable, "-m", "holdfast_testing.pid_reuse", folder, str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout)
    print(result)
    assert result["controls"] == ({"unit": 200, "exe": 200} if units.tree() else {"exe": 200}), result
    assert result["runs"] == RUNS, result
    assert result["signed"] == 0 and result["refused"] + result["closed"] == RUNS, result
    assert result["same_core"] and os.path.exists(os.path.join(folder, "daemon", "state", "audit"))
