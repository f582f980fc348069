"""Whatever ends, and whatever a request waits for at that moment: it is answered once or its connection is gone, what
ended is gone, and nothing stays behind  [MS-SMB2 3.3.4.17 to 3.3.4.20, 3.3.5.6, 3.3.5.8, 3.3.5.10, 3.3.7.1].

Each request is stopped at every call of the store that it makes, one after the other; there, something ends.
"""

from __future__ import annotations

import gc

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.raw import RawClient
from smbcore.client.session import bind, sign_in
from smbcore.nt.access import FILE_ALL_ACCESS
from smbcore.nt.create import (
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OVERWRITE_IF,
    FILE_SUPERSEDE,
)
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import (
    FILE_ALLOCATION_INFORMATION,
    FILE_BASIC_INFORMATION,
    FILE_DISPOSITION_INFORMATION,
    FILE_END_OF_FILE_INFORMATION,
    FILE_ID_BOTH_DIRECTORY_INFORMATION,
    FILE_LINK_INFORMATION,
    FILE_RENAME_INFORMATION,
)
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import OPLOCK_BATCH
from smbcore.wire.create_contexts import DurableRequestV2, LeaseV2, wrap
from smbcore.wire.flush import FlushRequest
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.lock import LOCK_EXCLUSIVE, LockElement, LockRequest
from smbcore.wire.query_directory import QueryDirectoryRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.write import WriteRequest
from tests.memory_server import PASSWORD, USER
from tests.protocol.steps import ANY, SIGNED, Gate, create_request, lives, opened, turn

RENAME = bytes(16) + (18).to_bytes(4, "little") + "other.txt".encode("utf-16-le")
LEASED = [wrap(LeaseV2(b"key".ljust(16), 7)), wrap(DurableRequestV2(b"guid".ljust(16), 0, 0))]


def set_info(info_class, data):
    return lambda file_id, _: SetInfoRequest(1, info_class, file_id, data)


REQUESTS = {
    "create a file": lambda *_: create_request("new.txt", disposition=FILE_CREATE),
    "create a durable file": lambda *_: create_request(
        "new.txt", disposition=FILE_CREATE, oplock=0xFF, contexts=LEASED
    ),
    "create a folder": lambda *_: create_request("new", disposition=FILE_CREATE, options=FILE_DIRECTORY_FILE),
    "create to be deleted": lambda *_: create_request("new.txt", options=FILE_DELETE_ON_CLOSE),
    "create a stream": lambda *_: create_request("file.txt:more", disposition=FILE_CREATE),
    "open what somebody caches": lambda *_: create_request("cached.txt", disposition=FILE_OPEN),
    "open": lambda *_: create_request("file.txt", disposition=FILE_OPEN),
    "overwrite": lambda *_: create_request("file.txt", disposition=FILE_OVERWRITE_IF),
    "supersede": lambda *_: create_request("file.txt", disposition=FILE_SUPERSEDE),
    "close": lambda file_id, _: CloseRequest(file_id, 1),
    "flush": lambda file_id, _: FlushRequest(file_id),
    "read": lambda file_id, _: ReadRequest(file_id, 0, 100),
    "write": lambda file_id, _: WriteRequest(file_id, 5, b"more"),
    "write through": lambda file_id, _: WriteRequest(file_id, 5, b"more", flags=1),
    "resume key": lambda file_id, _: IoctlRequest(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id, b"", 100),
    "sparse": lambda file_id, _: IoctlRequest(fsctl.FSCTL_SET_SPARSE, file_id, b"\1", 0),
    "zeros": lambda file_id, _: IoctlRequest(fsctl.FSCTL_SET_ZERO_DATA, file_id, bytes(8) + b"\4" + bytes(7), 0),
    "list": lambda _, folder: QueryDirectoryRequest(FILE_ID_BOTH_DIRECTORY_INFORMATION, folder, "*", 1000),
    "query": lambda file_id, _: QueryInfoRequest(2, 3, file_id, 1000),
    "times": set_info(FILE_BASIC_INFORMATION, bytes(40)),
    "end of file": set_info(FILE_END_OF_FILE_INFORMATION, (3).to_bytes(8, "little")),
    "allocation": set_info(FILE_ALLOCATION_INFORMATION, (1 << 16).to_bytes(8, "little")),
    "rename": set_info(FILE_RENAME_INFORMATION, RENAME),
    "link": set_info(FILE_LINK_INFORMATION, RENAME),
    "deletion": set_info(FILE_DISPOSITION_INFORMATION, b"\1"),
    "lock": lambda file_id, _: LockRequest(file_id, [LockElement(300, 1, LOCK_EXCLUSIVE)]),
    "lock that is held": lambda file_id, _: LockRequest(file_id, [LockElement(200, 1, LOCK_EXCLUSIVE)]),
    "watch": lambda _, folder: ChangeNotifyRequest(folder, 1000, 0x40),
}


