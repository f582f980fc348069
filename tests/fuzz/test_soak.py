"""Thousands of slightly wrong requests on handles that work, over one connection after another."""

from __future__ import annotations

import asyncio
import os
import random
import struct

import pytest

from smbcore.client.message import How
from smbcore.nt.access import FILE_ALL_ACCESS
from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN_IF
from smbcore.proto.compound import link
from smbcore.server.config import Limits
from smbcore.wire.header import FLAG_RELATED, Header, Opcode
from tests.fuzz.test_connection import finished, no_tracebacks, templates, turn
from tests.memory_server import make_server

SEEDS = int(os.environ.get("FUZZ_SEEDS", "4"))
ROUNDS = 40
REQUESTS = 25
ENDING = {Opcode.NEGOTIATE, Opcode.SESSION_SETUP, Opcode.LOGOFF, Opcode.TREE_CONNECT, Opcode.TREE_DISCONNECT}
VALUES = (0, 1, 2, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def changed(chance: random.Random, body: bytes, handles: tuple[bytes, ...]) -> bytes:
    """Change a body in up to three places, none of them in a handle, most of the time."""
    data = bytearray(body)
    kept = [(data.find(handle), data.find(handle) + 16) for handle in handles if handle in data]
    if chance.random() < 0.05:
        kept = []
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        at = chance.randrange(len(data))
        if any(start - 4 < at < end for start, end in kept):
            continue
        if chance.random() < 0.5:
            data[at] = chance.randrange(256)
        elif at + 4 <= len(data):
            struct.pack_into("<I", data, at & ~1, chance.choice(VALUES))
    if chance.random() < 0.05:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


async def round_of_requests(server, chance: random.Random, share: str, number: int) -> int:
    """Sign in, open two handles and misuse them; return the bytes of all replies."""
    raw = await server.tree(share)
    await raw.echo(How(credits=200))
    file_id = (await raw.create(f"file {number}", FILE_ALL_ACCESS, FILE_OPEN_IF)).expect().body.file_id
    (await raw.write(file_id, 0, bytes(range(200)))).expect()
    directory = (
        (await raw.create(f"dir {number}", FILE_ALL_ACCESS, FILE_OPEN_IF, options=FILE_DIRECTORY_FILE))
        .expect()
        .body.file_id
    )
    known = [t for t in templates(file_id, directory) if t[0] not in ENDING]
    received: list[int] = []
    connection = raw.connection
    connection._transport.on_frame = lambda frame: received.append(len(frame))
    message_id = connection.next_message_id
    frame: list[bytearray] = []
    for _ in range(REQUESTS):
        command, body = chance.choice(known)
        header = Header(
            command=command, message_id=message_id, credit_charge=1, credits=2, tree_id=raw.tree_id,
            flags=FLAG_RELATED if frame and chance.random() < 0.5 else 0, session_id=raw.session.session_id,
        )  # fmt: skip
        message_id += command != Opcode.CANCEL
        if command == Opcode.CANCEL:
            header.message_id = max(0, message_id - chance.randrange(1, 4))
        frame.append(bytearray(header.encode() + changed(chance, body, (file_id, directory))))
        if chance.random() < 0.3:
            continue
        link(frame)
        connection.send_bytes(raw.session.sealer.seal(frame) if raw.seal else b"".join(frame))
        frame = []
        if chance.random() < 0.7:
            await turn()
    await turn()
    connection.close()
    await turn()
    return sum(received)


async def soak(seed: int) -> None:
    chance = random.Random(seed)
    server = make_server(limits=Limits(opens_per_session=60, pending_per_connection=10))
    total = 0
    for number in range(ROUNDS):
        try:
            total += await round_of_requests(server, chance, chance.choice(("data", "secret")), number)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    assert total < 64 << 20
    await finished(server)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_soak(seed):
    with no_tracebacks():
        asyncio.run(soak(seed))
