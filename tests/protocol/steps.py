"""Steps that many protocol tests share."""

from __future__ import annotations

import asyncio
import contextlib

from smbcore.client.message import How, Signature
from smbcore.client.negotiated import Offer
from smbcore.client.raw import IMPERSONATION, SHARE_ALL
from smbcore.nt.access import FILE_ALL_ACCESS
from smbcore.nt.create import FILE_OPEN_IF
from smbcore.wire.create import CreateRequest

UNSIGNED = How(signature=Signature.NEVER)
SIGNED = How(signature=Signature.ALWAYS)
WRONGLY_SIGNED = How(signature=Signature.WRONG)
DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)
ANY = b"\xff" * 16


class Gate(asyncio.Event):
    """What has gone to a thread is waited for, whether or not the request is cancelled.

    reached  somebody waits for it, or has
    """

    reached = False

    async def wait(self):
        self.reached = True
        while not self.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await super().wait()
        return True


def only(dialect, **changes):
    return Offer(dialects=[dialect], **changes)


async def turn(times=20):
    """Let the loop run everything that is ready."""
    for _ in range(times):
        await asyncio.sleep(0)


async def next_break(raw, seconds=20.0):
    """Return the next break notification; it is the test that fails if none comes."""
    try:
        return await asyncio.wait_for(raw.connection.breaks.get(), seconds)
    except TimeoutError:
        state = "is lost" if raw.connection.is_lost else "is there"
        raise AssertionError(f"no break notification in {seconds:.0f} s, the connection {state}") from None


def create_request(
    name, access=FILE_ALL_ACCESS, disposition=FILE_OPEN_IF, options=0, oplock=0, share=SHARE_ALL, contexts=()
):
    return CreateRequest(oplock, IMPERSONATION, access, 0x80, share, disposition, options, name, list(contexts))


async def opened(raw, name="file.txt", access=FILE_ALL_ACCESS, disposition=FILE_OPEN_IF, **options):
    """Open a file and return its id."""
    return (await raw.create(name, access, disposition, **options)).expect().body.file_id


async def lives(server):
    """The server still serves a new client."""
    raw = await server.tree()
    file_id = await opened(raw, "alive.txt")
    (await raw.write(file_id, 0, b"alive")).expect()
    assert bytes((await raw.read(file_id, 0, 5)).expect().body.data) == b"alive"
    (await raw.close(file_id)).expect()
    raw.connection.close()
