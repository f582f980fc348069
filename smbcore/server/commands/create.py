"""Receiving an SMB2 CREATE Request  [MS-SMB2 3.3.5.9].

The phases are those of the specification: parse the contexts, validate the request, open the file (which may wait for
the breaks of others), acquire an oplock or lease, build the response; whatever fails after the open undoes it.
"""

from __future__ import annotations

from typing import Any, Final

from smbcore.fsa.api import Caching, OpenParameters, OplockLevel
from smbcore.nt.attributes import FILE_ATTRIBUTE_NORMAL
from smbcore.nt.create import FILE_OPENED
from smbcore.nt.status import NtError, Status
from smbcore.server.create_contexts.base import WIRE_LEVELS, CreatePlan
from smbcore.server.create_contexts.order import parse_contexts
from smbcore.server.open import SmbOpen
from smbcore.server.pipe import PipeFile
from smbcore.server.reporting import report
from smbcore.server.request import SmbRequest
from smbcore.wire.create import (
    OPLOCK_BATCH,
    OPLOCK_EXCLUSIVE,
    OPLOCK_LEVEL_II,
    OPLOCK_NONE,
    CreateContext,
    CreateRequest,
    CreateResponse,
)

_RESERVED_ACCESS: Final = 0x0CE0FE00
_ANY_RIGHT: Final = 0xF31F01FF
_MAX_DISPOSITION: Final = 5
_MAX_IMPERSONATION: Final = 3
_RESERVED_OPTIONS: Final = 0xFF000000
_LEVELS: Final = {
    OPLOCK_LEVEL_II: OplockLevel.LEVEL_TWO,
    OPLOCK_EXCLUSIVE: OplockLevel.LEVEL_ONE,
    OPLOCK_BATCH: OplockLevel.BATCH,
}


async def create(rq: SmbRequest, msg: CreateRequest) -> CreateResponse:
    """Open or create a file, directory, stream or pipe; raises every status of the section and of MS-FSA 2.1.5.1."""
    if rq.tree.share.is_pipe:
        return open_pipe(rq, msg)
    return await open_file(rq, msg)


async def open_file(rq: SmbRequest, msg: CreateRequest) -> CreateResponse:
    """Open a file of a disk share, or find the open that the request means."""
    contexts = parse_contexts(msg.contexts) if msg.contexts else []
    check_room(rq)
    plan = CreatePlan(
        rq, msg, contexts,
        OpenParameters(
            msg.name, rq.session.token, msg.desired_access, msg.share_access, msg.create_disposition,
            msg.create_options,
            msg.file_attributes, rq.tree.maximal_access,
        ),
    )  # fmt: skip
    for context in contexts:
        plan.open = context.find_open(plan)
        if plan.open is not None:
            plan.file = plan.open.file
            plan.open.channel_sequence = rq.sequence
            return await found_open(plan, plan.open)
    validate(msg)
    try:
        plan.file = await open_execution(plan)
    except BaseException:
        undo(plan)
        raise
    try:
        return await successful_open(plan)
    except BaseException:
        await failed_open(plan)
        raise


async def found_open(plan: CreatePlan, open_: SmbOpen) -> CreateResponse:
    """Answer with an open that was there.  Raises OBJECT_NAME_NOT_FOUND where it ends while its return is stored."""
    for step in plan.last:
        await step()
    if open_.closed:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "the open was closed by somebody else")
    return response(plan)


def check_room(rq: SmbRequest) -> None:
    """Raise TOO_MANY_OPENED_FILES where the session has as many opens as it may have.

    The documents leave the status open. This one says what has run out, and it is what the file system below says of
    its own limit, so that clients know it as EMFILE; INSUFFICIENT_RESOURCES is for what is no file.
    """
    if len(rq.session.opens) >= rq.server.config.limits.opens_per_session:
        status = Status.TOO_MANY_OPENED_FILES
        report(
            rq.connection,
            rq.session,
            "open.limit",
            "session_limit",
            what=f"files of {rq.tree.share.name}",
            status=status,
        )
        raise NtError(status, "too many opens in this session")


async def open_execution(plan: CreatePlan) -> Any:
    """Prepare what the contexts ask for, and open the file."""
    for context in plan.contexts:
        context.before_open(plan)
    for step in plan.first:
        await step()
    return await plan.rq.suspend(plan.rq.tree.volume().open_file(plan.parameters))


