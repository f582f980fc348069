"""Names at the edges of what NT, POSIX and Unicode agree on  [MS-FSCC 2.1.5]."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "a.",
        "a ",
        "a. .",
        " a",
        "CON",
        "nul.txt",
        "com1",
        "...x",
        "a\uf02e",
        "a" * 255,
        "\u00e9" * 127,
        "x\ud800y",
        "x\udc41",
    ],
)
async def test_a_file_of_any_name_is_made_listed_and_renamed(lab: Any, name: str) -> None:
    await lab.make(name, b"data")
    assert await lab.content(name) == b"data"
    assert name in await lab.names("")
    opened = await lab.open(name)
    await lab.rename(opened, "plain")
    await lab.rename(opened, name)
    await opened.close()
    assert (await lab.names(""))[2:] == [name]


@pytest.mark.parametrize(
    "name", ["", "a" * 256, "\U00010428" * 128, "a*", "a?", 'a"', "a<", "a>", "a|", "a\x1f", "a:b:c", "d\\\\e"]
)
async def test_names_that_cannot_be(lab: Any, name: str) -> None:
    with lab.fails("OBJECT_NAME_INVALID" if name else "OBJECT_NAME_COLLISION"):
        await lab.create(name)


async def test_composed_and_decomposed_letters_are_two_names(lab: Any) -> None:
    await lab.make("\u00e9.txt", b"composed")
    await lab.make("e\u0301.txt", b"decomposed")
    assert await lab.content("\u00c9.TXT") == b"composed"
    assert await lab.content("E\u0301.TXT") == b"decomposed"


async def test_characters_beyond_the_bmp_have_no_case(lab: Any) -> None:
    await lab.make("\U00010428", b"small")
    await lab.make("\U00010400", b"capital")
    assert await lab.content("\U00010428") == b"small"
    assert await lab.content("\U00010400") == b"capital"


async def test_lone_surrogates_are_themselves(lab: Any) -> None:
    await lab.make("x\ud800y", b"high")
    await lab.make("x\udc41y", b"low")
    assert await lab.content("X\ud800Y") == b"high"
    assert await lab.content("X\udc41Y") == b"low"
    await lab.make("file:s\ud800", b"stream")
    assert await lab.content("file:S\ud800") == b"stream"


async def test_replacing_a_name_of_another_case_leaves_one(lab: Any) -> None:
    await lab.make("Target.TXT", b"old")
    await lab.make("new.tmp", b"new")
    opened = await lab.open("new.tmp")
    await lab.rename(opened, "target.txt", replace=True)
    await opened.close()
    assert (await lab.names(""))[2:] == ["target.txt"]
    assert await lab.content("TARGET.txt") == b"new"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a?", {"ab", "a."}),
        ("a>", {"a", "ab"}),
        ('a"', {"a", "a."}),
        ("a>>", {"a", "ab", "abc"}),
        ("<.b", {"a.b", "a.c.b"}),
        ("a.<", {"a.", "a.b"}),
        ("*.", {"a."}),
        ('*"', {"a", "a.", "ab", "abc", "a.b", "a.c.b"}),
    ],
)
async def test_wildcards_at_dots(lab: Any, pattern: str, found: set[str]) -> None:
    """[MS-FSA 2.1.4.4]"""
    for name in ("a", "a.", "ab", "abc", "a.b", "a.c.b"):
        await lab.make(name)
    listed = await lab.names("", pattern)
    assert set(listed) - {".", ".."} == found
