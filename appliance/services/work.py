"""What every service is given: who acts, with which database, core and clock; and how deeds are recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from appliance.clock import Clock
from appliance.problems import Problem
from appliance.security.passwords import PasswordWork
from appliance.services.core import Core
from smbcore.control.messages import ReloadConfiguration
from smbcore.state import audit
from smbcore.state.engine import writing
from smbcore.state.errors import StateError
from smbcore.state.keyfile import KeyFile

_CORE_UNREACHABLE = 503
_MOST_TOLD = 40


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    name        account name, or "command line (USER)"
    address     where the request came from; "" on the machine itself
    account_id  None for the command line and the set-up page
    """

    name: str
    address: str = ""
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be recorded in the audit log.

    action  "share.create", "open.close", ...
    object  what it is done to: "share docs"
    detail  what else is worth knowing; never a secret
    """

    action: str
    object: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def note_changes(detail: dict[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Put what has another value now into a deed's detail, in place of the fields that were given.

    Of long lists it tells only the length. What neither mapping shows to people must not be in `after`.
    """
    detail.pop("fields", None)
    found = {name: value for name, value in after.items() if before.get(name) != value}
    detail["changes"] = {
        name: f"{len(value)} entries" if isinstance(value, (list, tuple)) and len(value) > _MOST_TOLD else value
        for name, value in found.items()
    }


@dataclass(frozen=True, slots=True)
class Work:
    """One request's means; services take it as their first argument."""

    engine: Engine
    core: Core
    clock: Clock
    key: KeyFile
    passwords: PasswordWork
    actor: Actor

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.clock.now()

    @contextmanager
    def change(self, deed: Deed) -> Iterator[Connection]:
        """Give a transaction that also records the deed; a refusal is recorded too, on its own."""
        try:
            with writing(self.engine) as connection:
                yield connection
                self._record(connection, deed, "done", deed.detail)
        except (StateError, Problem) as error:
            self.record(deed, "refused", {"reason": str(error)})
            raise

    def record(self, deed: Deed, outcome: str, detail: Mapping[str, Any] | None = None) -> None:
        """Record a deed in a transaction of its own."""
        with writing(self.engine) as connection:
            self._record(connection, deed, outcome, {**deed.detail, **(detail or {})})

    def reload(self) -> bool:
        """Tell the core to read the configuration again; False when none is running (it reads it at its start)."""
        try:
            self.core.request(ReloadConfiguration())
        except Problem as problem:
            if problem.status != _CORE_UNREACHABLE:
                raise
            return False
        return True

    def _record(self, connection: Connection, deed: Deed, outcome: str, detail: Mapping[str, Any]) -> None:
        entry = audit.Entry(self.actor.name, deed.action, deed.object, outcome, self.actor.address, detail)
        audit.record(connection, entry, now=self.now)
