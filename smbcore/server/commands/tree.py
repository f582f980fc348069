"""Receiving SMB2 TREE_CONNECT and TREE_DISCONNECT Requests  [MS-SMB2 3.3.5.7, 3.3.5.8]."""

from __future__ import annotations

from smbcore.nt.status import NtError, Status
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.keys import DIALECT_311
from smbcore.server.request import SmbRequest
from smbcore.server.tree_connect import SmbTreeConnect
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.tree_connect import TreeConnectRequest, TreeConnectResponse
from smbcore.wire.tree_disconnect import TreeDisconnectRequest, TreeDisconnectResponse

MAX_SHARE_NAME = 80


def share_name(path: str) -> str:
    r"""Return the share of `\\server\share`.  Raises BAD_NETWORK_NAME for another form or a name that is too long."""
    parts = path.split("\\")
    if len(parts) != 4 or parts[0] or parts[1] or not parts[3] or len(parts[3]) > MAX_SHARE_NAME:
        raise NtError(Status.BAD_NETWORK_NAME, f"no share in {path!r}")
    return parts[3]


async def tree_connect(rq: SmbRequest, msg: TreeConnectRequest) -> TreeConnectResponse:
    """Connect the session to a share.

    Raises BAD_NETWORK_NAME (no such share, or its folder cannot be used), ACCESS_DENIED (access list, or the share
    wants encryption that the client lacks), NETWORK_NAME_DELETED (it was ended before it was granted).
    """
    session = rq.session
    keyless = session.guest or session.token.anonymous
    if rq.dialect == DIALECT_311 and not keyless and not rq.sealed and not rq.flags & FLAG_SIGNED:
        raise ProtocolViolation("TREE_CONNECT neither signed nor encrypted")
    share = rq.server.shares.find(share_name(msg.path), rq.connection)
    if share is None:
        raise NtError(Status.BAD_NETWORK_NAME, f"no share in {msg.path!r}")
    if share.encryption_required and session.sealer is None:
        raise NtError(Status.ACCESS_DENIED, "the share wants encryption, the session has none")
    access = share.maximal_access(session.token)
    if not access:
        raise NtError(Status.ACCESS_DENIED, f"{session.user} may not use {share.name}")
    folder = None
    if not share.is_pipe:
        folder = rq.connection.folder_in(share, session.token)
        share.volume(folder)
    tree = SmbTreeConnect(session, share, access, rq.server.next_key(), folder)
    rq.tree_id = tree.tree_id
    if rq.chain is not None:
        rq.chain.tree_id = tree.tree_id
    rq.server.tree_opened(tree)
    await rq.server.promise("tcon", tree.key, tree)
    if tree.closed:
        raise NtError(Status.NETWORK_NAME_DELETED, "the tree connect was ended while its record was stored")
    return TreeConnectResponse(share.share_type, share.share_flags, share.capabilities(rq.connection), access)


async def tree_disconnect(rq: SmbRequest, _msg: TreeDisconnectRequest) -> TreeDisconnectResponse:
    """End the tree connect; what is open through it is closed for good."""
    rq.tree.close()
    return TreeDisconnectResponse()
