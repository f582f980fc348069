from __future__ import annotations

from smbcore.nt.sid import EVERYONE, NETWORK, Sid
from smbcore.nt.token import SE_BACKUP, Token

USER = Sid.parse("S-1-5-21-1-2-3-1001")


def test_sids_hold_user_and_groups():
    token = Token(USER, frozenset({EVERYONE, NETWORK}), frozenset({SE_BACKUP}), "NAS/ann")
    assert token.sids == {USER, EVERYONE, NETWORK}
    assert token.primary_group == USER
    assert token.has_privilege(SE_BACKUP)
    assert not token.has_privilege("SeSecurityPrivilege")
    assert (token.anonymous, token.guest, token.administrator) == (False, False, False)


def test_tokens_compare_by_identity():
    assert Token(USER) != Token(USER)
    assert len({Token(USER), Token(USER)}) == 2
