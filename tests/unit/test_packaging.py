"""The systemd units: systemd understands them, and the commands in them exist."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smbcore.server.__main__ import parse_arguments

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
UNIT_FILES = sorted(UNITS.iterdir())


def start_command(unit: str) -> list[str]:
    """Return the words of ExecStart of a unit."""
    lines = (UNITS / unit).read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("ExecStart=")]
    return line.removeprefix("ExecStart=").split()


def test_core_takes_the_options_of_its_unit() -> None:
    command = start_command("holdfast-smb.service")
    assert command[1:3] == ["-m", "smbcore.server"]
    assert parse_arguments(command[3:]).smb == ["0.0.0.0:445"]


def test_web_service_takes_the_options_of_its_unit() -> None:
    command = start_command("holdfast-web.service")
    assert command[1:3] == ["-m", "appliance.web"]
    result = subprocess.run(
        [sys.executable, "-m", "appliance.web", "--help"], capture_output=True, text=True, check=True
    )
    assert all(option in result.stdout for option in command[3:] if option.startswith("--"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNIT_FILES, ids=lambda path: path.name)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    """Programs and pages that only an installed package brings are left out of the verification."""
    for source in UNIT_FILES:
        text = source.read_text().replace("/usr/lib/holdfast/venv/bin/python", "/bin/true")
        text = text.replace("/usr/bin/holdfast", "/bin/true")
        lines = [line for line in text.splitlines() if not line.startswith("Documentation=")]
        (tmp_path / source.name).write_text("\n".join(lines) + "\n")
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in result.stderr.splitlines() if "holdfast" in line]
    assert not complaints, result.stderr
