"""Start a testbed, run smbtorture against it, compare with what is expected.

    make conformance                                    every smb2 test
    make conformance CONFORMANCE="smb2.lock smb2.rw"    some suites
    make conformance CONFORMANCE="all --out build/conformance.tsv"
    make conformance CONFORMANCE="--own-network smb2.multichannel"

--own-network  (root) in a network namespace of our own, where the server has port 445: some tests have it built in
The other options are those of tests/interop/smbtorture/run.py.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from struct import Struct

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop" / "smbtorture"))

import run  # noqa: E402 - the tests' own runner

_START_SECONDS = 60.0
_FOLDERS = "shares below "
_OWN_NETWORK = "--own-network"
_INSIDE = "--inside-own-network"
# struct ifreq as the ioctls of netdevice(7) take it: name, flags
_INTERFACE = Struct("16sh22x")
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def start_testbed(port: int, signing_port: int, log: Path) -> tuple[subprocess.Popen[str], str]:
    """Start the testbed and wait until it serves; return it with the folder of its shares.

    Its log goes to a file. Exits when it does not start.
    """
    environment = dict(os.environ) | {"SMB_PORT": str(port), "SIGNING_PORT": str(signing_port), "WEB_PORT": "0"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        testbed = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "testbed.py")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    timer = threading.Timer(_START_SECONDS, testbed.terminate)
    timer.start()
    assert testbed.stdout is not None
    folders = ""
    for line in testbed.stdout:
        folders = line.strip().partition(_FOLDERS)[2] or folders
        if line.strip() == "ready":
            break
    else:
        timer.cancel()
        testbed.wait()
        sys.exit(f"the testbed did not start:\n{log.read_text()[-3000:]}")
    timer.cancel()
    # keep reading, so that the testbed never waits for us
    threading.Thread(target=testbed.stdout.read, daemon=True).start()
    return testbed, folders


def in_own_network(arguments: list[str]) -> int:
    """Run again in a new network namespace, which ends with the run; return the exit status."""
    command = ["unshare", "--net", "--", sys.executable, __file__, _INSIDE, *arguments]
    return subprocess.run(command, check=False).returncode


def bring_up_loopback() -> None:
    """Set the loopback interface up: in a new namespace it is down. Raises OSError."""
    request = bytearray(_INTERFACE.pack(b"lo", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _GET_FLAGS, request)
        name, flags = _INTERFACE.unpack(request)
        fcntl.ioctl(any_socket, _SET_FLAGS, _INTERFACE.pack(name, flags | _UP))


def main(arguments: list[str]) -> int:
    """Run and return the exit status."""
    if _OWN_NETWORK in arguments:
        return in_own_network([argument for argument in arguments if argument != _OWN_NETWORK])
    port, signing_port = free_ports(2)
    if _INSIDE in arguments:
        arguments.remove(_INSIDE)
        bring_up_loopback()
        port = 445
    return run_against_testbed(port, signing_port, arguments)


def run_against_testbed(port: int, signing_port: int, arguments: list[str]) -> int:
    """Run what the arguments say against a testbed on these ports; return the exit status."""
    log = ROOT / "build" / "testbed.log"
    testbed, folders = start_testbed(port, signing_port, log)
    try:
        return run.main([f"--port={port}", f"--signing-port={signing_port}", f"--folders={folders}", *arguments])
    finally:
        testbed.send_signal(signal.SIGINT)
        try:
            testbed.wait(30)
        except subprocess.TimeoutExpired:
            testbed.kill()
        print(f"The servers' log is {log.relative_to(ROOT)}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
