"""Samba's own protocol suites, those tests of them that are quick, against a testbed; the long ones are in `make conformance`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("smbtorture") is None, reason="smbtorture is not installed")


def may_unshare() -> bool:
    """Tell whether we may make a network namespace."""
    program = shutil.which("unshare")
    return (
        program is not None
        and subprocess.run([program, "--net", "true"], capture_output=True, check=False).returncode == 0
    )


def conformance(*arguments: str) -> str:
    """Run the tool, expect that every result is the expected one, and return what it printed."""
    command = [sys.executable, str(ROOT / "tools" / "conformance.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    return result.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", ["smb2", "rpc"])
def test_results_are_the_expected_ones(group: str) -> None:
    """A listed failure that passes fails this test as well as an unlisted one that does not."""
    conformance("--quick", "--quiet", "--jobs", "2", group)


@pytest.mark.timeout(120)
@pytest.mark.skipif(not may_unshare(), reason="may not make a network namespace")
def test_tests_with_port_445_built_in_have_the_expected_results() -> None:
    """They run in a network namespace where the testbed has that port."""
    assert "bug_15346" in conformance("--own-network", "smb2.multichannel.bugs")
