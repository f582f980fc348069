"""Space of a share: what its page shows of it, and the limits of users."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.datastructures import FormData

from appliance.models.space import QuotaChange, ShareUsage
from appliance.pages.context import Page, PageContext, Posted, text, ticked, version_of
from appliance.pages.forms import FormErrors
from appliance.pages.rendering import done
from appliance.problems import Problem, invalid
from appliance.services import people, shares, space
from smbcore.state.quotas import MOST_BYTES, NO_LIMIT

router = APIRouter(prefix="/shares/{name}/quotas")

_MIB = 1 << 20


def usage_or_reason(page: PageContext, name: str) -> tuple[ShareUsage | None, str]:
    """Return what a share takes; where that cannot be told, None and why."""
    try:
        return space.usage(page.work, name), ""
    except Problem as problem:
        return None, problem.title if problem.status == 503 else problem.detail or problem.title


def options_of(form: FormData) -> dict[str, Any]:
    """Return the options of space that a form of a share holds.

    Errors: Problem 422 at what is no number
    """
    found: dict[str, Any] = {}
    if "size_limit" in form:
        limit = _mib(form, "size_limit") or 0
        if limit % _MIB:
            raise invalid("size_limit", "Give a whole number of MiB, or nothing for no limit.")
        found["size_limit_mib"] = limit // _MIB
    if "quota" in form:
        found["quota"] = text(form, "quota")
    for name in ("quota_limit", "quota_threshold"):
        if name in form:
            given = _mib(form, name)
            found[name] = NO_LIMIT if given is None else given
    _check_threshold("quota_threshold", found.get("quota_threshold", NO_LIMIT), found.get("quota_limit", NO_LIMIT))
    return found


def values_of(options: dict[str, Any]) -> dict[str, str]:
    """Return the inputs for options as they are stored."""
    shown = {"size_limit": str(options["size_limit_mib"] or ""), "quota": str(options["quota"])}
    for name in ("quota_limit", "quota_threshold"):
        shown[name] = "" if options[name] == NO_LIMIT else mib(options[name])
    return shown


def echo(form: FormData) -> dict[str, str]:
    """Return what was typed, to be shown again."""
    return {name: text(form, name) for name in ("size_limit", "quota", "quota_limit", "quota_threshold")}


def mib(count: int) -> str:
    """Return bytes in MiB, exactly."""
    return f"{(Decimal(count) / _MIB).normalize():f}"


def _mib(form: FormData, name: str) -> int | None:
    """Return the bytes in an input in MiB, None where it is empty.  Raises Problem 422."""
    typed = text(form, name)
    if not typed:
        return None
    try:
        count = Decimal(typed) * _MIB
        if not 0 <= count <= MOST_BYTES or count != int(count):
            raise ValueError
    except (InvalidOperation, ValueError, OverflowError):
        raise invalid(name, "Give a number of MiB, or nothing for no limit.") from None
    return int(count)


def _check_threshold(name: str, threshold: int, limit: int) -> None:
    """Raise Problem 422 where nobody would be warned before the limit."""
    if NO_LIMIT not in (threshold, limit) and threshold > limit:
        raise invalid(name, "This is above the limit: nobody would be warned in time.")


@router.get("")
def show(page: Page, name: str) -> Response:
    """Show what each owner may take, with a form to change it."""
    return _draw(page, name, {"owner": "", "limit": "", "threshold": ""}, FormErrors())


@router.post("")
def change(page: Page, name: str, form: Posted) -> Response:
    """Set or remove the limit of one owner."""
    errors = FormErrors()
    owner, expected = text(form, "owner"), version_of(form)
    with errors.noted():
        if ticked(form, "remove"):
            applied = space.remove_quota(page.work, name, owner, expected)
        else:
            wanted = QuotaChange(limit=_mib(form, "limit"), threshold=_mib(form, "threshold"))
            limit = NO_LIMIT if wanted.limit is None else wanted.limit
            _check_threshold("threshold", NO_LIMIT if wanted.threshold is None else wanted.threshold, limit)
            applied = space.set_quota(page.work, name, owner, wanted, expected)
        later = "" if applied else " The SMB server is not running; it reads the change when it starts."
        return done(page.request, f"/shares/{name}/quotas", f"The limits of {name} were changed.{later}")
    values = {field: text(form, field) for field in ("owner", "limit", "threshold")}
    return _draw(page, name, values, errors)


def _draw(page: PageContext, name: str, values: dict[str, str], errors: FormErrors) -> Response:
    with page.work.engine.connect() as connection:
        share = shares.get_share(connection, name)
        users = people.list_users(connection)
    found, reason = usage_or_reason(page, share.name)
    return page.render(
        "pages/share_quotas.html",
        status=422 if errors else 200,
        share=share,
        space=found,
        reason=reason,
        users=users,
        values=values,
        errors=errors,
        mib=mib,
    )
