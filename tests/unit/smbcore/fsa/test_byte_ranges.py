"""Byte ranges against a naive model that knows every byte of a small file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.fsa.byte_ranges import ByteRanges, check_range
from smbcore.nt.status import NtError

SIZE = 12
places = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE))
actions = st.lists(st.tuples(st.sampled_from(["lock", "share", "unlock", "read", "write"]), st.integers(0, 2), places))


class Model:
    """Locks as (owner, offset, length, exclusive); overlap is decided by listing half-byte points."""

    def __init__(self) -> None:
        self.held: list[tuple[int, int, int, bool]] = []

    @staticmethod
    def touch(first: tuple[int, int], second: tuple[int, int]) -> bool:
        def points(place: tuple[int, int]) -> set[int]:
            offset, length = place
            return set(range(2 * offset + 1, 2 * (offset + length), 1)) if length else {2 * offset}

        return bool(points(first) & points(second)) and not (first[1] == 0 and second[1] == 0)

    def lock(self, owner: int, offset: int, length: int, exclusive: bool) -> bool:
        for other, at, size, taken in self.held:
            if not exclusive and (not taken or other == owner):
                continue
            if self.touch((at, size), (offset, length)):
                return False
        self.held.append((owner, offset, length, exclusive))
        return True

    def unlock(self, owner: int, offset: int, length: int) -> bool:
        for exclusive in (True, False):
            if (owner, offset, length, exclusive) in self.held:
                self.held.remove((owner, offset, length, exclusive))
                return True
        return False

    def may(self, owner: int, offset: int, length: int, write: bool) -> bool:
        return not any(
            self.touch((at, size), (offset, length)) and (other != owner if exclusive else write)
            for other, at, size, exclusive in self.held
        )


@given(actions)
def test_like_the_model(steps: list[tuple[str, int, tuple[int, int]]]) -> None:
    owners: list[Any] = [object(), object(), object()]
    ranges, model = ByteRanges(), Model()
    for action, number, (offset, length) in steps:
        owner = owners[number]
        if action in ("lock", "share"):
            exclusive = action == "lock"
            got = ranges.try_lock(owner, offset, length, exclusive=exclusive)
            assert (got is not None) == model.lock(number, offset, length, exclusive)
        elif action == "unlock":
            assert ranges.unlock(owner, offset, length) == model.unlock(number, offset, length)
        elif length:
            check = ranges.check_write if action == "write" else ranges.check_read
            if model.may(number, offset, length, action == "write"):
                check(owner, offset, length)
            else:
                with pytest.raises(NtError) as caught:
                    check(owner, offset, length)
                assert caught.value.status.name == "FILE_LOCK_CONFLICT"


@pytest.mark.parametrize(("offset", "length"), [(0, 2**64), (2**64 - 1, 1), (2**64 - 1, 0), (5, 0)])
def test_ranges_inside_of_the_space(offset: int, length: int) -> None:
    check_range(offset, length)


@pytest.mark.parametrize(("offset", "length"), [(1, 2**64), (2**64 - 1, 2)])
def test_ranges_beyond_the_space(offset: int, length: int) -> None:
    with pytest.raises(NtError) as caught:
        check_range(offset, length)
    assert caught.value.status.name == "INVALID_LOCK_RANGE"
