"""A real server process for interop tests: its own data directory, a free loopback port, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smbcore.state.accounts import NewAccount, create_account
from smbcore.state.configuration import ShareAccess
from smbcore.state.engine import open_engine, writing
from smbcore.state.initialise import DataDirectory, initialise
from smbcore.state.keyfile import KeyFile
from smbcore.state.passwords import derive
from smbcore.state.settings import change_settings
from smbcore.state.shares import NewShare, create_share

START_SECONDS = 30.0
STOP_SECONDS = 15.0
USER, PASSWORD = "anna", "correct horse"
OTHER_USER, OTHER_PASSWORD = "ben", "battery staple"


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class ServerProcess:
    """The core of one data directory, in a process of its own.

    folder  where the shares' folders are;  port  where it listens
    """

    base: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    shares: Sequence[Mapping[str, Any]] = ({"name": "files"}, {"name": "sealed", "encrypt": True})
    port: int = 0
    database_url: str | None = None
    log_level: str = "DEBUG"
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """The parent of the shares' folders."""
        return self.base / "shares"

    @property
    def log(self) -> str:
        """What the process has logged so far."""
        path = self.base / "core.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def directory(self) -> DataDirectory:
        """The data directory."""
        return DataDirectory(self.base / "data")

    def prepare(self) -> None:
        """Initialise the data directory with two users and the shares."""
        now = datetime.now(UTC)
        directory = initialise(self.base / "data", now=now, database_url=self.database_url)
        key = KeyFile.load(directory.key_file)
        engine = open_engine(self.database_url or directory.database_url)
        with writing(engine) as connection:
            for name, password in ((USER, PASSWORD), (OTHER_USER, OTHER_PASSWORD)):
                create_account(connection, key, NewAccount(name), derive(password), now=now)
            for share in self.shares:
                path = self.folder / str(share["name"])
                path.mkdir(parents=True, exist_ok=True)
                columns = {"access": (ShareAccess("everyone", "full"),), **share, "path": str(path)}
                create_share(connection, NewShare(**columns), now=now)
            if self.settings:
                change_settings(connection, self.settings, now=now)
        engine.dispose()

    @property
    def command(self) -> list[str]:
        """The command line of the process."""
        self.port = self.port or free_port()
        program = [sys.executable, "-m", "smbcore.server", "--data", str(self.base / "data")]
        return [*program, "--smb", f"127.0.0.1:{self.port}", "--log-level", self.log_level]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        url = {"HOLDFAST_DATABASE_URL": self.database_url} if self.database_url else {}
        return dict(os.environ) | url

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        with (self.base / "core.log").open("ab") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output, env=self.environment)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError(f"the core did not start:\n{self.log[-4000:]}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process and return its exit status."""
        process = self.process
        if process is None:
            return 0
        self.process = None
        process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise AssertionError("the core did not stop") from None

    @contextlib.contextmanager
    def running(self) -> Iterator[ServerProcess]:
        """Prepare, start, and stop at the end; a traceback in its log fails the test."""
        self.base.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self.start()
        try:
            yield self
        finally:
            status = self.stop()
        assert status == 0, f"exit status {status}:\n{self.log[-4000:]}"
        assert "Traceback" not in self.log, self.log[-6000:]
