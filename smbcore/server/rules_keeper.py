"""Limits of space that clients set, stored so that they outlive the volume and show in the pages."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from smbcore.nt import filetime
from smbcore.nt.status import NtError, Status
from smbcore.server.space import as_options
from smbcore.state.engine import writing
from smbcore.state.errors import StateError
from smbcore.state.shares import change_quotas

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from smbcore.fsa.space_rules import SpaceRules
    from smbcore.fsa.volume import KeepRules, Volume
    from smbcore.nt.clock import Clock
    from smbcore.state.configuration import ShareConfig

log = logging.getLogger(__name__)


def keeping_rules(volume: Volume, share: ShareConfig, engine: Engine, clock: Clock) -> Volume:
    """Return `volume`, whose rules of space are stored with its share from now on."""
    volume.keep_rules = _keeper(share, engine, clock)
    return volume


def _keeper(share: ShareConfig, engine: Engine, clock: Clock) -> KeepRules:
    def store(rules: SpaceRules) -> None:
        with writing(engine) as connection:
            change_quotas(connection, share.id, as_options(rules), now=filetime.to_datetime(clock.now()))

    async def keep(rules: SpaceRules) -> None:
        try:
            await asyncio.to_thread(store, rules)
        except (SQLAlchemyError, StateError) as error:
            raise NtError(Status.UNEXPECTED_IO_ERROR, f"quotas of {share.name} are not stored: {error}") from error
        log.info("a client changed the quotas of %s", share.name)

    return keep
