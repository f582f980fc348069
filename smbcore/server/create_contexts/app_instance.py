"""SMB2_CREATE_APP_INSTANCE_ID and _VERSION  [MS-SMB2 3.3.5.9.13, 3.3.5.9.16].

An application that failed over to another node opens its files anew, from another client. What its former self still
has open there is closed first: nobody is behind it any more.
"""

from __future__ import annotations

import logging
from functools import partial

from smbcore.nt.access import FILE_READ_DATA
from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300, DIALECT_311
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.server.create_contexts.lease import Lease
from smbcore.server.lease import lease_name
from smbcore.server.open import SmbOpen
from smbcore.server.record import OpenRecord
from smbcore.wire import create_contexts as wire
from smbcore.wire.types import Buffer

log = logging.getLogger(__name__)


class AppInstanceVersion(ContextHandler):
    """Which incarnation of the application this is: an older one must not take files from a newer one."""

    __slots__ = ("version",)
    name = wire.APP_INSTANCE_VERSION

    def __init__(self, data: Buffer) -> None:
        decoded = wire.AppInstanceVersion.decode(data)
        self.version = decoded.high, decoded.low


class AppInstanceId(ContextHandler):
    """Close what the same application has open of this file through another client, and give the open its name."""

    __slots__ = ("_app_instance",)
    name = wire.APP_INSTANCE_ID

    def __init__(self, data: Buffer) -> None:
        self._app_instance = wire.AppInstanceId.decode(data).app_instance_id

    def before_open(self, plan: CreatePlan) -> None:
        """Find the opens of the former self.  Raises FILE_FORCED_CLOSED where that is a newer incarnation."""
        if plan.rq.dialect < DIALECT_300:
            return
        former = [r for r in plan.rq.server.index.of_application(self._app_instance) if _is_former(plan, r)]
        if any(_is_newer(plan, record) for record in former):
            raise NtError(Status.FILE_FORCED_CLOSED, "a newer incarnation has the file open")
        for record in former:
            plan.first.append(partial(_close, record))

    def after_open(self, plan: CreatePlan) -> None:
        """Note the name."""
        if plan.rq.dialect < DIALECT_300:
            return
        assert plan.open is not None
        record = plan.open.ensure_record(plan.rq.connection.client_guid)
        record.app_instance, record.app_version = self._app_instance, _version(plan)
        plan.rq.server.index.add(record)


def _version(plan: CreatePlan) -> tuple[int, int] | None:
    context = plan.find(AppInstanceVersion)
    return context.version if context is not None and plan.rq.dialect >= DIALECT_311 else None


def _is_newer(plan: CreatePlan, record: OpenRecord) -> bool:
    """Tell whether a former self is not older than this one. Who does not say how old it is, is older than who does."""
    if record.app_version is None:
        return False
    if plan.find(AppInstanceVersion) is None:
        return True
    version = _version(plan)
    return version is not None and version <= record.app_version


def _is_former(plan: CreatePlan, record: OpenRecord) -> bool:
    """Tell whether an open of this application is its former self: the same file, another client, and ours to read."""
    rq, holder = plan.rq, record.holder
    if record.client_guid == rq.connection.client_guid or holder.share is not rq.tree.share:
        return False
    file = holder.file
    if lease_name(holder.share.name, file.path, file.stream) != Lease.file_name(plan):
        return False
    allowed = file.volume.security.maximal_access(file.node.security(), rq.session.token) & rq.tree.maximal_access
    return bool(allowed & FILE_READ_DATA)


async def _close(record: OpenRecord) -> None:
    holder = record.holder
    log.info("open %#x of %s closed: its application opened it from another client", holder.key, holder.file.path)
    if isinstance(holder, SmbOpen):
        await holder.close(asked=False)
    else:
        await holder.close_now()
