"""What the messages of a session must be protected with: signatures, encryption  [MS-SMB2 3.3.5.5.3].

The server, the client and the account may demand it, each for itself; the strictest counts. What is demanded of a
session only grows: a reauthentication takes nothing back. The server's and the client's demands are heard when a
session is made, an account's again with every new proof of who its user is. A session that had no keys from the start
(guest, anonymous) can be held to nothing, so nobody of whom something is demanded may take it over.

Clients learn that they must encrypt from the answer to SESSION_SETUP. There is no such word for signing: a client signs
by its own setting or because the server demands it of everybody. One that does not is refused with every request.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from smbcore.server.config import Encryption
from smbcore.server.reporting import Unprotected
from smbcore.server.session import dialect_name
from smbcore.wire.negotiate import SecurityMode

if TYPE_CHECKING:
    from smbcore.auth.accounts import Identity
    from smbcore.server.connection import SmbConnection
    from smbcore.server.session import SmbSession

log = logging.getLogger(__name__)


def protect_new(session: SmbSession, connection: SmbConnection, identity: Identity, client_mode: int) -> None:
    """Demand of a new session what server, client and account demand.

    client_mode  SecurityMode of the client's NEGOTIATE and SESSION_SETUP together
    Raises ACCESS_DENIED where encryption is demanded and the connection has none.
    """
    config = session.server.config
    announced = bool(client_mode & SecurityMode.SIGNING_REQUIRED)
    _demand_encryption(session, connection, identity)
    session.signing_required = announced or config.signing_required or identity.signing_required
    if identity.signing_required and not (announced or config.signing_required or session.encryption_required):
        log.info(
            "%s user=%s must sign, which its client does not announce: unsigned requests are refused",
            connection.name,
            identity.name,
        )


def protect_again(session: SmbSession, connection: SmbConnection, identity: Identity) -> None:
    """Demand of a session whose user proved again who he is what his account demands by now.

    Raises ACCESS_DENIED where the session cannot do it.
    """
    config = session.server.config
    if session.signer is None and not (identity.token.anonymous or identity.token.guest):
        if config.signing_required or identity.signing_required:
            raise Unprotected("unsigned", f"{identity.name} must sign, and the session has no keys")
        _demand_encryption(session, connection, identity)
    elif identity.encryption_required:
        _demand_encryption(session, connection, identity)
    if identity.signing_required:
        session.signing_required = True


def check_binding(session: SmbSession, identity: Identity) -> None:
    """Refuse a further channel for a session that does not do what its account demands by now.

    Raises ACCESS_DENIED. To make the session stricter here would be a surprise for its client, who has not asked for
    a new sign-in and does not look for such news on another connection.
    """
    if identity.signing_required and not session.signing_required:
        raise Unprotected("unsigned", f"{identity.name} must sign, and the session began without")
    if identity.encryption_required and not session.encryption_required:
        raise Unprotected("unencrypted", f"{identity.name} must encrypt, and the session began without")


def _demand_encryption(session: SmbSession, connection: SmbConnection, identity: Identity) -> None:
    required = session.server.config.encryption is Encryption.REQUIRED
    if not required and not identity.encryption_required:
        return
    if session.sealer is None:
        who = "everybody" if required else identity.name
        dialect = dialect_name(connection.dialect)
        raise Unprotected("unencrypted", f"{who} must encrypt, which this connection cannot (SMB {dialect})")
    session.encryption_required = True
