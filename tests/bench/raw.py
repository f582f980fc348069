"""A small, fast SMB 3.1.1 client on a blocking socket, the same for every server that is measured.

It says exactly what it is told, checks statuses, and does nothing else. Signing is AES-GMAC, encryption
AES-128-GCM; requests of a pipeline are sent before their replies are awaited.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct, pack, unpack_from

import spnego
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NEGOTIATE, SESSION_SETUP, TREE_CONNECT, CREATE, CLOSE = 0, 1, 3, 5, 6
READ, WRITE, ECHO, QUERY_DIRECTORY, QUERY_INFO = 8, 9, 13, 14, 16
SIGNED, RELATED = 0x8, 0x4
SUCCESS, PENDING, MORE_PROCESSING, NO_MORE_FILES = 0, 0x103, 0xC000_0016, 0x8000_0006
NAME_NOT_FOUND = 0xC000_0034
RELATED_ID = b"\xff" * 16

HEADER = Struct("<4sHHIHHIIQIIQ16s")
_TRANSFORM = Struct("<4s16s16sIHHQ")
_UNIT = 65536


class BenchError(Exception):
    """The server answered what the bench did not expect."""


@dataclass
class Reply:
    """One response: status and the whole message, header included."""

    status: int
    message: memoryview


def _derive(key: bytes, label: bytes, context: bytes) -> bytes:
    """SP800-108 in counter mode with HMAC-SHA256, 128 bits  [MS-SMB2 3.1.4.2]."""
    return hmac.digest(key, b"\0\0\0\1" + label + b"\0" + context + pack(">I", 128), "sha256")[:16]


class RawClient:
    """One connection, one session, one tree.

    mode  "plain", "signed" or "sealed": what requests after the tree connect are
    """

    def __init__(self, address: tuple[str, int], mode: str = "plain") -> None:
        self.socket = socket.create_connection(address, 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.mode = mode
        self.message_id = 0
        self.session_id = 0
        self.tree_id = 0
        self._preauth = bytes(64)
        self._signer: AESGCM | None = None
        self._sealer: AESGCM | None = None
        self._unsealer: AESGCM | None = None
        self._nonce = 0
        self._buffer = bytearray()
        self._replies: list[Reply] = []

    def close(self) -> None:
        """Drop the connection."""
        self.socket.close()

    # -- messages --------------------------------------------------------------------

    def header(self, command: int, flags: int = 0, charge: int = 1) -> bytes:
        """Return the header of the next request; its message id is used up."""
        data = HEADER.pack(
            b"\xfeSMB",
            64,
            charge,
            0,
            command,
            256,
            flags,
            0,
            self.message_id,
            0,
            self.tree_id,
            self.session_id,
            bytes(16),
        )
        self.message_id += charge
        return data

    def request(self, command: int, body: bytes, size: int = 0) -> bytes:
        """Return one request; `size` is its payload or the payload it asks for, in bytes."""
        charge = max(1, -(-size // _UNIT))
        return self.header(command, charge=charge) + body

    def chain(self, parts: Sequence[tuple[int, bytes]]) -> bytes:
        """Return a compound of related requests, every part but the last padded to 8."""
        messages = []
        for number, (command, body) in enumerate(parts):
            message = bytearray(self.header(command, RELATED if number else 0) + body)
            if number < len(parts) - 1:
                message += bytes(-len(message) % 8)
                message[20:24] = pack("<I", len(message))
            messages.append(bytes(message))
        return b"".join(messages)

    def frame(self, message: bytes, *, sign: bool | None = None) -> bytes:
        """Return the message as it goes on the wire, signed or sealed as the mode says."""
        if self.mode == "sealed" and self._sealer is not None and sign is None:
            return self._seal(message)
        if sign or (sign is None and self.mode == "signed"):
            message = self._sign(message)
        return pack(">I", len(message)) + message

    def _sign(self, frame: bytes) -> bytes:
        assert self._signer is not None
        signed, start = bytearray(frame), 0
        while True:
            length = unpack_from("<I", signed, start + 20)[0]
            end = start + length if length else len(signed)
            flags = unpack_from("<I", signed, start + 16)[0] | SIGNED
            signed[start + 16 : start + 20] = pack("<I", flags)
            nonce = bytes(signed[start + 24 : start + 32]) + bytes(4)
            signed[start + 48 : start + 64] = self._signer.encrypt(nonce, b"", bytes(signed[start:end]))
            if not length:
                return bytes(signed)
            start = end

    def _seal(self, message: bytes) -> bytes:
        assert self._sealer is not None
        self._nonce += 1
        nonce = pack("<QI", self._nonce, 0)
        head = _TRANSFORM.pack(b"\xfdSMB", bytes(16), nonce + bytes(4), len(message), 0, 1, self.session_id)
        sealed = self._sealer.encrypt(nonce, message, head[20:])
        frame = head[:4] + sealed[-16:] + head[20:] + sealed[:-16]
        return pack(">I", len(frame)) + frame

    def send(self, message: bytes, *, sign: bool | None = None) -> None:
        """Send one message or compound."""
        self.socket.sendall(self.frame(message, sign=sign))

    def receive(self) -> Reply:
        """Return the next response; interim ones are skipped."""
        while True:
            while not self._replies:
                self._fill()
            reply = self._replies.pop(0)
            if reply.status != PENDING:
                return reply

    def _fill(self) -> None:
        frame = self._read_frame()
        if frame[:4] == b"\xfdSMB":
            assert self._unsealer is not None
            head = bytes(frame[:52])
            frame = memoryview(self._unsealer.decrypt(head[20:32], bytes(frame[52:]) + head[4:20], head[20:]))
        start = 0
        while True:
            following = unpack_from("<I", frame, start + 20)[0]
            end = start + following if following else len(frame)
            part = frame[start:end]
            self._replies.append(Reply(unpack_from("<I", part, 8)[0], part))
            if not following:
                return
            start = end

    def _read_frame(self) -> memoryview:
        head = self._read(4)
        return memoryview(self._read(int.from_bytes(head, "big") & 0xFF_FFFF))

    def _read(self, count: int) -> bytearray:
        data = bytearray(count)
        view, have = memoryview(data), 0
        while have < count:
            got = self.socket.recv_into(view[have:])
            if not got:
                msg = "the server closed the connection"
                raise BenchError(msg)
            have += got
        return data

    def call(self, command: int, body: bytes, size: int = 0, accept: Sequence[int] = (SUCCESS,)) -> Reply:
        """Send one request and return its response. Raises BenchError for other statuses."""
        self.send(self.request(command, body, size))
        return self.check(self.receive(), accept)

    @staticmethod
    def check(reply: Reply, accept: Sequence[int] = (SUCCESS,)) -> Reply:
        """Return the reply if its status is one of `accept`. Raises BenchError."""
        if reply.status not in accept:
            command = unpack_from("<H", reply.message, 12)[0]
            msg = f"command {command}: status {reply.status:#010x}"
            raise BenchError(msg)
        return reply

    def pipeline(self, make: Callable[[], bytes], count: int, depth: int) -> None:
        """Keep `depth` requests under way until `count` are answered."""
        sent = 0
        for _ in range(min(depth, count)):
            self.send(make())
            sent += 1
        for _ in range(count):
            self.check(self.receive())
            if sent < count:
                self.send(make())
                sent += 1

    # -- connecting --------------------------------------------------------------------

    def connect(self, user: str, password: str, share: str) -> None:
        """Negotiate, sign in with NTLMv2, connect the tree."""
        self._negotiate()
        self._sign_in(user, password)
        path = f"\\\\127.0.0.1\\{share}".encode("utf-16-le")
        message = self.request(TREE_CONNECT, pack("<HHHH", 9, 0, 72, len(path)) + path)
        self.send(message, sign=None if self.mode == "sealed" else True)
        reply = self.check(self.receive())
        self.tree_id = unpack_from("<I", reply.message, 36)[0]

    def _exchange(self, message: bytes, accept: Sequence[int]) -> Reply:
        self._hash(message)
        self.socket.sendall(pack(">I", len(message)) + message)
        return self.check(self.receive(), accept)

    def _hash(self, message: bytes | memoryview) -> None:
        self._preauth = hashlib.sha512(self._preauth + bytes(message)).digest()

    def _negotiate(self) -> None:
        contexts = b""
        bodies = ((1, pack("<HHH", 1, 32, 1) + os.urandom(32)), (2, pack("<HH", 1, 2)), (8, pack("<HH", 1, 2)))
        for number, (kind, data) in enumerate(bodies):
            contexts += pack("<HHI", kind, len(data), 0) + data
            if number < len(bodies) - 1:
                contexts += bytes(-len(contexts) % 8)
        body = pack("<HHHHI", 36, 1, 1, 0, 0x44) + os.urandom(16) + pack("<IHH", 104, len(bodies), 0)
        body += pack("<H", 0x0311) + bytes(2)
        reply = self._exchange(self.header(NEGOTIATE) + body + contexts, (SUCCESS,))
        self._hash(reply.message)
        if unpack_from("<H", reply.message, 64 + 4)[0] != 0x0311:
            msg = "the server does not speak SMB 3.1.1"
            raise BenchError(msg)

    def _sign_in(self, user: str, password: str) -> None:
        context = spnego.client(user, password, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        token, reply = context.step(), None
        while token is not None:
            body = pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, len(token), 0) + token
            reply = self._exchange(self.header(SESSION_SETUP) + body, (SUCCESS, MORE_PROCESSING))
            self.session_id = unpack_from("<Q", reply.message, 40)[0]
            if reply.status == SUCCESS:
                break
            self._hash(reply.message)
            offset, length = unpack_from("<HH", reply.message, 68)
            token = context.step(bytes(reply.message[offset : offset + length]))
        key = context.session_key[:16]
        self._signer = AESGCM(_derive(key, b"SMBSigningKey\0", self._preauth))
        self._sealer = AESGCM(_derive(key, b"SMBC2SCipherKey\0", self._preauth))
        self._unsealer = AESGCM(_derive(key, b"SMBS2CCipherKey\0", self._preauth))


# -- request bodies --------------------------------------------------------------------------


def create_context(name: bytes, data: bytes, *, last: bool) -> bytes:
    """Return one create context."""
    body = name + bytes(4)
    if data:
        body += data
    head = pack("<HHHHI", 16, 4, 0, 24 if data else 0, len(data))
    size = 4 + len(head) + len(body)
    return pack("<I", 0 if last else size + -size % 8) + head + body + (b"" if last else bytes(-size % 8))


def create_body(  # noqa: PLR0913 - the members of the request
    name: str,
    *,
    access: int = 0x0012_019F,
    disposition: int = 1,
    options: int = 0,
    contexts: Sequence[tuple[bytes, bytes]] = (),
    oplock: int = 0,
) -> bytes:
    """Return the body of a CREATE; `disposition` FILE_OPEN unless told."""
    raw = name.encode("utf-16-le")
    blob = b"".join(
        create_context(kind, data, last=number == len(contexts) - 1) for number, (kind, data) in enumerate(contexts)
    )
    padded = raw + bytes(-len(raw) % 8) if blob else raw or bytes(2)
    where = 120 + len(padded) if blob else 0
    fixed = pack(
        "<HBBIQQIIIIIHHII",
        57,
        0,
        oplock,
        2,
        0,
        0,
        access,
        0x80,
        7,
        disposition,
        options,
        120,
        len(raw),
        where,
        len(blob),
    )
    return fixed + padded + blob


def close_body(file_id: bytes) -> bytes:
    """Return the body of a CLOSE that asks for no attributes."""
    return pack("<HHI", 24, 0, 0) + file_id


def read_body(file_id: bytes, length: int, offset: int) -> bytes:
    """Return the body of a READ."""
    return pack("<HBBIQ", 49, 0x50, 0, length, offset) + file_id + pack("<IIIHH", 0, 0, 0, 0, 0) + b"\0"


def write_body(file_id: bytes, data: bytes, offset: int) -> bytes:
    """Return the body of a WRITE."""
    return pack("<HHIQ", 49, 112, len(data), offset) + file_id + pack("<IIHHI", 0, 0, 0, 0, 0) + data


def query_info_body(file_id: bytes, info_class: int, length: int = 4096) -> bytes:
    """Return the body of a QUERY_INFO for a file information class."""
    return pack("<HBBIHHIII", 41, 1, info_class, length, 0, 0, 0, 0, 0) + file_id + b"\0"


def query_directory_body(file_id: bytes, *, restart: bool, length: int = 65536) -> bytes:
    """Return the body of a QUERY_DIRECTORY for every entry, FileIdBothDirectoryInformation."""
    pattern = "*".encode("utf-16-le")
    return pack("<HBBI", 33, 37, 1 if restart else 0, 0) + file_id + pack("<HHI", 96, len(pattern), length) + pattern


def file_id_of(reply: Reply) -> bytes:
    """Return the file id of a CREATE response."""
    return bytes(reply.message[64 + 64 : 64 + 80])
