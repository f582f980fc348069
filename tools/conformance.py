"""Start a testbed, run smbtorture against it, compare with what is expected.

    make conformance                                    every smb2 test
    make conformance CONFORMANCE="smb2.lock smb2.rw"    some suites
    make conformance CONFORMANCE="all --out build/conformance.tsv"

Options are those of tests/interop/smbtorture/run.py.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop" / "smbtorture"))

import run  # noqa: E402 - the tests' own runner

_START_SECONDS = 60.0


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def start_testbed(port: int, signing_port: int, log: Path) -> subprocess.Popen[str]:
    """Start the testbed and wait until it serves; its log goes to a file. Exits when it does not start."""
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
    ready = any(line.strip() == "ready" for line in testbed.stdout)
    timer.cancel()
    if not ready:
        testbed.wait()
        sys.exit(f"the testbed did not start:\n{log.read_text()[-3000:]}")
    # keep reading, so that the testbed never waits for us
    threading.Thread(target=testbed.stdout.read, daemon=True).start()
    return testbed


def main() -> int:
    """Run and return the exit status."""
    port, signing_port = free_ports(2)
    log = ROOT / "build" / "testbed.log"
    testbed = start_testbed(port, signing_port, log)
    try:
        return run.main([f"--port={port}", f"--signing-port={signing_port}", *sys.argv[1:]])
    finally:
        testbed.send_signal(signal.SIGINT)
        try:
            testbed.wait(30)
        except subprocess.TimeoutExpired:
            testbed.kill()
        print(f"The servers' log is {log.relative_to(ROOT)}.")


if __name__ == "__main__":
    sys.exit(main())
