"""Samba's own protocol suites, those tests of them that are quick, against a testbed; the long ones are in `make conformance`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("smbtorture") is None, reason="smbtorture is not installed")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", ["smb2", "rpc"])
def test_results_are_the_expected_ones(group: str) -> None:
    """A listed failure that passes fails this test as well as an unlisted one that does not."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "conformance.py"), "--quick", "--quiet", "--jobs", "2", group],
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
