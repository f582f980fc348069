"""Limits of space that clients set, stored so that they outlive the volume and show in the pages.

The database says what holds: administrators change it too. So a client's change is made to what is stored, in one
transaction, and then installed as every change of the configuration is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from smbcore.nt import filetime
from smbcore.nt.status import NtError, Status
from smbcore.server.space import as_options, rules
from smbcore.state.engine import writing
from smbcore.state.errors import ConfigurationError, StateError
from smbcore.state.shares import change_quotas

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from smbcore.fsa.volume import ChangeOfRules, KeepRules, Volume
    from smbcore.nt.clock import Clock
    from smbcore.state.configuration import ShareConfig, ShareOptions

log = logging.getLogger(__name__)

Reload = Callable[[], Awaitable[object]]


def keeping_rules(volume: Volume, share: ShareConfig, engine: Engine, clock: Clock, reload: Reload) -> Volume:
    """Return `volume`, whose rules of space are stored with its share from now on.

    reload  installs the stored configuration, in the other volumes of the share too
    """
    volume.keep_rules = _keeper(share, engine, clock, reload)
    return volume


def _keeper(share: ShareConfig, engine: Engine, clock: Clock, reload: Reload) -> KeepRules:
    def store(change: ChangeOfRules) -> None:
        def options(stored: ShareOptions) -> Mapping[str, Any]:
            return as_options(change(rules(stored)))

        with writing(engine) as connection:
            change_quotas(connection, share.id, options, now=filetime.to_datetime(clock.now()))

    async def keep(change: ChangeOfRules) -> None:
        try:
            await asyncio.to_thread(store, change)
            await reload()
        except (SQLAlchemyError, StateError, ConfigurationError) as error:
            raise NtError(Status.UNEXPECTED_IO_ERROR, f"quotas of {share.name} are not changed: {error}") from error
        log.info("a client changed the quotas of %s", share.name)

    return keep
