"""Names between client and store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.names import decode, encode, for_lookup, from_listed, is_reserved

PAIRS = [
    (b"plain.txt", "plain.txt"),
    ("Grüße 日本 🎉".encode(), "Grüße 日本 🎉"),
    (b"a:b", "a\uf03ab"),
    (b'*?<>|"\\', "\uf02a\uf03f\uf03c\uf03e\uf07c\uf022\uf05c"),
    (b"\x01\x1f", "\uf001\uf01f"),
    (b"dot.", "dot\uf02e"),
    (b"space ", "space\uf020"),
    (b"two..", "two.\uf02e"),
    (b"...", "..\uf02e"),
    (b" in the middle. of it", " in the middle. of it"),
    (b"latin-\xe9", "latin-\uf0e9"),
    (b"\xff\xfe", "\uf0ff\uf0fe"),
    (b"\xed\xa0\x80x", "\ud800x"),
    (b"\xed\xb2\x80", "\udc80"),
    (b"\xed\xa0\xbd\xed\xb8\x80", "\ud83d\uf0ed\uf0b8\uf080"),
    (b"\xed\xb0\x80", "\udc00"),
    ("\uf03a".encode(), "\uf0ef\uf080\uf0ba"),
    ("\uf0e9".encode(), "\uf0ef\uf083\uf0a9"),
    ("x\uf02ey".encode(), "x\uf02ey"),
    ("x\uf02e".encode(), "x."),
    ("x\uf020".encode(), "x "),
    ("..\uf02e".encode(), "..."),
    ("\uf07f".encode(), "\uf07f"),
]


@pytest.mark.parametrize(("raw", "name"), PAIRS)
def test_names_map_both_ways(raw: bytes, name: str) -> None:
    assert decode(raw) == name
    assert encode(name) == raw
    assert os.fsencode(for_lookup(name)) == raw


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\0",
        "a:b",
        "x*",
        "\uf02e",
        ".\uf02e",
        "\uf0c3\uf0a9",
        "\uf0ed\uf0b2\uf080",
        "x" * 256,
        "é" * 128,
    ],
)
def test_what_has_no_name_in_the_store_is_refused(name: str) -> None:
    with pytest.raises(NtError) as caught:
        encode(name)
    assert caught.value.status is Status.OBJECT_NAME_INVALID
    with pytest.raises(NtError):
        for_lookup(name)


@given(
    st.binary(min_size=1, max_size=60).filter(
        lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b"..")
    )
)
def test_every_name_of_the_store_has_one_reading(raw: bytes) -> None:
    name = decode(raw)
    assert encode(name) == raw
    assert from_listed(os.fsdecode(raw)) == name


@given(st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=20))
def test_a_name_is_refused_or_reads_back(name: str) -> None:
    try:
        raw = encode(name)
    except NtError:
        return
    assert decode(raw) == name
    assert b"/" not in raw
    assert raw not in (b"", b".", b"..")


def test_reserved_spellings_cost_nobody_else_his_name() -> None:
    for name in (".holdfast", "holdfast-streams", ".holdfast-streams2", "x.holdfast-streams", "日本" * 20):
        assert not is_reserved(name)


async def test_odd_names_work_on_the_volume(posix: PosixBackend, share: Path) -> None:
    for raw in (b"a:b", b"latin-\xe9", b"dot.", b"CON", b"a\\b"):
        (share / os.fsdecode(raw)).write_text("x")
    root = await posix.open(())
    listed = await root.names()
    assert sorted(listed) == sorted(["a\uf03ab", "latin-\uf0e9", "dot\uf02e", "CON", "a\uf05cb"])
    assert [name for name, _ in await root.entries(listed)] == listed
    for name in listed:
        node = await posix.open((name.upper(),))
        assert node.path == (name,)
        await posix.remove(node)
        node.close()
    assert os.listdir(share) == []
    root.close()


@given(
    st.binary(min_size=1, max_size=60).filter(
        lambda raw: b"/" not in raw and b"\0" not in raw and b"\xed" not in raw and raw not in (b".", b"..")
    )
)
def test_what_local_programs_name_reaches_every_client(raw: bytes) -> None:
    """No name but one that spells a surrogate has one: some clients give up a whole listing for it."""
    decode(raw).encode("utf-16-le")
