"""Sparse bytes against a plain bytearray."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smbcore.vfs.memory.data import CLUSTER, SparseBytes

POSITION = st.integers(0, 4 * CLUSTER)
STEP = st.one_of(
    st.tuples(st.just("write"), POSITION, st.binary(min_size=1, max_size=2 * CLUSTER)),
    st.tuples(st.just("truncate"), POSITION, st.just(b"")),
    st.tuples(st.just("zero"), POSITION, POSITION),
)


@given(st.lists(STEP, max_size=12))
def test_sparse_bytes_read_like_plain_ones(steps) -> None:
    sparse, plain = SparseBytes(), bytearray()
    for kind, at, argument in steps:
        if kind == "write":
            sparse.write(at, argument)
            plain.extend(bytes(max(0, at - len(plain))))
            plain[at : at + len(argument)] = argument
        elif kind == "truncate":
            sparse.truncate(at)
            del plain[at:]
            plain.extend(bytes(at - len(plain)))
        else:
            sparse.zero(at, argument)
            end = min(argument, len(plain))
            if at < end:
                plain[at:end] = bytes(end - at)
        assert sparse.size == len(plain)
        buffer = bytearray(len(plain) + 10)
        assert sparse.read_into(0, memoryview(buffer)) == len(plain)
        assert buffer[: len(plain)] == plain
        covered = bytearray(len(plain))
        for offset, length in sparse.ranges(0, len(plain)):
            covered[offset : offset + length] = b"\1" * length
        assert not any(byte and not mark for byte, mark in zip(plain, covered, strict=True))


def test_huge_files_take_what_was_written_only() -> None:
    sparse = SparseBytes()
    sparse.truncate(1 << 40)
    sparse.write(1 << 39, b"x")
    assert sparse.allocated == CLUSTER
    assert sparse.ranges(0, 1 << 40) == [(1 << 39, CLUSTER)]
