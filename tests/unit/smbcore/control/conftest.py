"""A core that answers by the command, behind a control server."""

from __future__ import annotations

import asyncio

import pytest

from smbcore.control.client import ControlClient
from smbcore.control.errors import CommandFailed
from smbcore.control.messages import (
    CloseOpen,
    Counters,
    DisconnectUser,
    Done,
    ListCounters,
    Ping,
    Pong,
    ReloadConfiguration,
)
from smbcore.control.server import ControlServer
from smbcore.control.wire import MAX_LINE

PONG = Pong("node", "boot", "holdfast", "2026-01-01T00:00:00+00:00")


class Core:
    """A handler that answers by the command."""

    def __init__(self):
        self.hold = asyncio.Event()
        self.holding = asyncio.Event()

    async def handle(self, message):
        match message:
            case Ping():
                return PONG
            case CloseOpen(open_key=404):
                raise CommandFailed("not_found", "There is no such open.")
            case CloseOpen(open_key=key):
                return Done(f"closed {key}", 1)
            case ListCounters():
                return Counters({"opens": 1})
            case ReloadConfiguration():
                self.holding.set()
                await self.hold.wait()
                return Done("reloaded", 2)
            case DisconnectUser():
                return Done("x" * MAX_LINE)
        raise ZeroDivisionError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.sock"


@pytest.fixture
def core():
    return Core()


@pytest.fixture
async def server(path, core):
    made = ControlServer(path, core.handle)
    await made.start()
    yield made
    core.hold.set()
    await made.stop()
    assert not path.exists()


@pytest.fixture
async def client(server, path):
    async with ControlClient(path) as made:
        yield made


@pytest.fixture
def pong():
    return PONG
