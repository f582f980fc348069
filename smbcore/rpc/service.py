"""What a service on a pipe is: an interface and a table of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from smbcore.nt import guid
from smbcore.nt.errors import WireError
from smbcore.rpc.context import PipeContext
from smbcore.rpc.ndr import NdrReader, NdrWriter
from smbcore.rpc.pdu import FaultCode, Syntax

MAX_HANDLES: Final = 256
_HANDLE_SIZE: Final = 20
T = TypeVar("T")


class RpcFault(Exception):
    """The call is answered by a fault PDU with this status."""

    def __init__(self, status: int, why: str = "") -> None:
        super().__init__(why or f"fault {status:#x}")
        self.status = status


class HandleTable:
    """Context handles that one pipe's client holds; gone with the pipe.

    A handle is 20 bytes on the wire: 4 of attributes and a GUID  [C706 14.2.16.6].
    """

    __slots__ = ("_objects",)

    def __init__(self) -> None:
        self._objects: dict[bytes, object] = {}

    def add(self, thing: object) -> bytes:
        """Return a new handle for `thing`. Raises RpcFault when the pipe holds too many."""
        if len(self._objects) >= MAX_HANDLES:
            raise RpcFault(FaultCode.REMOTE_NO_MEMORY, "too many context handles")
        handle = bytes(4) + guid.new_guid()
        self._objects[handle] = thing
        return handle

    def get(self, handle: bytes, kind: type[T]) -> T:
        """Return what `handle` stands for. Raises RpcFault if it is not a `kind`."""
        thing = self._objects.get(handle)
        if not isinstance(thing, kind):
            raise RpcFault(FaultCode.CONTEXT_MISMATCH, f"no {kind.__name__} handle")
        return thing

    def close(self, handle: bytes) -> bool:
        """Forget `handle`; False if it was not known."""
        return self._objects.pop(handle, None) is not None


@dataclass(slots=True)
class Call:
    """One request being carried out."""

    context: PipeContext
    handles: HandleTable
    read: NdrReader
    write: NdrWriter = field(default_factory=NdrWriter)

    def read_handle(self) -> bytes:
        """Read a context handle."""
        self.read.align(4)
        return bytes(self.read.raw(_HANDLE_SIZE))

    def write_handle(self, handle: bytes | None) -> None:
        """Write a context handle; None is the null handle."""
        self.write.align(4)
        self.write.raw(handle or bytes(_HANDLE_SIZE))


Operation = Callable[[Call], None]


@dataclass(frozen=True, slots=True)
class Service:
    """An interface: its pipe's name (lower case), its syntax, its operations by number."""

    pipe: str
    interface: Syntax
    operations: Mapping[int, Operation]

    def carry_out(self, opnum: int, call: Call) -> bytes:
        """Run one operation and return its stub data. Raises RpcFault."""
        operation = self.operations.get(opnum)
        if operation is None:
            raise RpcFault(FaultCode.OP_RANGE_ERROR, f"{self.pipe} has no operation {opnum}")
        try:
            operation(call)
        except WireError as error:
            raise RpcFault(FaultCode.BAD_STUB_DATA, str(error)) from error
        return call.write.bytes()
