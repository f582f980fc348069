"""A whole server connection is fed with what nobody should send: it answers or drops, and nothing else happens."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from contextlib import contextmanager

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.negotiated import Offer
from smbcore.nt.access import FILE_ALL_ACCESS
from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN_IF
from smbcore.nt.info.file import EndOfFileInformation
from smbcore.nt.info.fsctl import (
    FSCTL_QUERY_ALLOCATED_RANGES,
    FSCTL_SET_ZERO_DATA,
    FSCTL_SRV_COPYCHUNK,
    CopyChunk,
    CopyChunkRequest,
    ZeroData,
)
from smbcore.nt.info.rename import RenameInformation
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import SecurityDescriptor
from smbcore.proto.compound import link
from smbcore.server.config import Limits
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import CreateContext, CreateRequest
from smbcore.wire.create_contexts import LeaseV2, MaximalAccessRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.flush import FlushRequest
from smbcore.wire.header import FLAG_RELATED, Header, Opcode
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.lock import LockElement, LockRequest
from smbcore.wire.negotiate import NegotiateRequest
from smbcore.wire.oplock_break import LeaseBreakAcknowledgment, OplockBreakAcknowledgment
from smbcore.wire.query_directory import QueryDirectoryRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.session_setup import SessionSetupRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.smb1 import MultiProtocolNegotiate
from smbcore.wire.tree_connect import TreeConnectRequest
from smbcore.wire.write import WriteRequest
from tests.memory_server import make_server

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
REPLY_LIMIT = 4 << 20
PROFILE = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
LEASE = CreateContext(b"RqLs", LeaseV2(b"k" * 16, 7).encode())
MXAC = CreateContext(b"MxAc", MaximalAccessRequest().encode())


def templates(file_id: bytes, directory: bytes) -> list[tuple[int, bytes]]:
    """Valid requests of every kind, as (command, body)."""
    descriptor: SecurityDescriptor = from_sddl("O:BAG:BAD:(A;;FA;;;WD)")
    chunks = CopyChunkRequest(file_id + bytes(8), [CopyChunk(0, 10, 10)]).encode()
    return [
        (Opcode.NEGOTIATE, NegotiateRequest(1, 0x7F, bytes(16), [0x0202, 0x0311], Offer()._contexts()).encode()),
        (Opcode.SESSION_SETUP, SessionSetupRequest(Initiator("alice", "wonderland").step(None)).encode()),
        (Opcode.TREE_CONNECT, TreeConnectRequest(r"\\server\data").encode()),
        (Opcode.TREE_CONNECT, TreeConnectRequest(r"\\server\IPC$").encode()),
        (Opcode.TREE_DISCONNECT, b"\x04\0\0\0"),
        (Opcode.LOGOFF, b"\x04\0\0\0"),
        (Opcode.ECHO, EchoRequest().encode()),
        (Opcode.CANCEL, b"\x04\0\0\0"),
        (Opcode.CREATE, CreateRequest(9, 2, FILE_ALL_ACCESS, 0, 7, FILE_OPEN_IF, 0, "new\\name:stream").encode()),
        (Opcode.CREATE, CreateRequest(0xFF, 2, FILE_ALL_ACCESS, 0, 7, 3, 0, "leased", [LEASE, MXAC]).encode()),
        (Opcode.CREATE, CreateRequest(0, 2, FILE_ALL_ACCESS, 0, 0, 5, 0x1000, "file").encode()),
        (Opcode.CLOSE, CloseRequest(file_id, 1).encode()),
        (Opcode.FLUSH, FlushRequest(file_id).encode()),
        (Opcode.READ, ReadRequest(file_id, 0, 1000).encode()),
        (Opcode.WRITE, WriteRequest(file_id, 5, b"some data").encode()),
        (Opcode.LOCK, LockRequest(file_id, [LockElement(0, 10, 2), LockElement(20, 5, 0x11)]).encode()),
        (Opcode.LOCK, LockRequest(file_id, [LockElement(0, 10, 4)]).encode()),
        (Opcode.IOCTL, IoctlRequest(FSCTL_SRV_COPYCHUNK, file_id, chunks, 100).encode()),
        (Opcode.IOCTL, IoctlRequest(FSCTL_SET_ZERO_DATA, file_id, ZeroData(1, 5).encode(), 0).encode()),
        (Opcode.IOCTL, IoctlRequest(FSCTL_QUERY_ALLOCATED_RANGES, file_id, bytes(16), 1000).encode()),
        (Opcode.QUERY_DIRECTORY, QueryDirectoryRequest(37, directory, "*", 5000).encode()),
        (Opcode.CHANGE_NOTIFY, ChangeNotifyRequest(directory, 1000, 0xFFF, 1).encode()),
        *((Opcode.QUERY_INFO, QueryInfoRequest(1, number, file_id, 2000).encode()) for number in range(4, 70, 6)),
        *((Opcode.QUERY_INFO, QueryInfoRequest(2, number, file_id, 2000).encode()) for number in (1, 3, 5, 7, 8, 11)),
        (Opcode.QUERY_INFO, QueryInfoRequest(3, 0, file_id, 2000, 7).encode()),
        (Opcode.SET_INFO, SetInfoRequest(1, 20, file_id, EndOfFileInformation(100).encode()).encode()),
        (Opcode.SET_INFO, SetInfoRequest(1, 10, file_id, RenameInformation("renamed", 1).encode()).encode()),
        (Opcode.SET_INFO, SetInfoRequest(1, 13, file_id, b"\1").encode()),
        (Opcode.SET_INFO, SetInfoRequest(1, 4, file_id, bytes(40)).encode()),
        (Opcode.SET_INFO, SetInfoRequest(3, 0, file_id, descriptor.encode(), 4).encode()),
        (Opcode.OPLOCK_BREAK, OplockBreakAcknowledgment(1, file_id).encode()),
        (Opcode.OPLOCK_BREAK, LeaseBreakAcknowledgment(b"k" * 16, 1).encode()),
    ]


KINDS = len(templates(bytes(16), bytes(16)))
byte_changes = st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), max_size=4)
word_changes = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0xFFFF])), max_size=2
)
requests = st.fixed_dictionaries({
    "kind": st.integers(0, KINDS - 1),
    "bytes": byte_changes,
    "words": word_changes,
    "cut": st.integers(0, 40),
    "tail": st.binary(max_size=20),
    "header": st.just([]) | byte_changes,
    "related": st.booleans(),
    "joined": st.booleans(),
})  # fmt: skip


def mutated(body: bytes, request) -> bytes:
    """Apply the changes to a body."""
    data = bytearray(body)
    for offset, value in request["words"]:
        at = offset * 2
        if at + 4 <= len(data):
            struct.pack_into("<I", data, at, value)
    for offset, value in request["bytes"]:
        if offset < len(data):
            data[offset] = value
    if request["cut"] > 30:
        del data[len(data) * (request["cut"] - 30) // 11 :]
    return bytes(data + request["tail"])


@contextmanager
def no_tracebacks():
    """Fail on anything that the server logs as its own mistake."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = records.append
    watched = [logging.getLogger("smbcore"), logging.getLogger("asyncio")]
    for logger in watched:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in watched:
            logger.removeHandler(handler)
    for record in records:
        if record.exc_info and record.exc_info[1] is not None:
            raise AssertionError(record.getMessage()) from record.exc_info[1]
    assert not records, [record.getMessage() for record in records]


