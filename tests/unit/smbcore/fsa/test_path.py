"""Paths as clients spell them."""

from __future__ import annotations

import pytest

from smbcore.fsa.path import join, parse_path
from smbcore.nt.status import NtError


@pytest.mark.parametrize(
    ("path", "names", "stream", "is_data", "is_directory"),
    [
        ("", (), "", False, False),
        ("a", ("a",), "", False, False),
        ("a\\b.c", ("a", "b.c"), "", False, False),
        ("a/b", ("a", "b"), "", False, False),
        ("a\\", ("a",), "", False, True),
        ("a\\..\\b", ("b",), "", False, False),
        ("a\\..", (), "", False, False),
        ("a:s", ("a",), "s", True, False),
        ("a:s:$data", ("a",), "s", True, False),
        ("a::$DATA", ("a",), "", True, False),
        (":s", (), "s", True, False),
        ("d::$INDEX_ALLOCATION", ("d",), "", False, True),
        ("d:$I30:$INDEX_ALLOCATION", ("d",), "", False, True),
        ("a:*?\x05", ("a",), "*?\x05", True, False),
        ("ärger", ("ärger",), "", False, False),
    ],
)
def test_good_paths(path: str, names: tuple[str, ...], stream: str, is_data: bool, is_directory: bool) -> None:
    target = parse_path(path)
    assert (target.names, target.stream, target.is_data, target.is_directory) == (names, stream, is_data, is_directory)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("\\a", "INVALID_PARAMETER"),
        ("..", "OBJECT_PATH_SYNTAX_BAD"),
        ("a\\..\\..", "OBJECT_PATH_SYNTAX_BAD"),
        (".", "OBJECT_NAME_INVALID"),
        ("a\\\\b", "OBJECT_NAME_INVALID"),
        ("a\\\\", "OBJECT_NAME_INVALID"),
        ("a<", "OBJECT_NAME_INVALID"),
        ("a\x1f", "OBJECT_NAME_INVALID"),
        ("a:b\\c", "OBJECT_NAME_INVALID"),
        ("d\\:s", "OBJECT_NAME_INVALID"),
        ("a:", "OBJECT_NAME_INVALID"),
        ("a:b:c:d", "OBJECT_NAME_INVALID"),
        ("d:x:$INDEX_ALLOCATION", "OBJECT_NAME_INVALID"),
        ("ä" * 256, "OBJECT_NAME_INVALID"),
    ],
)
def test_bad_paths(path: str, status: str) -> None:
    with pytest.raises(NtError) as caught:
        parse_path(path)
    assert caught.value.status.name == status


def test_join_spells_it_again() -> None:
    assert join(("a", "b"), "s") == "a\\b:s"
    assert join(()) == ""
