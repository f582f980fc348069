"""Users who must encrypt or sign, told so with the command line while the server runs, seen by Debian's smbclient."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from server_process import OTHER_PASSWORD, OTHER_USER, ServerProcess
from test_smbclient import roundtrip, smbclient

pytestmark = pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed")

AS_BEN = ("-U", f"{OTHER_USER}%{OTHER_PASSWORD}")
OLD = "--option=client max protocol=SMB2_10"


def protect(server: ServerProcess, *options: str) -> None:
    """holdfast user protect ben OPTIONS"""
    command = [sys.executable, "-m", "appliance.cli", "user", "protect", OTHER_USER, *options]
    done = subprocess.run(
        [*command, "--data", str(server.directory.path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_user_who_must_encrypt(server: ServerProcess, tmp_path: Path) -> None:
    # 1 before: any dialect will do
    roundtrip(server, tmp_path, *AS_BEN, OLD)
    protect(server, "--require-encryption")
    # 2 now clients encrypt, asked to or not, and one that cannot is refused
    roundtrip(server, tmp_path, *AS_BEN)
    roundtrip(server, tmp_path, *AS_BEN, "--client-protection=encrypt")
    roundtrip(server, tmp_path, *AS_BEN, "--option=client max protocol=SMB3_00")
    assert "NT_STATUS_ACCESS_DENIED" in smbclient(server, "ls", *AS_BEN, OLD, ok=False)
    assert f"{OTHER_USER} must encrypt, which this connection cannot (SMB 2.1)" in server.log
    # 3 others are not concerned
    roundtrip(server, tmp_path, OLD)
    # 4 and back again
    protect(server, "--no-require-encryption")
    roundtrip(server, tmp_path, *AS_BEN, OLD)


def test_a_user_who_must_sign(server: ServerProcess, tmp_path: Path) -> None:
    protect(server, "--require-signing")
    # 1 a client that signs by itself
    roundtrip(server, tmp_path, *AS_BEN, "--client-protection=sign")
    roundtrip(server, tmp_path, *AS_BEN, OLD, "--client-protection=sign")
    # 2 one that would only sign if the server required it of everybody
    output = smbclient(server, "ls", *AS_BEN, OLD, ok=False)
    assert "NT_STATUS_ACCESS_DENIED" in output
    assert f"user={OTHER_USER} must sign, which its client does not announce" in server.log
    protect(server, "--no-require-signing")
    roundtrip(server, tmp_path, *AS_BEN, OLD)
