"""Who works on a volume in the tests that let local programs work on it too."""

from __future__ import annotations

from smbcore.fsa.api import BreakNotice
from smbcore.nt.sddl import from_sddl
from smbcore.nt.sid import EVERYONE, Sid
from smbcore.nt.token import Token

ALICE = Token(Sid.parse("S-1-5-21-1-2-3-1000"), frozenset({EVERYONE}), name="alice")
EVERYBODY = from_sddl("O:BAG:BAD:(A;OICI;FA;;;WD)").encode()


class Holder:
    """Holds a lease, and writes down the notices of its breaks."""

    def __init__(self) -> None:
        self.notices: list[BreakNotice] = []

    def oplock_broken(self, notice: BreakNotice) -> None:
        self.notices.append(notice)

    def caching_changed(self) -> None:
        """Nothing is written down of it."""

    def break_timed_out(self) -> None:
        """Nor of this."""
