"""Other implementations in Python: they differ in their SPNEGO tokens, signing and choice of commands."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from server_process import PASSWORD, USER, ServerProcess


def test_smbprotocol_writes_reads_and_lists(server: ServerProcess, files: Path) -> None:
    smbclient = pytest.importorskip("smbclient", reason="smbprotocol is not installed")
    data = os.urandom(200_000)
    try:
        smbclient.register_session(
            "127.0.0.1", username=USER, password=PASSWORD, port=server.port, auth_protocol="ntlm", connection_timeout=20
        )
        base = r"\\127.0.0.1\files"
        smbclient.mkdir(rf"{base}\proto", port=server.port)
        with smbclient.open_file(rf"{base}\proto\a.bin", mode="wb", port=server.port) as file:
            file.write(data)
        with smbclient.open_file(rf"{base}\proto\a.bin", mode="rb", port=server.port) as file:
            assert file.read() == data
        assert smbclient.listdir(rf"{base}\proto", port=server.port) == ["a.bin"]
        assert smbclient.stat(rf"{base}\proto\a.bin", port=server.port).st_size == len(data)
        smbclient.rename(rf"{base}\proto\a.bin", rf"{base}\proto\b.bin", port=server.port)
        smbclient.remove(rf"{base}\proto\b.bin", port=server.port)
        smbclient.rmdir(rf"{base}\proto", port=server.port)
    finally:
        smbclient.reset_connection_cache()
    assert not (files / "proto").exists()


def test_smbprotocol_encrypts(server: ServerProcess) -> None:
    smbclient = pytest.importorskip("smbclient", reason="smbprotocol is not installed")
    try:
        smbclient.register_session(
            "127.0.0.1", username=USER, password=PASSWORD, port=server.port, auth_protocol="ntlm", encrypt=True
        )
        path = r"\\127.0.0.1\sealed\x.txt"
        with smbclient.open_file(path, mode="w", port=server.port) as file:
            file.write("sealed")
        with smbclient.open_file(path, mode="r", port=server.port) as file:
            assert file.read() == "sealed"
        smbclient.remove(path, port=server.port)
    finally:
        smbclient.reset_connection_cache()


def test_impacket_writes_reads_and_lists(server: ServerProcess, files: Path) -> None:
    module = pytest.importorskip("impacket.smbconnection", reason="impacket is not installed")
    connection = module.SMBConnection("127.0.0.1", "127.0.0.1", sess_port=server.port, timeout=20)
    connection.login(USER, PASSWORD)
    data = os.urandom(100_000)
    connection.createDirectory("files", "packet")
    connection.putFile("files", "packet\\a.bin", io.BytesIO(data).read)
    got = io.BytesIO()
    connection.getFile("files", "packet\\a.bin", got.write)
    assert got.getvalue() == data
    names = {entry.get_longname() for entry in connection.listPath("files", "packet\\*")}
    assert names == {".", "..", "a.bin"}
    assert "files" in {share["shi1_netname"][:-1] for share in connection.listShares()}
    connection.deleteFile("files", "packet\\a.bin")
    connection.deleteDirectory("files", "packet")
    connection.logoff()
    assert not (files / "packet").exists()


def test_impacket_hears_of_a_wrong_password(server: ServerProcess) -> None:
    module = pytest.importorskip("impacket.smbconnection", reason="impacket is not installed")
    connection = module.SMBConnection("127.0.0.1", "127.0.0.1", sess_port=server.port, timeout=20)
    with pytest.raises(module.SessionError, match="STATUS_LOGON_FAILURE"):
        connection.login(USER, "wrong")


def test_pysmb_writes_reads_and_lists(server: ServerProcess, files: Path) -> None:
    module = pytest.importorskip("smb.SMBConnection", reason="pysmb is not installed")
    connection = module.SMBConnection(USER, PASSWORD, "tester", "HOLDFAST", use_ntlm_v2=True, is_direct_tcp=True)
    assert connection.connect("127.0.0.1", server.port, timeout=20)
    data = os.urandom(100_000)
    connection.createDirectory("files", "py")
    connection.storeFile("files", "py/a.bin", io.BytesIO(data))
    got = io.BytesIO()
    connection.retrieveFile("files", "py/a.bin", got)
    assert got.getvalue() == data
    assert {entry.filename for entry in connection.listPath("files", "py")} == {".", "..", "a.bin"}
    connection.rename("files", "py/a.bin", "py/b.bin")
    connection.deleteFiles("files", "py/b.bin")
    connection.deleteDirectory("files", "py")
    connection.close()
    assert not (files / "py").exists()
