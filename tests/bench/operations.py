"""What is measured: each operation prepares once and then repeats a step.

A step does `per_step` units of what the result is quoted in (operations, MiB, directory entries).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import raw
from raw import RawClient

KIB, MIB = 1024, 1024 * 1024
ENTRIES = 1000
_MXAC_QFID = ((b"MxAc", b""), (b"QFid", b""))
_OPEN, _CREATE, _OVERWRITE_IF = 1, 2, 5
_DELETE_ON_CLOSE, _DIRECTORY = 0x1000, 0x1
_ALL_INFORMATION = 18


@dataclass(frozen=True)
class Operation:
    """One line of the result.

    unit    what one figure is for
    batch   units in one measured round
    mode    "plain", "signed" or "sealed"
    run     does `count` units on a connected client
    prepare puts into the share's folder what only this operation needs
    share   the name of the share;  latency  how long a unit takes is told, too
    few     units in one round on other servers, where they take long; 0 leaves those out
    """

    name: str
    unit: str
    batch: int
    run: Callable[[RawClient, int], None]
    mode: str = "plain"
    prepare: Callable[[Path], None] | None = None
    share: str = "bench"
    latency: bool = False
    few: int | None = None


def prepare(folder: Path) -> None:
    """Put the files into the share that the operations open; the server sees them as local changes."""
    (folder / "data.bin").write_bytes(os.urandom(8 * MIB))
    (folder / "small.txt").write_bytes(b"x" * 4096)
    for name in ("durable", "always"):
        if (folder / name).is_dir():
            (folder / name / "small.txt").write_bytes(b"x" * 4096)
    many = folder / "many"
    many.mkdir()
    for number in range(ENTRIES):
        (many / f"document-{number:04}.txt").write_bytes(b"x")
    for path in (folder, many):
        path.chmod(0o777)
    for path in folder.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)


def _open(client: RawClient, name: str, **more: int) -> bytes:
    return raw.file_id_of(client.call(raw.CREATE, raw.create_body(name, **more)))  # type: ignore[arg-type]


def echo(client: RawClient, count: int) -> None:
    """ECHO, one at a time."""
    for _ in range(count):
        client.call(raw.ECHO, b"\4\0\0\0")


def create_close(client: RawClient, count: int) -> None:
    """CREATE of an existing file with MxAc and QFid, then CLOSE."""
    body = raw.create_body("small.txt", contexts=_MXAC_QFID)
    for _ in range(count):
        client.call(raw.CLOSE, raw.close_body(raw.file_id_of(client.call(raw.CREATE, body))))


def create_close_lease(client: RawClient, count: int) -> None:
    """CREATE with a read, write and handle lease, then CLOSE."""
    lease = os.urandom(16) + b"\7\0\0\0" + bytes(12 + 16 + 4)
    body = raw.create_body("small.txt", contexts=((b"RqLs", lease),), oplock=0xFF)
    for _ in range(count):
        client.call(raw.CLOSE, raw.close_body(raw.file_id_of(client.call(raw.CREATE, body))))


def compound(client: RawClient, count: int) -> None:
    """CREATE, QUERY_INFO FileAllInformation and CLOSE in one related compound."""
    parts = [
        (raw.CREATE, raw.create_body("small.txt", contexts=_MXAC_QFID)),
        (raw.QUERY_INFO, raw.query_info_body(raw.RELATED_ID, _ALL_INFORMATION)),
        (raw.CLOSE, raw.close_body(raw.RELATED_ID)),
    ]
    for _ in range(count):
        client.send(client.chain(parts))
        for _ in parts:
            client.check(client.receive())


def three_alone(client: RawClient, count: int) -> None:
    """CREATE, QUERY_INFO FileAllInformation and CLOSE, each for itself."""
    body = raw.create_body("small.txt", contexts=_MXAC_QFID)
    for _ in range(count):
        handle = raw.file_id_of(client.call(raw.CREATE, body))
        client.call(raw.QUERY_INFO, raw.query_info_body(handle, _ALL_INFORMATION))
        client.call(raw.CLOSE, raw.close_body(handle))


def kept(*, persistent: bool) -> Callable[[RawClient, int], None]:
    """Return an operation that opens as Windows does, durable or persistent with an RWH lease, and closes."""
    flags = (2 if persistent else 0).to_bytes(4, "little")

    def run(client: RawClient, count: int) -> None:
        lease = os.urandom(16) + b"\7\0\0\0" + bytes(12 + 16 + 4)
        for _ in range(count):
            durable = bytes(4) + flags + bytes(8) + os.urandom(16)
            body = raw.create_body("small.txt", contexts=((b"DH2Q", durable), (b"RqLs", lease)), oplock=0xFF)
            reply = client.call(raw.CREATE, body)
            if b"DH2Q" not in bytes(reply.message):
                raise raw.BenchError("the server does not keep the handle")
            client.call(raw.CLOSE, raw.close_body(raw.file_id_of(reply)))

    return run


def query_info(client: RawClient, count: int) -> None:
    """QUERY_INFO FileAllInformation on an open file."""
    handle = _open(client, "small.txt")
    body = raw.query_info_body(handle, _ALL_INFORMATION)
    for _ in range(count):
        client.call(raw.QUERY_INFO, body)
    client.call(raw.CLOSE, raw.close_body(handle))


def small_file(client: RawClient, count: int) -> None:
    """Create a file, write 4 KiB, close, open for delete on close, close."""
    data = b"y" * 4096
    for number in range(count):
        name = f"new-{number % 64}.txt"
        handle = _open(client, name, disposition=_CREATE)
        client.call(raw.WRITE, raw.write_body(handle, data, 0))
        client.call(raw.CLOSE, raw.close_body(handle))
        handle = _open(client, name, access=0x0001_0080, options=_DELETE_ON_CLOSE)
        client.call(raw.CLOSE, raw.close_body(handle))


def _offsets(size: int) -> Iterator[int]:
    while True:
        yield from range(0, 8 * MIB - size + 1, size)


def reads(size: int, depth: int) -> Callable[[RawClient, int], None]:
    """Return an operation that reads `size` bytes, `depth` requests under way."""

    def run(client: RawClient, count: int) -> None:
        handle, offsets = _open(client, "data.bin"), _offsets(size)
        client.pipeline(
            lambda: client.request(raw.READ, raw.read_body(handle, size, next(offsets)), size), count, depth
        )
        client.call(raw.CLOSE, raw.close_body(handle))

    return run


def writes(size: int, depth: int) -> Callable[[RawClient, int], None]:
    """Return an operation that overwrites `size` bytes, `depth` requests under way."""
    data = os.urandom(size)

    def run(client: RawClient, count: int) -> None:
        handle, offsets = _open(client, "data.bin"), _offsets(size)
        client.pipeline(
            lambda: client.request(raw.WRITE, raw.write_body(handle, data, next(offsets)), size), count, depth
        )
        client.call(raw.CLOSE, raw.close_body(handle))

    return run


def list_directory(client: RawClient, count: int) -> None:
    """List a directory of 1000 entries with attributes, in replies of 64 KiB."""
    for _ in range(count // ENTRIES):
        handle = _open(client, "many", access=0x0010_0081, options=_DIRECTORY)
        restart = True
        while True:
            reply = client.call(
                raw.QUERY_DIRECTORY,
                raw.query_directory_body(handle, restart=restart),
                65536,
                (raw.SUCCESS, raw.NO_MORE_FILES),
            )
            restart = False
            if reply.status == raw.NO_MORE_FILES:
                break
        client.call(raw.CLOSE, raw.close_body(handle))


def filled(count: int) -> Callable[[Path], None]:
    """Return what puts a directory of `count` files into the share; the server sees them as local changes."""

    def prepare_directory(folder: Path) -> None:
        place = folder / f"filled-{count}"
        if place.exists():
            return
        place.mkdir()
        place.chmod(0o777)
        for number in range(count):
            path = place / f"document-{number:06}.txt"
            path.touch()
            path.chmod(0o666)

    return prepare_directory


_FRESH = itertools.count()
"""Numbers for names that no server has seen: some remember what they found."""


def create_in(count: int) -> Callable[[RawClient, int], None]:
    """Return an operation that makes new files, CREATE and CLOSE, in a directory that had `count` at the beginning."""

    def run(client: RawClient, times: int) -> None:
        for _ in range(times):
            handle = _open(client, f"filled-{count}\\new-{next(_FRESH)}.txt", disposition=_CREATE)
            client.call(raw.CLOSE, raw.close_body(handle))

    return run


def open_absent(count: int) -> Callable[[RawClient, int], None]:
    """Return an operation that tries to open (one CREATE) names that are not in a directory of `count`."""

    def run(client: RawClient, times: int) -> None:
        for _ in range(times):
            body = raw.create_body(f"filled-{count}\\absent-{next(_FRESH)}.txt")
            client.call(raw.CREATE, body, 0, (raw.NAME_NOT_FOUND,))

    return run


def open_existing(count: int, *, other_case: bool) -> Callable[[RawClient, int], None]:
    """Return an operation that opens and closes (CREATE and CLOSE) files of a directory of `count`."""
    form = "DOCUMENT-{:06}.TXT" if other_case else "document-{:06}.txt"

    def run(client: RawClient, times: int) -> None:
        for _ in range(times):
            handle = _open(client, f"filled-{count}\\{form.format(next(_FRESH) * 97 % count)}")
            client.call(raw.CLOSE, raw.close_body(handle))

    return run


def _huge_directories() -> Iterator[Operation]:
    """What must cost the same however large the directory is; few at a time on servers where it does not."""
    for count in (10, 100_000):
        few = 500 if count == 10 else 40
        for label, run in (
            ("an absent name", open_absent(count)),
            ("a name as spelled", open_existing(count, other_case=False)),
            ("a name in another case", open_existing(count, other_case=True)),
        ):
            yield Operation(f"open {label} of {count:,}", "op", 500, run, prepare=filled(count), few=few)
    for count, few in ((10, 500), (10_000, 100), (50_000, 40)):
        name = f"create in a directory of {count:,}"
        yield Operation(name, "op", 1000, create_in(count), prepare=filled(count), few=few)
    yield Operation("create 50,000 files in one directory", "op", 10_000, create_in(0), prepare=filled(0), few=0)


def _transfers() -> Iterator[Operation]:
    for depth in (1, 8):
        for size, label, batch in ((4 * KIB, "4K", 2000), (64 * KIB, "64K", 1000), (MIB, "1M", 100)):
            yield Operation(f"READ {label} depth {depth}", "op", batch, reads(size, depth))
            yield Operation(f"WRITE {label} depth {depth}", "op", batch, writes(size, depth))
    for mode, label in (("signed", "GMAC-signed"), ("sealed", "AES-128-GCM")):
        yield Operation(f"READ {label} 1M depth 8", "MiB", 100, reads(MIB, 8), mode)
        yield Operation(f"WRITE {label} 1M depth 8", "MiB", 100, writes(MIB, 8), mode)
        yield Operation(f"READ {label} 4K depth 1", "op", 1500, reads(4 * KIB, 1), mode)


def operations() -> list[Operation]:
    """Return everything that can be measured, in the order of the table."""
    return [
        Operation("ECHO", "op", 3000, echo),
        Operation("CREATE+CLOSE, MxAc+QFid", "op", 1000, create_close),
        Operation("CREATE+CLOSE, RWH lease", "op", 1000, create_close_lease),
        Operation("compound CREATE+QUERY_INFO+CLOSE", "op", 1000, compound),
        Operation("the same three alone", "op", 1000, three_alone),
        Operation(
            "CREATE+CLOSE, durable v2, RWH lease", "op", 1000, kept(persistent=False), share="durable", latency=True
        ),
        Operation(
            "CREATE+CLOSE, persistent, RWH lease", "op", 100, kept(persistent=True), share="always", latency=True
        ),
        Operation("QUERY_INFO FileAllInformation", "op", 2000, query_info),
        Operation("small file: create, write 4K, close, delete", "op", 300, small_file),
        *_transfers(),
        Operation("QUERY_DIRECTORY, 1000 entries", "entry", 10 * ENTRIES, list_directory),
        *_huge_directories(),
    ]
