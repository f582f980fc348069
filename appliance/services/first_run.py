"""Set-up: the first administrator, the first user and the first share, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from appliance.problems import Problem
from appliance.services.folders import prepare_folder
from appliance.services.setup import is_setup_needed
from appliance.services.work import Deed, Work
from smbcore.state import accounts, shares
from smbcore.state.configuration import ShareAccess
from smbcore.state.errors import StateError
from smbcore.state.passwords import Credentials
from smbcore.state.setup_codes import use_setup_code


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What the set-up page asks for.

    code              from the set-up link
    user, share_name  empty to go without
    """

    code: str
    administrator: str
    administrator_password: str
    user: str = ""
    user_full_name: str = ""
    user_password: str = ""
    share_name: str = ""
    share_path: str = ""
    create_folder: bool = True


def set_up(work: Work, wanted: FirstRun) -> None:
    """Do everything or nothing.

    Errors:  Problem 403  the code is not valid (any more)
             StateError   a field is not possible; `field` is one of FirstRun's
    """
    administrator = _derive(work, "administrator_password", wanted.administrator_password)
    user = _derive(work, "user_password", wanted.user_password) if wanted.user else None
    deed = Deed("setup", f"administrator {wanted.administrator}")
    with work.change(deed) as connection:
        if not is_setup_needed(connection) or not use_setup_code(connection, wanted.code, now=work.now):
            raise link_invalid()
        with _field("administrator"):
            new = accounts.NewAccount(wanted.administrator, role="administrator")
            accounts.create_account(connection, work.key, new, administrator, now=work.now)
        if user is not None:
            with _field("user"):
                new = accounts.NewAccount(wanted.user, wanted.user_full_name)
                accounts.create_account(connection, work.key, new, user, now=work.now)
        if wanted.share_name:
            with _field("share_name"):
                _create_share(work, wanted, connection)
    work.reload()


def link_invalid() -> Problem:
    """The set-up link cannot be used (any more)."""
    return Problem(
        403,
        "setup-link-invalid",
        "This set-up link is not valid",
        "It was used already, or it has expired. On the server, `holdfast setup-url` prints a new one.",
    )


def _create_share(work: Work, wanted: FirstRun, connection: Connection) -> None:
    prepare_folder(wanted.share_path, create=wanted.create_folder)
    access = (ShareAccess("everyone", "change"),)
    new = shares.NewShare(wanted.share_name, wanted.share_path, purpose="team", access=access)
    shares.create_share(connection, new, now=work.now)


def _derive(work: Work, field: str, password: str) -> Credentials:
    try:
        return work.passwords.derive(password)
    except StateError as error:
        raise StateError(field, error.message) from error


@contextmanager
def _field(prefix: str) -> Iterator[None]:
    """Name the set-up page's input where a service names its own."""
    names = {"path": "share_path", "name": prefix}
    try:
        yield
    except StateError as error:
        raise StateError(names.get(error.field, prefix), error.message) from error
