"""Share modes between opens of one file  [MS-FSA 2.1.5.1.2.2]."""

from __future__ import annotations

from typing import Any

import pytest

READ, WRITE, APPEND, EXECUTE, DELETE, STAT = 0x1, 0x2, 0x4, 0x20, 0x10000, 0x100180
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 1, 2, 4


@pytest.mark.parametrize(
    ("access", "bit"),
    [(READ, SHARE_READ), (EXECUTE, SHARE_READ), (WRITE, SHARE_WRITE), (APPEND, SHARE_WRITE), (DELETE, SHARE_DELETE)],
)
async def test_both_opens_must_admit_each_other(lab: Any, access: int, bit: int) -> None:
    await lab.make("a")
    for first_access, first_share, second_access, second_share in (
        (READ, 7 & ~bit, access, 7),
        (access, 7, READ, 7 & ~bit),
    ):
        first = await lab.open("a", first_access, share=first_share)
        with lab.fails("SHARING_VIOLATION"):
            await lab.open("a", second_access, share=second_share)
        await first.close()
        await (await lab.open("a", second_access, share=second_share)).close()


async def test_opens_for_metadata_never_conflict(lab: Any) -> None:
    await lab.make("a")
    first = await lab.open("a", share=0)
    second = await lab.open("a", STAT, share=0)
    await first.close()
    third = await lab.open("a", share=0)
    for opened in (second, third):
        await opened.close()


async def test_streams_share_each_for_itself(lab: Any) -> None:
    await lab.make("a")
    first = await lab.create("a:one", WRITE, share=0)
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("a:ONE", WRITE, share=0)
    second = await lab.create("a:two", WRITE, share=0)
    third = await lab.open("a", WRITE, share=0)
    for opened in (first, second, third):
        await opened.close()


async def test_deleting_a_file_needs_the_consent_of_its_streams(lab: Any) -> None:
    await lab.make("a")
    stream = await lab.create("a:s", WRITE, share=SHARE_READ | SHARE_WRITE)
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("a", DELETE)
    await stream.close()
    main = await lab.open("a", DELETE)
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("a:s", WRITE, share=SHARE_READ | SHARE_WRITE)
    await main.close()


async def test_overwriting_counts_as_writing(lab: Any) -> None:
    await lab.make("a", b"x")
    first = await lab.open("a", READ, share=SHARE_READ)
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("a", READ, disposition=4)
    await first.close()


async def test_directories_share_too(lab: Any) -> None:
    await lab.mkdir("d")
    first = await lab.open("d", READ, share=0)
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("d", READ)
    await first.close()
