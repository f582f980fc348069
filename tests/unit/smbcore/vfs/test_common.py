"""Rules that every backend shares."""

from __future__ import annotations

import pytest

from smbcore.vfs.common import ea_size, link_target, reparse_tag


@pytest.mark.parametrize(
    ("link", "target", "leads_to"),
    [
        (("a",), "b", ("b",)),
        (("d", "a"), "b", ("d", "b")),
        (("d", "a"), "../b/./c/", ("b", "c")),
        (("d", "a"), "..", ()),
        (("a",), "..", None),
        (("d", "a"), "../../x", None),
        (("a",), "/etc", None),
        (("a",), "x/../../y", None),
    ],
)
def test_a_link_leads_where_its_text_says_or_nowhere(link, target, leads_to) -> None:
    assert link_target(link, target) == leads_to


def test_size_of_extended_attributes_counts_a_list() -> None:
    assert ea_size({}) == 0
    assert ea_size({b"A": b"1", b"BC": b"234"}) == 4 + 7 + 10


def test_reparse_tag_is_the_first_word() -> None:
    assert [reparse_tag(data) for data in (None, b"", b"\1\0\0", b"\x0c\0\0\xa0more")] == [0, 0, 0, 0xA000000C]
