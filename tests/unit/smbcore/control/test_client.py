"""The client, against a real server."""

from __future__ import annotations

import asyncio

import pytest

from smbcore.control.client import ControlClient, call
from smbcore.control.errors import CommandFailed, ControlLate, ControlUnavailable
from smbcore.control.messages import (
    CloseOpen,
    Done,
    Ping,
    ReloadConfiguration,
)
from smbcore.control.server import ControlServer


async def test_tasks_may_share_a_client(client):
    replies = await asyncio.gather(*(client.request(CloseOpen(key)) for key in range(20)))
    assert replies == [Done(f"closed {key}", 1) for key in range(20)]


async def test_a_late_answer_is_a_clear_error_and_meets_no_later_command(server, core, path, pong):
    async with ControlClient(path, timeout=0.01) as client:
        with pytest.raises(ControlLate, match="did not answer in time"):
            await client.request(ReloadConfiguration())
        core.hold.set()
        client._timeout = 10  # noqa: SLF001 - the rest must not depend on how busy the machine is
        assert await client.request(Ping()) == pong


async def test_nobody_there_is_a_clear_error(path):
    async with ControlClient(path) as client:
        with pytest.raises(ControlUnavailable, match="is not running"):
            await client.request(Ping())
        with pytest.raises(ControlUnavailable, match="is not running"):
            await anext(client.subscribe())
    with pytest.raises(ControlUnavailable, match="is not running"):
        call(path, Ping())


async def test_a_client_outlives_a_restart_of_the_core(path, core, pong):
    async with ControlClient(path) as client:
        for _ in range(3):
            server = ControlServer(path, core.handle)
            await server.start()
            assert await client.request(Ping()) == pong
            await server.stop()
            with pytest.raises(ControlUnavailable):
                await client.request(Ping())


async def test_the_command_line_needs_no_loop(server, path, pong):
    assert await asyncio.to_thread(call, path, Ping()) == pong
    with pytest.raises(CommandFailed, match="no such open"):
        await asyncio.to_thread(call, path, CloseOpen(404))


async def test_the_client_yields_hints_until_the_core_goes(path, core):
    server = ControlServer(path, core.handle)
    await server.start()
    async with ControlClient(path) as client:
        hints = client.subscribe(["opens"])
        first = asyncio.create_task(anext(hints))
        number = 0
        while not first.done():
            number += 1
            server.publish(number, {"opens"})
            await asyncio.sleep(0)
        assert (await first).topics == ["opens"]
        await server.stop()
        with pytest.raises(ControlUnavailable):
            async for _ in hints:
                pass
