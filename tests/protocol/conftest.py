from __future__ import annotations

import logging

import pytest

from smbcore.nt.clock import ManualClock
from tests.memory_server import make_server


@pytest.fixture(autouse=True)
def no_bugs(caplog):
    """An INTERNAL_ERROR with a traceback in the log fails the test, whatever else it looked at."""
    caplog.set_level(logging.WARNING, logger="smbcore")
    yield
    bugs = [r for r in caplog.records if r.levelno >= logging.ERROR and r.name.startswith("smbcore")]
    assert not bugs, [(r.getMessage(), r.exc_info) for r in bugs]


@pytest.fixture
async def make():
    """Make servers that end with the test; settings of ServerConfig."""
    servers = []

    def make(clock=None, **settings):
        servers.append(make_server(clock, **settings))
        return servers[-1]

    yield make
    for server in servers:
        await server.close()


@pytest.fixture
async def server(make):
    """A server with the real clock."""
    return make()


@pytest.fixture
async def manual(make):
    """A server whose time stands still; `manual.clock.advance` moves it."""
    return make(ManualClock())
