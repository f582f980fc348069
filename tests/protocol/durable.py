"""Steps of the tests of durable, resilient and persistent handles."""

from __future__ import annotations

from smbcore.auth.initiator import Initiator
from smbcore.client.negotiated import Offer
from smbcore.client.session import sign_in
from smbcore.nt.access import FILE_ALL_ACCESS
from smbcore.nt.create import FILE_OPEN, FILE_OPEN_IF
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_NONE
from smbcore.wire.create_contexts import (
    DURABLE_FLAG_PERSISTENT,
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    LeaseV2,
    wrap,
)
from tests.memory_server import PASSWORD, USER
from tests.protocol.steps import turn

CLIENT = b"client one".ljust(16, b".")
OTHER_CLIENT = b"client two".ljust(16, b".")
GUID = b"create guid".ljust(16, b".")
KEY = b"lease key".ljust(16, b".")
RWH = 7


async def connected(server, share="data", guid=CLIENT, user=USER, password=PASSWORD, **options):
    """A tree connect of the client that is known by `guid`."""
    dialects = options.pop("dialects", None)
    offer = Offer(dialects=dialects) if dialects else None
    raw = await server.negotiated(offer, client_guid=guid)
    raw = raw.as_session(await sign_in(raw.connection, Initiator(user, password), **options))
    return raw.on_tree((await raw.tree_connect(rf"\\server\{share}")).expect())


def request(v2=True, persistent=False, timeout=0, guid=GUID):
    if not v2:
        return wrap(DurableRequest())
    return wrap(DurableRequestV2(guid, timeout, DURABLE_FLAG_PERSISTENT if persistent else 0))


def reconnect(file_id, v2=True, persistent=False, guid=GUID):
    if not v2:
        return wrap(DurableReconnect(file_id))
    return wrap(DurableReconnectV2(file_id, guid, DURABLE_FLAG_PERSISTENT if persistent else 0))


def lease(key=KEY, state=RWH):
    return wrap(LeaseV2(key, state))


async def durable(raw, *, leased=False, name="file.txt", share=0, options=0, key=KEY, state=RWH, oplock=OPLOCK_BATCH,
                  access=FILE_ALL_ACCESS, disposition=FILE_OPEN_IF, how=None, **kind):  # fmt: skip
    """Ask for a durable open and return the response."""
    contexts = [request(**kind)]
    if leased:
        contexts.append(lease(key, state))
        oplock = OPLOCK_LEASE
    extra = {"how": how} if how else {}
    return await raw.create(
        name, access, disposition, options=options, share=share, oplock=oplock, contexts=contexts, **extra
    )


async def reclaimed(raw, file_id, *, leased=False, name="file.txt", key=KEY, **kind):
    """Ask for the open back and return the response; everything else in the request is nonsense."""
    contexts = [reconnect(file_id, **kind)]
    if leased:
        contexts.append(lease(key, 0))
    oplock = OPLOCK_LEASE if leased else OPLOCK_NONE
    return await raw.create(name, 0x12345, 0x42, share=0x77, oplock=oplock, contexts=contexts)


async def cut(raw):
    """The connection is lost."""
    raw.connection.close()
    await turn()


def granted(response, name):
    """Return the data of a response context, None if it is not there."""
    for context in response.body.contexts:
        if bytes(context.name) == name:
            return bytes(context.data)
    return None


async def plain(raw, name="file.txt", access=FILE_ALL_ACCESS, share=7, disposition=FILE_OPEN, **more):
    """An ordinary open by somebody else."""
    return await raw.create(name, access, disposition, share=share, **more)
