"""What the whole run left in the journal."""

import re

import pytest

from conftest import run


@pytest.mark.short
def test_neither_apparmor_nor_a_filter_stopped_the_daemon(daemon):
    # The kernel's own messages: no audit daemon takes them.
    said = run("journalctl", "-b", "--no-pager", "-o", "cat").stdout
    denied = {line for line in said.splitlines() if re.search(r'apparmor="DENIED".*profile="holdfastd"|type=1326.*holdfast', line)}
    assert not denied, "\n".join(sorted(denied))
