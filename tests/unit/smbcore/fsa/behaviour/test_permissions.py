"""Access checks against descriptors  [MS-FSA 2.1.5.1.2.1, 2.1.5.14, 2.1.5.17]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.nt import create as c
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import SecurityDescriptor

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
