from __future__ import annotations

import pytest

from smbcore.nt import security as s
from smbcore.nt import sid as w
from smbcore.nt.sddl import from_sddl, to_sddl
from smbcore.nt.security import Ace, Acl, SecurityDescriptor

TEXTS = [
    "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(D;;CCSD;;;S-1-5-21-1-2-3-500)(A;OICIIO;GA;;;CO)(A;ID;0x1301bf;;;AU)S:(AU;SAFA;FA;;;WD)",
    "D:(OA;CI;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;PS)",
    "D:(OA;;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;AU)",
    "D:ARAI",
    "D:P",
    "D:NO_ACCESS_CONTROL",
    "D:PNO_ACCESS_CONTROL",
    "S:(ML;;CC;;;LW)",
    "O:S-1-5-21-1-2-3-4",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives(text):
    sd = from_sddl(text)
    assert to_sddl(sd) == text
    assert to_sddl(SecurityDescriptor.decode(sd.encode())) == text


def test_meaning():
    """[MS-DTYP 2.5.1]"""
    sd = from_sddl("O:BAG:S-1-5-18 D:P (A;OICI;FRFX;;;WD) (D;;0x10000;;;BU)")
    assert (sd.owner, sd.group) == (w.ADMINISTRATORS, w.SYSTEM)
    assert sd.control == s.SE_SELF_RELATIVE | s.SE_DACL_PRESENT | s.SE_DACL_PROTECTED
    assert sd.dacl == Acl((Ace(0, 3, 0x1200A9, w.EVERYONE), Ace(1, 0, 0x10000, w.USERS)))


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "O:",
        "O:XX",
        "D:(A;;FA;;;WD",
        "D:(A;;FA;;WD)",
        "D:(Z;;FA;;;WD)",
        "D:(A;XX;FA;;;WD)",
        "D:(A;;QQ;;;WD)",
        "D:Q(A;;FA;;;WD)",
        "O:BAO:BA",
    ],
)
def test_malformed_text_is_refused(text):
    with pytest.raises(ValueError):
        from_sddl(text)


def test_entries_without_text_form_are_refused():
    sd = SecurityDescriptor(dacl=Acl((Ace(9, 0, 1, w.EVERYONE, b"artx"),)))
    with pytest.raises(ValueError, match="no text form"):
        to_sddl(sd)
