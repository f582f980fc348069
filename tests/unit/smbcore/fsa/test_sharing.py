"""Share modes as a pure decision."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.fsa.sharing import SHARED_ACCESS, admits, check_sharing, conflicts, delete_conflicts
from smbcore.nt.status import NtError

READ, WRITE, APPEND, EXECUTE, DELETE, STAT = 0x1, 0x2, 0x4, 0x20, 0x10000, 0x100180


@dataclass
class Other:
    sharing_access: int
    share_access: int


@pytest.mark.parametrize(
    ("access", "share", "admitted"),
    [
        (READ, 1, True),
        (READ, 6, False),
        (EXECUTE, 6, False),
        (WRITE, 2, True),
        (WRITE, 5, False),
        (APPEND, 5, False),
        (DELETE, 4, True),
        (DELETE, 3, False),
        (STAT, 0, True),
        (READ | WRITE | DELETE, 7, True),
    ],
)
def test_share_modes_admit(access: int, share: int, admitted: bool) -> None:
    assert admits(share, access) is admitted


def test_refusal_is_a_sharing_violation() -> None:
    with pytest.raises(NtError) as caught:
        check_sharing(READ, 7, [Other(READ, 0)])
    assert caught.value.status.name == "SHARING_VIOLATION"
    check_sharing(READ, 7, [Other(READ, 1)])


masks = st.integers(0, 0x1F01FF)
shares = st.integers(0, 7)


@given(masks, shares, masks, shares)
def test_conflict_does_not_depend_on_who_came_first(access: int, share: int, held: int, held_share: int) -> None:
    forward = conflicts(access, share, [Other(held & SHARED_ACCESS, held_share)])
    assert forward == conflicts(held, held_share, [Other(access & SHARED_ACCESS, share)])


@given(masks, shares, masks, shares)
def test_deletion_conflict_does_not_depend_on_who_came_first(
    access: int, share: int, held: int, held_share: int
) -> None:
    forward = delete_conflicts(access, share, is_main=True, others=[Other(held & SHARED_ACCESS, held_share)])
    assert forward == delete_conflicts(held, held_share, is_main=False, others=[Other(access & SHARED_ACCESS, share)])
