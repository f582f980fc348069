from __future__ import annotations

import pytest

from smbcore.state.errors import StateError
from smbcore.state.validation import (
    check_comment,
    check_netbios_name,
    check_path,
    check_principal_name,
    check_share_name,
)


@pytest.mark.parametrize("name", ["a", "Team Docs", "C$", "täglich", "a.b", "x" * 80, "100% (new)"])
def test_possible_share_names(name):
    assert check_share_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " a", "a ", ".", "..", "a/b", "a\\b", "a:b", "a*", "a?", 'a"', "a|b", "a<b", "a[b]", "a;b", "a,b", "a=b", "a+b",
     "a\x00", "a\n", "x" * 81, "IPC$", "ipc$", "Admin$", "PIPE", "mailslot", "\ud800"],
)  # fmt: skip
def test_impossible_share_names(name):
    with pytest.raises(StateError) as caught:
        check_share_name(name)
    assert caught.value.field == "name"


@pytest.mark.parametrize("name", ["alice", "Alice B", "j.doe", "ä", "x" * 64, "user-1_2"])
def test_possible_principal_names(name):
    assert check_principal_name(name) == name


@pytest.mark.parametrize("name", ["", "a@b", "a\\b", "a.", "x" * 65, "Everyone", "guest", "SYSTEM", " a", "a\t"])
def test_impossible_principal_names(name):
    with pytest.raises(StateError):
        check_principal_name(name)


@pytest.mark.parametrize("path, normal", [("/srv/a", "/srv/a"), ("/srv/a/", "/srv/a"), ("//srv//a/.", "/srv/a")])
def test_paths_are_made_normal(path, normal):
    assert check_path(path) == normal


@pytest.mark.parametrize("path", ["", "srv", "./a", "/", "//", "/.", "/a/../b", "/..", "/a\x00", "/a\nb"])
def test_impossible_paths(path):
    with pytest.raises(StateError) as caught:
        check_path(path)
    assert caught.value.field == "path"


def test_comments_are_one_short_line():
    assert check_comment("comment", "x" * 256)
    for text in ("x" * 257, "two\nlines"):
        with pytest.raises(StateError):
            check_comment("comment", text)


@pytest.mark.parametrize("name", ["", "x" * 16, "a b", "a.b", "nä", "A*"])
def test_impossible_netbios_names(name):
    with pytest.raises(StateError) as caught:
        check_netbios_name("workgroup", name)
    assert caught.value.field == "workgroup"