class Scene:
    """A client with a file and a folder, a second channel of its session, and a store that stops where it is told."""

    def __init__(self, make):
        self.faults = Schedule()
        self.server = make(backend=lambda clock: FaultyBackend(MemoryBackend(clock), self.faults))

    async def prepare(self):
        self.other = await self.server.tree()
        held = await opened(self.other)
        (await self.other.lock(held, [LockElement(200, 1, LOCK_EXCLUSIVE)])).expect()
        await opened(self.other, "cached.txt", oplock=OPLOCK_BATCH)
        self.raw = await self.server.tree()
        self.file_id = await opened(self.raw)
        (await self.raw.write(self.file_id, 0, b"x" * 20)).expect()
        self.folder = await opened(self.raw, "", FILE_ALL_ACCESS, FILE_OPEN)
        self.session = self.server.server.sessions[self.raw.session.session_id]

    async def bind(self):
        """Make a second channel of the session."""
        second = await self.server.negotiated(client_guid=self.raw.connection.client_guid)
        await bind(second.connection, self.raw.session, Initiator(USER, PASSWORD))
        self.second = RawClient(second.connection, self.raw.session, self.raw.tree_id)

    async def everybody_goes(self):
        for client in self.server.clients:
            client.close()
        await turn(60)
        for away in list(self.server.server.disconnected):
            await away.close_now()
        await self.server.server.drain()
        await turn()

    def check_empty(self):
        """Nothing of anybody is left."""
        server = self.server.server
        left = {
            name: value
            for name in ("opens", "trees", "sessions", "sessions_by_key", "connections", "_tasks", "_requests")
            if (value := getattr(server, name))
        }
        volume = self.server.volumes["data"]
        left |= {name: value for name, value in (("files", volume.opens), ("states", volume.table._files)) if value}
        assert not left
        tables = (
            server.leases._leases, server.disconnected._by_key, server.index._creates, server.index._pending,
            server.allowance._clients, server.allowance._users, server.admission._sign_ins, server.admission._arrivals,
        )  # fmt: skip
        assert not any(tables)


async def end_open(scene):
    return (await scene.raw.begin(CloseRequest(scene.file_id))).final


async def end_tree(scene):
    from smbcore.wire.tree_disconnect import TreeDisconnectRequest

    return (await scene.raw.begin(TreeDisconnectRequest())).final


async def end_session(scene):
    from smbcore.wire.logoff import LogoffRequest

    return (await scene.raw.begin(LogoffRequest())).final


async def end_session_elsewhere(scene):
    """LOGOFF on the other channel."""
    from smbcore.wire.logoff import LogoffRequest

    return (await scene.second.begin(LogoffRequest(), SIGNED)).final


async def end_by_administrator(scene):
    scene.session.end(for_good=True)


async def end_by_successor(scene):
    """The client comes back, and names the session as the one that it had before."""
    raw = await scene.server.negotiated()
    await sign_in(raw.connection, Initiator(USER, PASSWORD), previous_session_id=scene.raw.session.session_id)
    raw.connection.close()


