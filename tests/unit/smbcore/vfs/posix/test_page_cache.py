"""What is in memory, as the kernel tells it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from smbcore.vfs.posix import kernel
from smbcore.vfs.posix.page_cache import PageCache

SIZE = 300_000
LARGE = 16 * 1024 * 1024


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "f").write_bytes(b"x" * SIZE)
    opened = os.open(tmp_path / "f", os.O_RDONLY)
    yield opened
    os.close(opened)


def without_counting(number: int) -> type:
    class Refusing(kernel.PageCounter):
        def missing(self, descriptor: int, offset: int, length: int) -> int:
            raise OSError(number, os.strerror(number))

    return Refusing


def supports_probing(descriptor: int) -> bool:
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) == 1
    except OSError:
        return False


@pytest.mark.parametrize("refusal", [None, errno.ENOSYS, errno.EPERM])
def test_holds_what_was_just_written_and_nothing_beyond_the_end(
    descriptor: int, refusal: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not supports_probing(descriptor):
        pytest.skip("this file system cannot tell")
    if refusal is not None:
        monkeypatch.setattr(kernel, "PageCounter", without_counting(refusal))
    cache = PageCache()
    assert cache.holds(descriptor, 0, SIZE)
    assert cache.holds(descriptor, 1000, SIZE - 1000)
    assert cache.holds(descriptor, SIZE - 1, 1)
    assert not cache.holds(descriptor, 0, SIZE + 1)
    assert not cache.holds(descriptor, SIZE, 1)


def test_does_not_hold_a_range_with_a_cold_page_in_it(descriptor: int, tmp_path: Path) -> None:
    cache = PageCache()
    try:
        kernel.PageCounter().missing(descriptor, 0, 1)
    except OSError:
        pytest.skip("this kernel does not count cached pages")
    os.truncate(tmp_path / "f", LARGE)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, LARGE, os.POSIX_FADV_DONTNEED)
    assert os.pread(descriptor, 1, LARGE - 1) == b"\0"
    if not kernel.PageCounter().missing(descriptor, 0, LARGE):
        pytest.skip("this file system keeps its pages")
    assert not cache.holds(descriptor, 0, LARGE)


def test_other_errors_are_the_callers() -> None:
    with pytest.raises(OSError, match="descriptor"):
        PageCache().holds(-1, 0, 100)
