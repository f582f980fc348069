"""The core's process, as far as it can be seen from within; tests/interop/test_restart.py starts and ends it."""

from __future__ import annotations

import faulthandler
import gc
from datetime import UTC, datetime

import pytest

from smbcore.server.__main__ import Core, parse_arguments
from smbcore.server.server import SmbServer
from smbcore.state.errors import StateUnavailableError
from smbcore.state.initialise import initialise
from smbcore.state.mirror import Mirror


@pytest.fixture
def directory(tmp_path):
    yield initialise(tmp_path / "data", now=datetime(2026, 1, 1, tzinfo=UTC))
    faulthandler.cancel_dump_traceback_later()
    gc.unfreeze()


@pytest.fixture
def core(directory):
    return Core(parse_arguments(["--data", str(directory.path), "--smb", "127.0.0.1:0"]))


async def test_a_start_without_a_database_costs_no_handles(core, directory, monkeypatch):
    """The rows are what they were: another process has the database, say, and the next start may succeed."""

    async def fail(_):
        raise StateUnavailableError("the database is locked")

    directory.records_trusted.touch()
    monkeypatch.setattr(Mirror, "start", fail)
    with pytest.raises(StateUnavailableError):
        await core.run()
    assert directory.records_trusted.exists()


async def test_a_step_of_the_end_that_fails_holds_up_no_other(core, directory, monkeypatch, caplog):
    ended, stop = [], Mirror.stop

    async def fail(_):
        raise OSError(5, "the disk is gone")

    async def end(mirror):
        await stop(mirror)
        ended.append(True)

    monkeypatch.setattr(SmbServer, "close", fail)
    monkeypatch.setattr(Mirror, "stop", end)
    core._stop.set()
    await core.run()
    assert ended == [True]
    assert not directory.control_socket.exists()
    assert "the disk is gone" in caplog.text