async def end_channel(scene):
    scene.raw.connection.close()


async def end_every_channel(scene):
    scene.raw.connection.close()
    scene.second.connection.close()


async def end_wait(scene):
    await scene.raw.cancel(scene.pending)


async def end_many_times(scene):
    """CANCEL, as often as the client likes."""
    for _ in range(50):
        await scene.raw.cancel(scene.pending)


ENDS = {
    end.__name__: end
    for end in (
        end_open,
        end_tree,
        end_session,
        end_session_elsewhere,
        end_by_administrator,
        end_by_successor,
        end_channel,
        end_every_channel,
        end_wait,
        end_many_times,
    )  # fmt: skip
}
ON_TWO_CHANNELS = ("end_session_elsewhere", "end_by_administrator", "end_channel", "end_every_channel")
MOST_CALLS = 60
WITHOUT_A_WAIT = (
    "close", "deletion", "lock", "lock that is held", "query", "resume key", "sparse", "times", "watch",
)  # fmt: skip


async def at_every_call(make, caplog, name, end, **around):
    """Let something end at each call that the request makes, each time in a scene of its own.

    Returns how many of the calls could be stopped.
    """
    stopped = 0
    for number in range(MOST_CALLS):
        scene = Scene(make)
        await scene.prepare()
        if end in ON_TWO_CHANNELS:
            await scene.bind()
        reached = await one(scene, REQUESTS[name], ENDS[end], number, **around)
        await scene.everybody_goes()
        scene.check_empty()
        stopped += reached
        if not reached and number >= scene.seen:
            break
    else:
        pytest.fail("a request that makes that many calls")
    await lives(scene.server)
    gc.collect()  # a task that failed without anybody knowing says so now
    assert not [record for record in caplog.records if record.name == "asyncio"]
    return stopped


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", REQUESTS)
async def test_what_ends_while_a_request_waits(make, name, end, caplog):
    stopped = await at_every_call(make, caplog, name, end)
    assert bool(stopped) == (name not in WITHOUT_A_WAIT)


IN_COMPOUNDS = (
    "create a durable file",
    "open what somebody caches",
    "overwrite",
    "write",
    "rename",
    "lock that is held",
)


@pytest.mark.parametrize("end", ["end_open", "end_session", "end_channel", "end_many_times"])
@pytest.mark.parametrize("position", ["first", "middle", "last"])
@pytest.mark.parametrize("name", IN_COMPOUNDS)
async def test_what_ends_while_a_member_of_a_compound_waits(make, name, position, end, caplog):
    around = {
        "first": {"behind": [QueryInfoRequest(1, 4, ANY, 100), CloseRequest(ANY)]},
        "middle": {"before": [create_request("before.txt")], "behind": [CloseRequest(ANY)]},
        "last": {"before": [create_request("before.txt"), WriteRequest(ANY, 0, b"x")]},
    }
    await at_every_call(make, caplog, name, end, **around[position])


async def one(scene, request, end, number, before=(), behind=()):
    """Stop the request at its call `number`, end something there, and go on; tell whether the call was one that waits.

    before, behind  what else is in its compound
    """
    stop = Gate()
    calls = scene.faults.calls.total()
    scene.faults.hold("*", stop, after=number)
    body = request(scene.file_id, scene.folder)
    sent = await scene.raw.begin_compound(*before, body, *behind)
    scene.pending = pending = sent[len(before)]
    await turn()
    scene.seen = scene.faults.calls.total() - calls
    ending = await end(scene)
    await turn()
    scene.faults.clear()
    stop.set()
    await turn(60)
    if ending is not None:
        assert ending.done()
        assert ending.exception() is None
    if end is end_open and isinstance(pending.request.body, ChangeNotifyRequest):
        assert not pending.final.done()  # it is another handle that was closed
        await scene.raw.cancel(pending)
        await turn()
    if not pending.final.done():  # who caches does not answer, and goes
        scene.other.connection.close()
        await turn(60)
    assert all(item.final.done() for item in sent)
    return stop.reached
