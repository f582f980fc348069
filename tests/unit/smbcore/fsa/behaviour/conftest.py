"""A volume to test on, over each backend, and a short way to use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from smbcore.fsa.api import BreakNotice, Caching, LockElement, OpenParameters, OplockGrant, OplockLevel, VolumeConfig
from smbcore.fsa.backend import Backend
from smbcore.fsa.open import Open
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file, rename
from smbcore.nt.info.directory import decode_entries
from smbcore.nt.sddl import from_sddl
from smbcore.nt.sid import EVERYONE, Sid
from smbcore.nt.status import NtError
from smbcore.nt.token import Token
from smbcore.vfs.memory import MemoryBackend
from smbcore.vfs.posix.backend import PosixBackend

T = TypeVar("T")

ALL = 0x001F_01FF
EVERYBODY = from_sddl("O:BAG:BAD:(A;OICI;FA;;;WD)").encode()
ALICE = Token(Sid.parse("S-1-5-21-1-2-3-1000"), frozenset({EVERYONE}), name="alice")
BOB = Token(Sid.parse("S-1-5-21-1-2-3-1001"), frozenset({EVERYONE}), name="bob")


class Listener:
    """A holder of oplocks that writes down what it is told."""

    def __init__(self) -> None:
        self.notices: list[BreakNotice] = []
        self.timed_out = 0

    def oplock_broken(self, notice: BreakNotice) -> None:
        self.notices.append(notice)

    def caching_changed(self) -> None:
        """Nothing is noted anywhere."""

    def break_timed_out(self) -> None:
        self.timed_out += 1

    def last(self) -> tuple[str, str, bool]:
        """Return what the only notice since the last call said: "RWH", "R", acknowledge."""
        assert len(self.notices) == 1, self.notices
        notice = self.notices.pop()
        return letters(notice.old_caching), letters(notice.new_caching), notice.acknowledge


def letters(caching: int) -> str:
    return "".join(letter for bit, letter in ((1, "R"), (4, "W"), (2, "H")) if caching & bit)


def caching_of(text: str) -> Caching:
    return Caching(sum({"R": 1, "H": 2, "W": 4}[letter] for letter in text))


class Lab:
    """A volume and what tests do with it."""

    alice = ALICE
    bob = BOB

    def __init__(self, volume: Volume, clock: ManualClock, backend: Backend) -> None:
        self.volume = volume
        self.clock = clock
        self.backend = backend
        self.config = volume.config
        self._leases: dict[bytes, Listener] = {}

    async def open(
        self,
        path: str,
        access: int = ALL,
        *,
        share: int = 7,
        disposition: int = c.FILE_OPEN,
        options: int = 0,
        token: Token = ALICE,
        **more: Any,
    ) -> Open:
        return await self.volume.open_file(OpenParameters(path, token, access, share, disposition, options, **more))

    async def create(self, path: str, access: int = ALL, **more: Any) -> Open:
        return await self.open(path, access, disposition=c.FILE_CREATE, **more)

    async def make(self, path: str, data: bytes = b"", **more: Any) -> None:
        opened = await self.create(path, **more)
        if data:
            await opened.write(0, data)
        await opened.close()

    async def mkdir(self, path: str) -> None:
        await self.make(path, options=c.FILE_DIRECTORY_FILE)

    async def exists(self, path: str) -> bool:
        try:
            opened = await self.open(path, 0x80, options=c.FILE_OPEN_REPARSE_POINT)
        except NtError:
            return False
        await opened.close()
        return True

    async def content(self, path: str) -> bytes:
        opened = await self.open(path, 1)
        try:
            return await self.read(opened)
        finally:
            await opened.close()

    async def read(self, opened: Open, offset: int = 0, length: int = 65536) -> bytes:
        buffer = bytearray(length)
        try:
            return bytes(buffer[: await opened.read_into(offset, memoryview(buffer))])
        except NtError as error:
            if error.status.name == "END_OF_FILE":
                return b""
            raise

    async def rename(self, opened: Open, name: str, *, replace: bool = False) -> None:
        data = rename.RenameInformation(name, int(replace)).encode()
        await opened.set_information(ic.FILE_RENAME_INFORMATION, data)

    async def dispose(self, opened: Open, *, delete: bool = True) -> None:
        data = file.DispositionInformation(int(delete)).encode()
        await opened.set_information(ic.FILE_DISPOSITION_INFORMATION, data)

    async def resize(self, opened: Open, size: int) -> None:
        data = file.EndOfFileInformation(size).encode()
        await opened.set_information(ic.FILE_END_OF_FILE_INFORMATION, data)

    async def set_basic(self, opened: Open, *times: int, attributes: int = 0) -> None:
        creation, access, write, change = times or (0, 0, 0, 0)
        data = file.BasicInformation(creation, access, write, change, attributes).encode()
        await opened.set_information(ic.FILE_BASIC_INFORMATION, data)

    async def names(self, path: str, pattern: str = "*") -> list[str]:
        opened = await self.open(path, options=c.FILE_DIRECTORY_FILE)
        try:
            data = await opened.query_directory(ic.FILE_NAMES_INFORMATION, pattern, 65536)
            return [entry.name for entry in decode_entries(ic.FILE_NAMES_INFORMATION, data)]
        finally:
            await opened.close()

    # -- oplocks --
    listener = Listener

    def lease(self, opened: Open, state: str, key: bytes, listener: Listener | None = None) -> OplockGrant:
        """Ask for a lease; the listener stays that of the key until there is another."""
        self._leases[key] = listener or self._leases.get(key) or Listener()
        return opened.request_oplock(OplockLevel.GRANULAR, caching_of(state), self._leases[key], key)

    def oplock(self, opened: Open, level: OplockLevel, listener: Listener | None = None) -> OplockGrant:
        return opened.request_oplock(level, Caching.NONE, listener or Listener())

    def acknowledge(self, opened: Open, state: str) -> OplockGrant:
        return opened.acknowledge_break(OplockLevel.GRANULAR, caching_of(state))

    def held(self, opened: Open) -> str:
        return letters(opened.oplock[1])

    async def lock(self, opened: Open, offset: int, length: int, *, exclusive: bool = True, wait: bool = False) -> None:
        await opened.lock([LockElement(offset, length, exclusive)], fail_immediately=not wait)

    def unlock(self, opened: Open, offset: int, length: int) -> None:
        opened.unlock([LockElement(offset, length, unlock=True)])

    # -- waiting --
    async def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin `work` and let it go as far as it gets."""
        task = asyncio.get_running_loop().create_task(work)
        await self.settle()
        return task

    async def settle(self) -> None:
        """Let everything that can run, run."""
        for _ in range(20):
            self.clock.advance(0)
            await asyncio.sleep(0)

    @staticmethod
    def fails(status: str) -> AbstractContextManager[pytest.ExceptionInfo[NtError]]:
        return _fails(status)


@contextmanager
def _fails(status: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    with pytest.raises(NtError) as caught:
        yield caught
    assert caught.value.status.name == status


@pytest.fixture
def lab_class() -> type[Lab]:
    return Lab


@pytest.fixture
def config() -> VolumeConfig:
    return VolumeConfig(default_security=EVERYBODY)


@pytest.fixture(params=["memory", "posix", "ext4", "btrfs", "xfs"])
async def lab(
    request: pytest.FixtureRequest, config: VolumeConfig, tmp_path: Path, file_system: Callable[[str], Path]
) -> AsyncIterator[Lab]:
    clock = ManualClock()
    backend: Backend
    if request.param == "memory":
        backend = MemoryBackend(clock)
    else:
        root = tmp_path / "share" if request.param == "posix" else file_system(request.param) / "share"
        root.mkdir()
        backend = PosixBackend(root)
    volume = Volume(backend, config, clock)
    yield Lab(volume, clock, backend)
    await volume.close()
    assert not volume.opens
    assert len(volume.table) == 0
    if isinstance(backend, MemoryBackend):
        assert backend.open_nodes == 0