def validate(msg: CreateRequest) -> None:
    """Check what needs no file  [MS-SMB2 3.3.5.9 "Path Name Validation" and before]."""
    if msg.impersonation_level > _MAX_IMPERSONATION:
        raise NtError(Status.BAD_IMPERSONATION_LEVEL, f"impersonation level {msg.impersonation_level}")
    if msg.create_disposition > _MAX_DISPOSITION or msg.create_options & _RESERVED_OPTIONS or msg.share_access & ~7:
        raise NtError(Status.INVALID_PARAMETER, "disposition, options or share access")
    if msg.desired_access & _RESERVED_ACCESS or not msg.desired_access & _ANY_RIGHT:
        raise NtError(Status.ACCESS_DENIED, f"desired access {msg.desired_access:#x}")
    if msg.name.startswith("\\"):
        raise NtError(Status.INVALID_PARAMETER, "the name begins with a backslash")


async def successful_open(plan: CreatePlan) -> CreateResponse:
    """Make the SMB open, acquire its oplock or lease, and store what the response will promise."""
    rq, file = plan.rq, plan.file
    if rq.tree.closed or (rq.connection.closed and not rq.outlives):
        raise NtError(Status.NETWORK_NAME_DELETED, "the tree connect went away while the open waited")
    open_ = plan.open = SmbOpen(rq.tree, file, rq.server.next_key(), rq.server.next_volatile_id())
    open_.channel_sequence = rq.sequence
    if plan.parameters.token is not rq.session.token:
        signed_in_anew(plan, open_)
    if plan.msg.oplock_level in _LEVELS and not file.is_directory and not rq.server.conduct.withholds(rq.session):
        grant = file.request_oplock(_LEVELS[plan.msg.oplock_level], Caching.NONE, open_, None)
        plan.oplock_level = WIRE_LEVELS[grant.level]
    for context in plan.contexts:
        context.after_open(plan)
    for step in plan.last:
        await step()
    if open_.closed and (open_.record is None or open_.record.holder is open_):  # and not kept for its client
        raise NtError(Status.NETWORK_NAME_DELETED, "the open was closed while its record was stored")
    return response(plan)


def signed_in_anew(plan: CreatePlan, open_: SmbOpen) -> None:
    """The session's user changed while the open waited: it belongs to whoever asked for it, others use it now."""
    open_.ensure_record(plan.rq.connection.client_guid).owner = plan.parameters.token.user
    plan.file.act_as(plan.rq.session.token)


def response(plan: CreatePlan) -> CreateResponse:
    """Build the response for the open of the plan."""
    open_, file = plan.open, plan.file
    assert open_ is not None
    answers = []
    for context in plan.contexts:
        data = context.reply(plan)
        if data is not None:
            answers.append(CreateContext(context.name, data))
    if plan.rq.chain is not None:
        plan.rq.chain.file_id = open_.file_id
    info = file.info()
    return CreateResponse(
        plan.oplock_level, 0, file.create_action, info.creation_time, info.last_access_time, info.last_write_time,
        info.change_time, info.allocation_size, info.end_of_file, info.attributes or FILE_ATTRIBUTE_NORMAL,
        open_.file_id,
        answers,
    )  # fmt: skip


async def failed_open(plan: CreatePlan) -> None:
    """Undo: nothing of a failed CREATE stays behind."""
    try:
        if plan.open is not None:
            await plan.open.close()
        else:
            await plan.file.close()
    finally:
        undo(plan)


def undo(plan: CreatePlan) -> None:
    """Let the contexts take back what they did before the open."""
    for context in plan.contexts:
        context.undo(plan)


def open_pipe(rq: SmbRequest, msg: CreateRequest) -> CreateResponse:
    """Open a named pipe of IPC$.  Raises OBJECT_NAME_NOT_FOUND for an unknown one."""
    if msg.impersonation_level > _MAX_IMPERSONATION:
        raise NtError(Status.BAD_IMPERSONATION_LEVEL, f"impersonation level {msg.impersonation_level}")
    check_room(rq)
    pipe = rq.server.pipes.open(msg.name, rq.server.pipe_context(rq.session))
    if pipe is None:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no pipe {msg.name!r}")
    open_ = SmbOpen(
        rq.tree, PipeFile(pipe, msg.name, msg.share_access), rq.server.next_key(), rq.server.next_volatile_id()
    )
    if rq.chain is not None:
        rq.chain.file_id = open_.file_id
    return CreateResponse(OPLOCK_NONE, 0, FILE_OPENED, 0, 0, 0, 0, 4096, 0, FILE_ATTRIBUTE_NORMAL, open_.file_id)
