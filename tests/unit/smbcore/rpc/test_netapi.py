"""Paging of enumerations."""

from smbcore.rpc.netapi import MAX_REPLY, page
from smbcore.rpc.rows import size_of

ROWS = [(f"name{number}",) for number in range(10)]


def test_a_page_holds_what_fits():
    room = sum(map(size_of, ROWS[:3]))
    assert page(ROWS, 0, room) == ROWS[:3]
    assert page(ROWS, 8, room) == ROWS[8:]


def test_a_page_always_makes_progress():
    assert page(ROWS, 2, 0) == [ROWS[2]]
    assert page(ROWS, 10, 100) == []


def test_a_page_is_never_larger_than_our_own_limit():
    rows = [("x" * 1000,)] * 2000
    shown = page(rows, 0, 0xFFFF_FFFF)
    assert sum(map(size_of, shown)) <= MAX_REPLY
