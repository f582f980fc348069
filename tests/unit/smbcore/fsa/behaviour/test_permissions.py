"""Access checks against descriptors  [MS-FSA 2.1.5.1.2.1, 2.1.5.14, 2.1.5.17]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.nt import create as c
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.sid import EVERYONE, Sid
from smbcore.nt.token import SE_SECURITY, Token

ALICE = "S-1-5-21-1-2-3-1000"
BOB = "S-1-5-21-1-2-3-1001"
OWNER, GROUP, DACL, SACL = 1, 2, 4, 8
READ, WRITE, STAT, DELETE, WRITE_DAC, WRITE_OWNER = 0x1, 0x2, 0x80, 0x10000, 0x40000, 0x80000


def descriptor(text: str) -> bytes:
    return from_sddl(text).encode()


async def test_what_the_descriptor_grants(lab: Any) -> None:
    await lab.make("a", security=descriptor(f"O:{ALICE}G:{ALICE}D:P(A;;FR;;;{BOB})(A;;FA;;;{ALICE})"))
    opened = await lab.open("a", 0x0200_0000, token=lab.bob)
    assert opened.granted_access & 0x1FF == 0x89 | STAT
    assert opened.maximal_access & WRITE == 0
    await opened.close()
    with lab.fails("ACCESS_DENIED"):
        await lab.open("a", WRITE, token=lab.bob)
    with lab.fails("ACCESS_DENIED"):
        await lab.open("a", READ, token=lab.bob, disposition=c.FILE_OVERWRITE)


async def test_owner_may_always_change_the_list(lab: Any) -> None:
    await lab.make("a", security=descriptor(f"O:{ALICE}G:{ALICE}D:P"))
    with lab.fails("ACCESS_DENIED"):
        await lab.open("a", READ)
    opened = await lab.open("a", WRITE_DAC)
    opened.set_security(DACL, descriptor(f"D:P(A;;FA;;;{ALICE})"))
    await opened.close()
    await (await lab.open("a", READ)).close()


async def test_parent_may_let_delete_and_look(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("d\\a", security=descriptor(f"O:{ALICE}G:{ALICE}D:P(A;;FR;;;{ALICE})"))
    opened = await lab.open("d\\a", DELETE | STAT, token=lab.bob)
    assert opened.granted_access == DELETE | STAT
    await opened.close()
    root = await lab.open("d", WRITE_DAC)
    root.set_security(DACL, descriptor(f"D:P(A;;FR;;;{ALICE})"))
    await root.close()
    with lab.fails("ACCESS_DENIED"):
        await lab.open("d\\a", DELETE, token=lab.bob)


async def test_adding_to_a_directory_takes_the_right_to(lab: Any) -> None:
    await lab.make(
        "d", options=c.FILE_DIRECTORY_FILE, security=descriptor(f"O:{ALICE}D:P(A;;FR;;;WD)(A;;FA;;;{ALICE})")
    )
    for options in (0, c.FILE_DIRECTORY_FILE):
        with lab.fails("ACCESS_DENIED"):
            await lab.create("d\\a", token=lab.bob, options=options)
    await lab.make("d\\a")
    await lab.make("a", token=lab.bob)
    opened = await lab.open("a", token=lab.bob)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "d\\b")
    await opened.close()


async def test_children_inherit(lab: Any) -> None:
    inherited = f"O:{ALICE}G:{ALICE}D:P(A;OICI;FA;;;{ALICE})(A;OICIIO;FR;;;{BOB})"
    await lab.make("d", options=c.FILE_DIRECTORY_FILE, security=descriptor(inherited))
    with lab.fails("ACCESS_DENIED"):
        await lab.open("d", READ, token=lab.bob)
    await lab.make("d\\a", b"x")
    await (await lab.open("d\\a", READ, token=lab.bob)).close()


async def test_creator_owns_the_file(lab: Any) -> None:
    opened = await lab.create("a", token=lab.bob)
    sd = SecurityDescriptor.decode(opened.query_security(OWNER))
    assert str(sd.owner) == BOB
    assert sd.dacl is None
    await opened.close()


@pytest.mark.parametrize(
    ("information", "access", "status"),
    [(DACL, STAT, "ACCESS_DENIED"), (SACL, 0x20000, "ACCESS_DENIED"), (OWNER, STAT, "ACCESS_DENIED")],
)
async def test_queries_without_access(lab: Any, information: int, access: int, status: str) -> None:
    await lab.make("a")
    opened = await lab.open("a", access)
    with lab.fails(status):
        opened.query_security(information)
    await opened.close()


@pytest.mark.parametrize(("information", "access"), [(DACL, WRITE_OWNER), (OWNER, WRITE_DAC), (GROUP, WRITE_DAC)])
async def test_sets_without_access(lab: Any, information: int, access: int) -> None:
    await lab.make("a")
    opened = await lab.open("a", access)
    with lab.fails("ACCESS_DENIED"):
        opened.set_security(information, descriptor(f"O:{ALICE}G:{ALICE}D:"))
    await opened.close()


async def test_owner_must_be_somebody_the_user_is(lab: Any) -> None:
    opened = await lab.create("a")
    with lab.fails("INVALID_OWNER"):
        opened.set_security(OWNER, descriptor(f"O:{BOB}"))
    opened.set_security(OWNER, descriptor(f"O:{ALICE}"))
    with lab.fails("INVALID_SECURITY_DESCR"):
        opened.set_security(DACL, b"garbage")
    await opened.close()


async def test_a_changed_list_takes_effect_at_the_next_open(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a")
    await (await lab.open("a", READ, token=lab.bob)).close()
    opened.set_security(DACL, descriptor(f"D:P(A;;FA;;;{ALICE})"))
    with lab.fails("ACCESS_DENIED"):
        await lab.open("a", READ, token=lab.bob)
    await opened.close()


AUDIT = "S:(AU;SAFA;FA;;;WD)"
ACCESS_SYSTEM_SECURITY = 0x0100_0000


async def test_audit_entries_take_the_privilege(lab: Any) -> None:
    with lab.fails("PRIVILEGE_NOT_HELD"):
        await lab.create("a", security=descriptor(f"O:{ALICE}D:(A;;FA;;;WD){AUDIT}"))
    await lab.make("a")
    with lab.fails("PRIVILEGE_NOT_HELD"):
        await lab.open("a", ACCESS_SYSTEM_SECURITY)
    with lab.fails("PRIVILEGE_NOT_HELD"):
        await lab.create("b", ACCESS_SYSTEM_SECURITY | READ)
    opened = await lab.open("a", 0x0200_0000)
    with lab.fails("ACCESS_DENIED"):
        opened.query_security(SACL)
    with lab.fails("ACCESS_DENIED"):
        opened.set_security(SACL, descriptor(AUDIT))
    await opened.close()


@pytest.mark.parametrize("limit", [0x001F_01FF, 0x0012_00A9])
async def test_audit_entries_are_kept_for_who_has_the_privilege(lab: Any, limit: int) -> None:
    """Whatever the share grants: its list does not speak of ACCESS_SYSTEM_SECURITY."""
    auditor = Token(Sid.parse(BOB), frozenset({EVERYONE}), frozenset({SE_SECURITY}), "auditor")
    await lab.make("a")
    opened = await lab.open("a", ACCESS_SYSTEM_SECURITY | 0x0002_0000, token=auditor, access_limit=limit)
    opened.set_security(SACL, descriptor(AUDIT))
    told = SecurityDescriptor.decode(opened.query_security(SACL | DACL))
    await opened.close()
    assert told.sacl is not None
    assert [ace.sid for ace in told.sacl.aces] == [EVERYONE]
    opened = await lab.open("a", 0x0002_0000)
    assert SecurityDescriptor.decode(opened.query_security(OWNER | GROUP | DACL)).sacl is None
    await opened.close()


async def test_read_only_files_and_the_most_that_is_allowed(lab: Any) -> None:
    """[MS-FSA 2.1.5.1.2.1] MAXIMUM_ALLOWED leaves out what READONLY forbids; asking for it is refused."""
    await lab.make("a")
    opened = await lab.open("a")
    await lab.set_basic(opened, attributes=1)
    with lab.fails("CANNOT_DELETE"):
        await lab.dispose(opened)
    await opened.close()
    opened = await lab.open("a", 0x0200_0000)
    assert opened.granted_access == 0x001F_01FF & ~0x46
    await opened.close()
    for access, more in (
        (WRITE, {}),
        (STAT, {"disposition": c.FILE_OVERWRITE}),
        (STAT, {"disposition": c.FILE_SUPERSEDE}),
    ):
        with lab.fails("ACCESS_DENIED"):
            await lab.open("a", access, **more)
    with lab.fails("CANNOT_DELETE"):
        await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE)
    opened = await lab.open("a", DELETE)
    await lab.rename(opened, "b")
    await opened.close()
    opened = await lab.create("made read-only", file_attributes=1)
    await opened.write(0, b"its maker may write")
    await opened.close()


async def test_creator_owner_and_entries_for_one_level(lab: Any) -> None:
    """[MS-DTYP 2.5.3.4.4]"""
    await lab.mkdir("d")
    opened = await lab.open("d", token=lab.alice)
    opened.set_security(DACL, descriptor(f"D:P(A;OICIIO;GA;;;CO)(A;CINP;FR;;;{BOB})(A;OICI;FA;;;WD)"))
    await opened.close()
    await lab.make("d\\file", token=lab.bob)
    await lab.make("d\\folder", token=lab.bob, options=c.FILE_DIRECTORY_FILE)
    await lab.make("d\\folder\\below", token=lab.alice)

    async def entries(path: str) -> list[tuple[int, int, str]]:
        opened = await lab.open(path, 0x0002_0000)
        told = SecurityDescriptor.decode(opened.query_security(DACL))
        await opened.close()
        assert told.dacl is not None
        return [(ace.flags, ace.mask, str(ace.sid)) for ace in told.dacl.aces]

    every, read, owner = 0x001F_01FF, 0x0012_0089, "S-1-3-0"
    assert await entries("d\\file") == [(0, every, BOB), (0, every, "S-1-1-0")]
    assert await entries("d\\folder") == [
        (0, every, BOB),
        (11, 0x1000_0000, owner),
        (0, read, BOB),
        (3, every, "S-1-1-0"),
    ]
    assert await entries("d\\folder\\below") == [(0, every, ALICE), (0, every, "S-1-1-0")]
