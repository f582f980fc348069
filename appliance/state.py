"""What one web process shares among its requests."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from appliance.clock import Clock, SystemClock
from appliance.feed import EventFeed
from appliance.installation import Installation
from appliance.security.passwords import PasswordWork
from appliance.security.throttle import SignInThrottle
from appliance.services.core import Core, SocketCore
from smbcore.state import outbox
from smbcore.state.keyfile import KeyFile


@dataclass(frozen=True, slots=True)
class AppState:
    """Made once at the start and handed to the application; nothing in it changes but counters of its own."""

    installation: Installation
    engine: Engine
    key: KeyFile
    core: Core
    clock: Clock
    passwords: PasswordWork
    throttle: SignInThrottle
    feed: EventFeed

    @classmethod
    def open(cls, installation: Installation, *, core: Core | None = None, clock: Clock | None = None) -> AppState:
        """Open the installation; raise OperationProblem with one line if that fails."""
        engine = installation.open_database()

        def read_last_seq() -> int:
            with engine.connect() as connection:
                return outbox.last_seq(connection)

        return cls(
            installation,
            engine,
            installation.load_key(),
            core or SocketCore(installation.directory.control_socket),
            clock or SystemClock(),
            PasswordWork(),
            SignInThrottle(),
            EventFeed(read_last_seq),
        )

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()
