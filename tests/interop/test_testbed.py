"""The testbed itself, and management over RPC with Samba's own clients."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USER, ADMIN = "testuser%testpass", "admin%adminpass"

pytestmark = pytest.mark.skipif(
    shutil.which("smbclient") is None or shutil.which("rpcclient") is None, reason="needs smbclient and rpcclient"
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run the testbed and give its SMB port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
    log = tmp_path_factory.mktemp("testbed") / "log"
    environment = dict(os.environ) | {"SMB_PORT": str(number), "WEB_PORT": "0", "SIGNING_PORT": "0"}
    with log.open("w") as errors:
        testbed = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/testbed.py")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    timer = threading.Timer(60, testbed.kill)
    timer.start()
    try:
        assert any(line.strip() == "ready" for line in testbed.stdout), log.read_text()[-3000:]
        timer.cancel()
        yield number
    finally:
        timer.cancel()
        testbed.send_signal(signal.SIGINT)
        try:
            testbed.wait(30)
        finally:
            testbed.kill()  # nothing where it has ended
            testbed.stdout.close()
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


def run(program: str, port: int, *arguments: str, user: str = USER) -> subprocess.CompletedProcess[str]:
    command = [program, "-s", "/dev/null", "-p", str(port), "-U", user, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


def smbclient(port: int, share: str, commands: str, *arguments: str, user: str = USER) -> str:
    done = run("smbclient", port, f"//127.0.0.1/{share}", *arguments, "-c", commands, user=user)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rpcclient(port: int, command: str, user: str = ADMIN) -> str:
    done = run("rpcclient", port, "127.0.0.1", "-c", command, user=user)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_share_that_encrypts_is_reached(port: int):
    assert "blocks available" in smbclient(port, "share-encrypted", "ls")


def test_a_share_without_access_is_refused(port: int):
    done = run("smbclient", port, "//127.0.0.1/noperm", "-c", "ls")
    assert "NT_STATUS_ACCESS_DENIED" in done.stdout + done.stderr


def test_shares_are_listed(port: int):
    done = run("smbclient", port, "-g", "-L", "127.0.0.1")
    assert "Disk|tmp|" in done.stdout
    assert "IPC|IPC$|" in done.stdout


def test_the_server_says_what_it_is(port: int):
    assert "TESTBED" in rpcclient(port, "srvinfo")


def test_share_details_are_for_administrators(port: int):
    assert "path:\tC:\\" in rpcclient(port, "netsharegetinfo tmp 502")
    done = run("rpcclient", port, "127.0.0.1", "-c", "netsharegetinfo tmp 502")
    assert "ACCESS_DENIED" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["testuser", "BUILTIN\\Administrators", "Everyone", "NT AUTHORITY\\SYSTEM"])
def test_names_have_sids_and_sids_names(port: int, name: str):
    answer = rpcclient(port, f'lookupnames "{name}"')
    sid = next(word for word in answer.split() if word.startswith("S-1-"))
    assert name.rpartition("\\")[2] in rpcclient(port, f"lookupsids {sid}")


def test_accounts_are_listed(port: int):
    assert "[testuser2]" in rpcclient(port, "enumdomusers")
