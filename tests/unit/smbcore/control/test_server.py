"""Server and client together, over a real socket."""

from __future__ import annotations

import asyncio
import socket

import pytest

from smbcore.control.client import ControlClient, call
from smbcore.control.errors import CommandFailed, ControlUnavailable
from smbcore.control.messages import (
    Changed,
    CloseOpen,
    Counters,
    DisconnectUser,
    Done,
    ListCounters,
    Ping,
    ReloadConfiguration,
    Subscribe,
)
from smbcore.control.server import MAX_BACKLOG, ControlServer
from smbcore.control.wire import MAX_LINE, decode, encode


async def test_commands_get_their_replies(client, pong):
    assert await client.request(Ping()) == pong
    assert await client.request(CloseOpen(7)) == Done("closed 7", 1)
    assert await client.request(ListCounters()) == Counters({"opens": 1})


async def test_a_refusal_reaches_the_caller(client, pong):
    with pytest.raises(CommandFailed, match="There is no such open.") as caught:
        await client.request(CloseOpen(404))
    assert caught.value.code == "not_found"
    assert await client.request(Ping()) == pong


async def test_a_bug_in_the_core_is_logged_and_told_without_details(client, caplog, pong):
    with pytest.raises(CommandFailed) as caught:
        await client.request(Done())
    assert caught.value.code == "internal"
    assert "ZeroDivisionError" in caplog.text
    assert await client.request(Ping()) == pong


async def test_a_reply_that_is_too_long_is_a_failure(client):
    with pytest.raises(CommandFailed) as caught:
        await client.request(DisconnectUser("x"))
    assert caught.value.code == "internal"


async def test_a_slow_command_does_not_hold_up_others(server, core, path, pong):
    async with ControlClient(path) as slow, ControlClient(path) as quick:
        waiting = asyncio.create_task(slow.request(ReloadConfiguration()))
        await core.holding.wait()
        assert await quick.request(Ping()) == pong
        core.hold.set()
        assert await waiting == Done("reloaded", 2)


async def test_commands_of_one_connection_run_side_by_side(server, core, path, pong):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(encode(1, ReloadConfiguration()) + encode(2, Ping()))
    assert decode(await reader.readline()) == (2, pong)
    core.hold.set()
    assert decode(await reader.readline()) == (1, Done("reloaded", 2))
    writer.close()
    await writer.wait_closed()


async def test_other_users_are_turned_away(path, core):
    server = ControlServer(path, core.handle, uid_of=lambda _: 12345)
    await server.start()
    async with ControlClient(path) as client:
        with pytest.raises(ControlUnavailable):
            await client.request(Ping())
    await server.stop()


@pytest.mark.parametrize(
    "garbage", [b"hello\n", b"x" * (MAX_LINE + 1), b'{"id":1,"type":"Nope","body":{}}\n', b"cut off"]
)
async def test_garbage_ends_the_connection_only(server, path, garbage, pong):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(garbage)
    writer.write_eof()
    try:
        assert await reader.read() == b""
    except ConnectionError:
        pass  # cut off by the server while we were still writing
    writer.close()
    async with ControlClient(path) as client:
        assert await client.request(Ping()) == pong


async def subscribed(server, path, topics):
    """Return a subscription that the server knows of."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(encode(9, Subscribe(topics)))
    assert decode(await reader.readline()) == (9, Done())
    return reader, writer


async def test_subscribers_hear_of_their_topics(server, path):
    all_reader, all_writer = await subscribed(server, path, [])
    reader, writer = await subscribed(server, path, ["shares", "opens"])
    server.publish(1, {"sessions"})
    server.publish(2, {"opens", "sessions"})
    assert decode(await all_reader.readline()) == (9, Changed(1, ["sessions"]))
    assert decode(await all_reader.readline()) == (9, Changed(2, ["opens", "sessions"]))
    assert decode(await reader.readline()) == (9, Changed(2, ["opens"]))
    for one in (all_writer, writer):
        one.close()
        await one.wait_closed()


async def test_a_subscriber_that_does_not_read_is_cut_off(server, path, caplog, pong):
    plain = socket.socket(socket.AF_UNIX)
    plain.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plain, str(path))
    await loop.sock_sendall(plain, encode(1, Subscribe([])))
    assert await loop.sock_recv(plain, 4096) == encode(1, Done())
    topics = {f"topic{number}" for number in range(1000)}
    published = 0
    while "does not keep up" not in caplog.text:
        published += 1
        assert published < 10_000
        server.publish(published, topics)
    sent = published * len(encode(1, Changed(1, sorted(topics))))
    assert sent > MAX_BACKLOG
    plain.close()
    async with ControlClient(path) as client:
        assert await client.request(Ping()) == pong


async def test_a_second_server_does_not_take_the_place_of_the_first(server, path, core, pong):
    with pytest.raises(ControlUnavailable, match="another server"):
        await ControlServer(path, core.handle).start()
    assert await asyncio.to_thread(call, path, Ping()) == pong


async def test_stopping_waits_for_commands_and_may_be_repeated(path, core):
    server = ControlServer(path, core.handle)
    await server.start()
    async with ControlClient(path) as client:
        waiting = asyncio.create_task(client.request(ReloadConfiguration()))
        await core.holding.wait()
        core.hold.set()
        await server.stop()
        with pytest.raises(ControlUnavailable):
            await waiting
    await server.stop()
