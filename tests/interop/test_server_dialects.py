"""The server's lowest and highest dialect, as other implementations meet them: each speaks what both sides know.

Clients that know more than the server ask it afterwards whether that is true (VALIDATE_NEGOTIATE_INFO).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import PASSWORD, USER, ServerProcess

from smbcore.server.configure import DIALECTS

SMBCLIENT = {"2.0.2": "SMB2_02", "2.1": "SMB2_10", "3.0": "SMB3_00", "3.0.2": "SMB3_02", "3.1.1": "SMB3_11"}


@pytest.fixture(scope="module", params=DIALECTS)
def only(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ServerProcess]]:
    """A dialect, and a server that speaks no other."""
    settings = {"min_dialect": request.param, "max_dialect": request.param}
    with ServerProcess(tmp_path_factory.mktemp("only"), settings).running() as process:
        yield request.param, process


def smbclient(server: ServerProcess, commands: str, *options: str, cwd: Path) -> tuple[int, str]:
    if shutil.which("smbclient") is None:
        pytest.skip("smbclient is not installed")
    target = ["//127.0.0.1/files", "-c", commands]
    result = subprocess.run(
        ["smbclient", "-s", "/dev/null", "-p", str(server.port), "-U", f"{USER}%{PASSWORD}", *options, *target],
        capture_output=True, text=True, cwd=cwd, timeout=60, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize("protection", ["sign", "off"])
def test_smbclient_that_knows_them_all(only: tuple[str, ServerProcess], tmp_path: Path, protection: str) -> None:
    _, server = only
    data = os.urandom(300_000)
    (tmp_path / "up").write_bytes(data)
    status, output = smbclient(
        server, "put up there; get there down; rm there", "--option=client min protocol=SMB2_02",
        f"--client-protection={protection}", cwd=tmp_path,
    )  # fmt: skip
    assert status == 0, output
    assert (tmp_path / "down").read_bytes() == data


def test_smbclient_that_knows_others_only(only: tuple[str, ServerProcess], tmp_path: Path) -> None:
    dialect, server = only
    for other in set(DIALECTS) - {dialect}:
        name = SMBCLIENT[other]
        limits = (f"--option=client min protocol={name}", f"--option=client max protocol={name}")
        status, output = smbclient(server, "ls", *limits, cwd=tmp_path)
        assert status != 0
        assert "NT_STATUS_NOT_SUPPORTED" in output, (other, output)


def test_smbprotocol(only: tuple[str, ServerProcess]) -> None:
    """It demands the confirmation of what was negotiated, below 3.1.1"""
    module = pytest.importorskip("smbclient", reason="smbprotocol is not installed")
    dialect, server = only
    user = {"username": USER, "password": PASSWORD, "port": server.port, "auth_protocol": "ntlm"}
    path, data = r"\\127.0.0.1\files\proto.bin", os.urandom(200_000)
    try:
        made = module.register_session("127.0.0.1", **user)
        assert made.connection.dialect == DIALECTS[dialect]
        with module.open_file(path, mode="wb", port=server.port) as file:
            file.write(data)
        with module.open_file(path, mode="rb", port=server.port) as file:
            assert file.read() == data
        module.remove(path, port=server.port)
    finally:
        module.reset_connection_cache()


def test_impacket(only: tuple[str, ServerProcess]) -> None:
    module = pytest.importorskip("impacket.smbconnection", reason="impacket is not installed")
    dialect, server = only
    if dialect == "3.0.2":
        pytest.skip("impacket does not know SMB 3.0.2")
    number = DIALECTS[dialect]
    address = "127.0.0.1"
    connection = module.SMBConnection(address, address, sess_port=server.port, timeout=20, preferredDialect=number)
    assert connection.getDialect() == number
    connection.login(USER, PASSWORD)
    assert {entry.get_longname() for entry in connection.listPath("files", "*")} >= {".", ".."}
    connection.logoff()
