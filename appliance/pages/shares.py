"""Shares: list, create, edit, remove, and who may use them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy import Connection
from starlette.datastructures import FormData

from appliance.models.shares import AccessLine, Share, ShareCreate
from appliance.pages import space
from appliance.pages.context import Page, PageContext, Posted, text, ticked, version_of
from appliance.pages.forms import FormErrors
from appliance.pages.rendering import done, is_fragment_request
from appliance.services import people, shares
from appliance.services.activity import ActivityFilter, list_opens, list_sessions
from appliance.services.folders import is_usable
from appliance.services.paging import PageRequest

router = APIRouter(prefix="/shares")

PURPOSES = (
    ("team", "users", "Team folder", "People work on the same files."),
    ("archive", "layers", "Archive", "Everybody reads, nobody changes."),
    ("backup", "hard-drive", "Backup target", "Programs write large files."),
    ("drop", "folder-plus", "Drop box", "People hand in files."),
)
FLAGS = ("enabled", "read_only", "browsable", "encrypt", "abe", "continuously_available", "guest_ok")
OPTIONS = (
    ("durable", "Grant durable handles", "Open files survive a short loss of the connection."),
    ("leases", "Grant leases", "Clients may cache across several handles."),
    ("oplocks", "Grant opportunistic locks", "Older clients may cache."),
    ("change_notify", "Tell clients about changes", "Clients may watch folders."),
    ("inotify", "Report changes made on the server itself", ""),
    ("streams", "Offer alternate data streams", "Windows and macOS keep extra data in them."),
    ("hide_dot_files", "Show files that begin with a dot as hidden", ""),
    ("delete_readonly", "Let read-only files be deleted", ""),
    ("case_sensitive", "Tell names apart that differ only in case", ""),
    ("personal_folders", "A folder of their own for every user", "Users see nothing else of the share."),
    (
        "kernel_oplocks",
        "Clients cache only what no program on the server has open",
        "For folders that programs on the server work in, too.",
    ),
    ("posix_locks", "Locks of clients and of programs on the server exclude each other", ""),
    (
        "rename_beside_delete",
        "Rename in folders that a client has open for deletion",
        "As newer versions of Windows allow it.",
    ),
)
_ACCESS = "access:"
_SHOWN = 100


@router.get("")
def index(page: Page) -> Response:
    """List the shares."""
    with page.work.engine.connect() as connection:
        found = shares.list_shares(connection)
    template = "fragments/shares.html" if is_fragment_request(page.request) else "pages/shares.html"
    return page.render(template, shares=found)


@router.get("/new")
def show_new(page: Page) -> Response:
    """Show an empty form."""
    folder = page.state.installation.directory.path / "shares"
    values = {"name": "", "path": f"{folder}/", "comment": "", "purpose": "team", "create_folder": True}
    flags = {flag: flag in ("enabled", "browsable", "abe") for flag in FLAGS}
    return _draw_form(page, None, values | flags, {"everyone": "change"}, FormErrors())


@router.post("/new")
def create(page: Page, form: Posted) -> Response:
    """Create a share."""
    errors = FormErrors()
    with errors.noted():
        wanted = ShareCreate.model_validate(_given(form) | {"create_folder": ticked(form, "create_folder")})
        saved = shares.create_share(page.work, wanted)
        return done(page.request, f"/shares/{saved.share.name}", _said("created", saved))
    return _draw_form(page, None, _echo(form), _levels(form), errors)


@router.get("/{name}")
def show(page: Page, name: str) -> Response:
    """Show a share: what it is, who may use it, and who does."""
    with page.work.engine.connect() as connection:
        found = shares.get_share(connection, name)
        wanted = ActivityFilter(share=found.name)
        sessions = list_sessions(connection, wanted, PageRequest(_SHOWN)).items
        opens = list_opens(connection, wanted, PageRequest(_SHOWN))
    template = "fragments/share.html" if is_fragment_request(page.request) else "pages/share.html"
    taken, reason = space.usage_or_reason(page, found.name)
    return page.render(
        template,
        share=found,
        space=taken,
        reason=reason,
        is_usable=is_usable(found.path),
        sessions=sessions,
        found=opens,
        host=page.request.url.hostname or "",
    )


@router.get("/{name}/edit")
def show_edit(page: Page, name: str) -> Response:
    """Show the form of a share."""
    with page.work.engine.connect() as connection:
        found = shares.get_share(connection, name)
    values = found.model_dump() | {"create_folder": False}
    values["space"] = space.values_of(values["options"])
    levels = {line.principal: line.level for line in found.access}
    return _draw_form(page, found, values, dict(levels), FormErrors())


@router.post("/{name}/edit")
def change(page: Page, name: str, form: Posted) -> Response:
    """Change a share."""
    errors = FormErrors()
    with page.work.engine.connect() as connection:
        found = shares.get_share(connection, name)
    with errors.noted({"options.size_limit_mib": "size_limit"}):
        changes = _given(form)
        changes["access"] = [AccessLine.model_validate(line) for line in changes["access"]]
        changes["options"] = _options(form) | space.options_of(form)
        saved = shares.change_share(page.work, name, changes, version_of(form))
        return done(page.request, f"/shares/{saved.share.name}", _said("changed", saved))
    return _draw_form(page, found, _echo(form), _levels(form), errors)


@router.get("/{name}/remove")
def ask_remove(page: Page, name: str) -> Response:
    """Show what removing a share would do."""
    with page.work.engine.connect() as connection:
        found = shares.get_share(connection, name)
        impact = shares.removal_impact(connection, name)
    template = "dialogs/confirm.html" if is_fragment_request(page.request) else "pages/confirm.html"
    return page.render(
        template,
        impact=impact,
        title=f"Remove the share {found.name}?",
        action=f"/shares/{found.name}/remove",
        verb="Remove share",
        keep="Keep share",
        unaffected=f"The files stay on disk, in {found.path}.",
        back=f"/shares/{found.name}",
    )


@router.post("/{name}/remove")
def remove(page: Page, name: str, form: Posted) -> Response:
    """Remove a share, not its files."""
    applied = shares.remove_share(page.work, name, None)
    later = "" if applied else " The SMB server is not running."
    return done(page.request, "/shares", f"The share {name} was removed; its files stay on disk.{later}")


def _given(form: FormData) -> dict[str, Any]:
    flags = {flag: ticked(form, flag) for flag in FLAGS}
    texts = {name: text(form, name) for name in ("name", "path", "comment", "purpose")}
    access = [{"principal": principal, "level": level} for principal, level in _levels(form).items()]
    return texts | flags | {"access": access}


def _levels(form: FormData) -> dict[str, str]:
    """Return the level per principal, as chosen in the access table."""
    found = {}
    for name, value in form.multi_items():
        if name.startswith(_ACCESS) and isinstance(value, str) and value:
            found[name.removeprefix(_ACCESS)] = value
    return found


def _echo(form: FormData) -> dict[str, Any]:
    """Return what was typed, to be shown again."""
    values = _given(form) | {"create_folder": ticked(form, "create_folder")}
    return values | {"options": _options(form), "space": space.echo(form)}


def _options(form: FormData) -> dict[str, bool]:
    return {name: ticked(form, f"option:{name}") for name, _, _ in OPTIONS}


def _draw_form(
    page: PageContext, share: Share | None, values: dict[str, Any], levels: dict[str, str], errors: FormErrors
) -> Response:
    with page.work.engine.connect() as connection:
        principals = _principals(connection, levels)
    return page.render(
        "pages/share_form.html",
        status=422 if errors else 200,
        share=share,
        values=values,
        levels=levels,
        principals=principals,
        purposes=PURPOSES,
        options=OPTIONS,
        errors=errors,
    )


def _principals(connection: Connection, levels: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return everybody who can stand in an access list: (principal, name, kind)."""
    found = [("everyone", "Everyone who can sign in", "everyone")]
    found += [(f"group:{group.name}", group.name, "group") for group in people.list_groups(connection)]
    found += [(f"user:{user.name}", user.full_name or user.name, "user") for user in people.list_users(connection)]
    known = {principal for principal, _, _ in found}
    found += [(other, other.partition(":")[2], "sid") for other in levels if other not in known]
    return found


def _said(verb: str, saved: shares.Saved) -> str:
    later = "" if saved.applied else " The SMB server is not running; it reads the change when it starts."
    return f"The share {saved.share.name} was {verb}.{later}"
