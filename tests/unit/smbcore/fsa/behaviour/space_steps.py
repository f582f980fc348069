"""What the tests of counted space have in common."""

from __future__ import annotations

from typing import Any

from smbcore.fsa.space import Space
from smbcore.fsa.space_rules import QuotaEntry, SpaceRules
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file
from smbcore.nt.token import Token

K = 1024
LIMIT = 256 * K
OWNED = SpaceRules(tracks=True, enforces=True, default=QuotaEntry(limit=64 * K))


def space_of(lab: Any) -> Space:
    space = lab.volume.space
    assert isinstance(space, Space)
    return space


async def check(lab: Any, used: int) -> None:
    """Expect `used` bytes, as we account for them and as a count from nothing finds."""
    space = space_of(lab)
    await space.ready()
    assert space.used == used
    assert sum(space.by_owner.values()) == used
    await space.count()
    assert space.used == used
    assert sum(space.by_owner.values()) == used


async def reserve(opened: Any, size: int) -> None:
    await opened.set_information(ic.FILE_ALLOCATION_INFORMATION, file.AllocationInformation(size).encode())


def boss(lab: Any) -> Token:
    """Somebody who may make others the owners of files."""
    return Token(lab.alice.user, lab.alice.groups, name="boss", administrator=True)
