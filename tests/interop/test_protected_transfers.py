"""Large transfers of other implementations under every protection that a dialect has: 8 MiB requests at full credits."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from server_process import PASSWORD, USER, ServerProcess

MIB = 1024 * 1024
SIGNING = ("AES-128-GMAC", "AES-128-CMAC", "HMAC-SHA256")
CIPHERS = ("AES-128-GCM", "AES-128-CCM", "AES-256-GCM", "AES-256-CCM")
DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)


@pytest.mark.parametrize("signing, cipher", list(itertools.product(SIGNING, CIPHERS)))
def test_smbclient_with_every_pair_of_algorithms(
    server: ServerProcess, files: Path, tmp_path: Path, signing: str, cipher: str
) -> None:
    """The sign-in is signed with one, the file encrypted with the other"""
    if shutil.which("smbclient") is None:
        pytest.skip("smbclient is not installed")
    data = os.urandom(10 * MIB + 1)
    (tmp_path / "up").write_bytes(data)
    result = subprocess.run(
        [
            "smbclient", "-s", "/dev/null", "-p", str(server.port), "-U", f"{USER}%{PASSWORD}",
            f"--option=client smb3 signing algorithms={signing}",
            f"--option=client smb3 encryption algorithms={cipher}", "--client-protection=encrypt",
            "//127.0.0.1/files", "-c", "put up there; get there down; rm there",
        ],
        capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "down").read_bytes() == data


PROTECTED = [(dialect, protection) for dialect in DIALECTS for protection in ("none", "signed", "sealed")]
for pair in (0x0202, "sealed"), (0x0210, "sealed"), (0x0311, "none"):  # 3.1.1 wants TREE_CONNECT to be signed at least
    PROTECTED.remove(pair)


@pytest.mark.parametrize("dialect, protection", PROTECTED)
def test_smbprotocol_in_the_largest_pieces(server: ServerProcess, files: Path, dialect: int, protection: str) -> None:
    pytest.importorskip("smbprotocol", reason="smbprotocol is not installed")
    from smbprotocol.connection import Connection, Dialects
    from smbprotocol.open import CreateDisposition, FilePipePrinterAccessMask, ImpersonationLevel, Open, ShareAccess
    from smbprotocol.session import Session
    from smbprotocol.tree import TreeConnect

    connection = Connection(uuid.uuid4(), "127.0.0.1", server.port, require_signing=protection == "signed")
    connection.connect(next(d for d in (
        Dialects.SMB_2_0_2, Dialects.SMB_2_1_0, Dialects.SMB_3_0_0, Dialects.SMB_3_0_2, Dialects.SMB_3_1_1) if d == dialect))  # fmt: skip
    try:
        session = Session(connection, USER, PASSWORD, require_encryption=protection == "sealed", auth_protocol="ntlm")
        session.connect()
        tree = TreeConnect(session, r"\\127.0.0.1\files")
        tree.connect()
        largest = connection.max_write_size
        assert largest == (65536 if dialect == 0x0202 else 8 * MIB)
        file = Open(tree, f"large-{dialect:x}-{protection}")
        file.create(
            ImpersonationLevel.Impersonation, FilePipePrinterAccessMask.MAXIMUM_ALLOWED, 0,
            ShareAccess.FILE_SHARE_READ, CreateDisposition.FILE_CREATE, 0,
        )  # fmt: skip
        connection.echo(session.session_id, credit_request=512)  # by itself it asks for no more than it uses
        data = os.urandom(2 * largest + 1)
        for start in range(0, len(data), largest):
            part = data[start : start + largest]
            assert file.write(part, start) == len(part)
        assert b"".join(bytes(file.read(start, largest)) for start in range(0, len(data), largest)) == data
        file.close()
        assert (files / f"large-{dialect:x}-{protection}").read_bytes() == data
    finally:
        connection.disconnect()