async def turn(times=6):
    for _ in range(times):
        await asyncio.sleep(0)


async def finished(server):
    """The connection under test ends, everything of it goes, and the next client is served."""
    await turn()
    await server.server.drain()
    assert not server.server.connections
    assert not server.server.sessions
    assert not server.server.trees
    assert not server.server.opens
    assert not server.server.leases._leases
    for volume in server.volumes.values():
        assert not volume.opens
    raw = await server.tree()
    (await raw.create("next", FILE_ALL_ACCESS, FILE_OPEN_IF)).expect()
    await server.close()


async def signed_in(sequence, share):
    """Send mutated requests over a connection that is signed in, sealed on an encrypted share."""
    server = make_server(limits=Limits(opens_per_session=50, pending_per_connection=20))
    raw = await server.tree(share)
    await raw.echo(How(credits=1000))
    file_id = (await raw.create("file", FILE_ALL_ACCESS, FILE_OPEN_IF)).expect().body.file_id
    directory = (
        (await raw.create("d", FILE_ALL_ACCESS, FILE_OPEN_IF, options=FILE_DIRECTORY_FILE)).expect().body.file_id
    )
    connection, transport = raw.connection, raw.connection._transport
    received = []
    transport.on_frame = lambda frame: received.append(len(frame))
    message_id = connection.next_message_id
    known = templates(file_id, directory)
    frame: list[bytearray] = []
    for request in sequence:
        command, body = known[request["kind"]]
        flags = FLAG_RELATED if request["related"] and frame else 0
        header = Header(
            command=command, message_id=message_id, credit_charge=1, credits=3, flags=flags, tree_id=raw.tree_id,
            session_id=raw.session.session_id,
        )  # fmt: skip
        head = bytearray(header.encode())
        for offset, value in request["header"]:
            head[offset % 64] = value
        message_id += 1 if command != Opcode.CANCEL else 0
        frame.append(head + mutated(body, request))
        if request["joined"]:
            continue
        send(raw, frame)
        frame = []
        await turn()
    if frame:
        send(raw, frame)
        await turn()
    assert sum(received) <= REPLY_LIMIT
    assert len(server.server.opens) <= 50
    connection.close()
    await finished(server)


