"""The contexts that are understood, in the order in which their hooks run; contexts of other names are ignored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from smbcore.nt.status import NtError, Status
from smbcore.server.create_contexts.allocation_size import AllocationSize
from smbcore.server.create_contexts.app_instance import AppInstanceId, AppInstanceVersion
from smbcore.server.create_contexts.base import ContextHandler
from smbcore.server.create_contexts.durable_reconnect import DurableReconnect
from smbcore.server.create_contexts.durable_reconnect_v2 import DurableReconnectV2
from smbcore.server.create_contexts.durable_request import DurableRequest
from smbcore.server.create_contexts.durable_request_v2 import DurableRequestV2
from smbcore.server.create_contexts.extended_attributes import ExtendedAttributes
from smbcore.server.create_contexts.lease import Lease
from smbcore.server.create_contexts.maximal_access import MaximalAccess
from smbcore.server.create_contexts.on_disk_id import OnDiskId
from smbcore.server.create_contexts.security_descriptor import Security
from smbcore.server.create_contexts.timewarp import Timewarp

if TYPE_CHECKING:
    from smbcore.wire.create import CreateContext

ORDER: Final[tuple[type[ContextHandler], ...]] = (
    DurableReconnect,  # these two replace the whole open, so nothing else may have begun by then
    DurableReconnectV2,
    AppInstanceVersion,  # read by the next one only
    AppInstanceId,  # closes opens of a former self, before anything about the file is decided
    Timewarp,  # which version of the tree the path is looked up in: before anything that looks at the file
    ExtendedAttributes,  # these three only say how a created file begins; their order among each other is free
    Security,
    AllocationSize,
    Lease,  # claims the holder before the open, so that the open does not break its own lease
    DurableRequest,  # these two are granted by what the lease got
    DurableRequestV2,
    MaximalAccess,  # answers only
    OnDiskId,
)
_RANK: Final = {handler.name: rank for rank, handler in enumerate(ORDER)}


def parse_contexts(contexts: Iterable[CreateContext]) -> list[ContextHandler]:
    """Return handlers for the known contexts, ordered.

    Raises INVALID_PARAMETER for one that comes twice, or beside another that excludes it.
    """
    ranked = []
    for context in contexts:
        rank = _RANK.get(bytes(context.name))
        if rank is not None:
            ranked.append((rank, ORDER[rank](context.data)))
    if len(ranked) > 1:
        ranked.sort(key=_by_rank)
        for (rank, _), (following, _) in pairwise(ranked):
            if rank == following:
                raise NtError(Status.INVALID_PARAMETER, f"create context {ORDER[rank].name!r} twice")
        names = {ORDER[rank].name for rank, _ in ranked}
        for rank, _ in ranked:
            if names & ORDER[rank].excludes:
                raise NtError(Status.INVALID_PARAMETER, f"create context {ORDER[rank].name!r} beside another version")
    return [handler for _, handler in ranked]


def _by_rank(item: tuple[int, ContextHandler]) -> int:
    return item[0]