def send(raw, frame):
    link(frame)
    data = raw.session.sealer.seal(frame) if raw.seal else b"".join(frame)
    raw.connection.send_bytes(data)


@PROFILE
@given(st.lists(requests, min_size=1, max_size=12), st.sampled_from(["data", "secret"]))
def test_mutated_requests_of_a_signed_in_client(sequence, share):
    with no_tracebacks():
        asyncio.run(signed_in(sequence, share))


async def fresh(chunks, framed):
    """Send bytes to a connection that has said nothing yet."""
    server = make_server()
    link_end, connection = server.attach()
    received = []
    link_end.start(lambda frame: received.append(len(frame)), lambda _error: None)
    for chunk in chunks:
        link_end.write([len(chunk).to_bytes(4, "big") + chunk] if framed else [chunk])
        await turn(3)
    assert sum(received) <= REPLY_LIMIT
    link_end.close()
    await finished(server)


def early(kind: int) -> bytes:
    command, body = templates(bytes(16), bytes(16))[kind]
    return Header(command=command, credits=10).encode() + body


first_messages = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda tail: b"\xfeSMB\x40\0" + tail, st.binary(max_size=200)),
    st.builds(lambda tail: b"\xfdSMB" + tail, st.binary(max_size=200)),
    st.builds(lambda tail: b"\xffSMB\x72" + tail, st.binary(max_size=200)),
    st.builds(
        lambda names: MultiProtocolNegotiate(names).encode(), st.lists(st.sampled_from(["SMB 2.???", "SMB 2.002", "x"]))
    ),
    st.builds(
        lambda kind, changes: bytes(_changed(early(kind), changes)),
        st.integers(0, 1),
        st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), max_size=3),
    ),
)


def _changed(message: bytes, changes) -> bytearray:
    data = bytearray(message)
    for offset, value in changes:
        data[offset % len(data)] = value
    return data


@PROFILE
@given(st.lists(first_messages, min_size=1, max_size=5))
def test_first_messages_of_anybody(messages):
    with no_tracebacks():
        asyncio.run(fresh(messages, framed=True))


@PROFILE
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_bytes_that_are_not_even_frames(chunks):
    with no_tracebacks():
        asyncio.run(fresh(chunks, framed=False))


def test_mistakes_of_the_server_are_noticed(caplog):
    """The watch itself works: a handler that fails unexpectedly is found."""
    try:
        with no_tracebacks():
            logging.getLogger("smbcore.server.dispatch").error("command failed", exc_info=KeyError("bug"))
    except AssertionError:
        return
    raise AssertionError("not noticed")
