"""The core as a process: `python -m smbcore.server --data DIR --smb 127.0.0.1:4450`.

Exit status: 0 after SIGTERM or SIGINT, 1 where it could not start; the reason is one line on standard error. 1 too
where something holds up its end, such as a thread that waits for a database: standard error has where every thread is.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import logging
import os
import resource
import signal
import sys
import uuid
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from smbcore.control.errors import ControlUnavailable
from smbcore.control.messages import Pong
from smbcore.control.server import ControlServer
from smbcore.fsa.offload import TokenTable
from smbcore.nt import filetime
from smbcore.nt.clock import SystemClock
from smbcore.server import configure, survival
from smbcore.server.accounts import AccountStore
from smbcore.server.listeners.tcp import TcpListener, listen
from smbcore.server.management import Management
from smbcore.server.rules_keeper import keeping_rules
from smbcore.server.server import SmbServer
from smbcore.server.trust import Trust
from smbcore.state.configuration import Configuration, load_configuration
from smbcore.state.engine import open_engine
from smbcore.state.errors import ConfigurationError, KeyFileError, SchemaError, StateUnavailableError
from smbcore.state.initialise import DataDirectory
from smbcore.state.keyfile import KeyFile
from smbcore.state.mirror import Mirror
from smbcore.state.upgrade import check_schema_version
from smbcore.vfs.posix.local_programs import LocalPrograms

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from smbcore.fsa.volume import Volume
    from smbcore.server.personal import PersonalFolder
    from smbcore.state.configuration import ShareConfig

log = logging.getLogger("smbcore")

_SWITCH_INTERVAL = 0.0005
_TELL_IO_INTERVAL = 2.0
_TIDY_INTERVAL = 600.0
_STEP_OF_STOPPING = 2.0  # seconds, and there are four, of which some are always short; a supervisor kills after ten
_LAST_STEP = 3.0
_DATABASE_URL_VARIABLE = "HOLDFAST_DATABASE_URL"
SOFTWARE = "holdfast 0.1.0"


class StartError(Exception):
    """The core cannot start; the text is one line for people."""


_EXPECTED = (StartError, ControlUnavailable, ConfigurationError, KeyFileError, SchemaError, StateUnavailableError)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m smbcore.server", description="The Holdfast SMB server.")
    parser.add_argument("--data", type=Path, required=True, help="data directory, made by `holdfast init`")
    parser.add_argument(
        "--smb", action="append", required=True, metavar="ADDRESS:PORT", help="where to listen; may be given again"
    )
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.add_argument("--test-controls", action="store_true", help="answer the control codes of test suites")
    return parser.parse_args(arguments)


def split_address(text: str) -> tuple[str, int]:
    """Return address and port of "127.0.0.1:4450" or "[::1]:4450".  Raises StartError."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise StartError(f"--smb {text}: give an address and a port, such as 127.0.0.1:4450")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty address means every interface


class Core:
    """Everything that the process runs, in the order in which it is started."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._directory = DataDirectory(options.data.absolute())
        self._engine: Engine
        self._key: KeyFile
        self._management: Management
        self._listeners: list[TcpListener] = []
        self._clock = SystemClock()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        configuration = self._open_state()
        settings = configuration.settings
        boot_id = str(uuid.uuid4())
        mirror = Mirror(
            self._engine, settings.node_id, boot_id, clock=self._clock, name=settings.server_name, software=SOFTWARE,
            addresses=self._options.smb,
        )  # fmt: skip
        server = self._make_server(configuration, mirror)
        started_at = filetime.to_datetime(self._clock.now()).isoformat()
        pong = Pong(settings.node_id, boot_id, SOFTWARE, started_at)
        self._management = Management(server, self._load, pong)
        control = ControlServer(self._directory.control_socket, self._management.handle)
        mirror.on_flushed(control.publish)
        await control.start()  # refuses a second core of this data directory, before that touches its rows
        try:
            survivors = await mirror.start()
            server.trust = Trust(self._directory.records_trusted)  # not before: a start without a database loses none
            await survival.restore(server, survivors)
            await server.regain_trust()
            self._listen(server)
            gc.collect()
            gc.freeze()
            await self._until_stopped(server)
        finally:
            await self._shut_down(server, control, mirror)

    async def _shut_down(self, server: SmbServer, control: ControlServer, mirror: Mirror) -> None:
        """Accept nobody any more, say so, end every connection, store what is pending; every step bounded in time."""
        for listener in self._listeners:
            listener.close()
        if mirror.running:
            log.info("stopping")
            await _bounded(mirror.announce("stopping"), "announcing the stop")
        await _bounded(server.close(), "ending the connections")
        await _bounded(mirror.stop(), "storing the last records")
        await _bounded(control.stop(), "closing the control socket")  # last: until then a second core is refused
        faulthandler.dump_traceback_later(_LAST_STEP, exit=True)  # Python waits for every thread, and for ever
        self._engine.dispose()

    def _open_state(self) -> Configuration:
        self._key = KeyFile.load(self._directory.key_file)
        self._engine = open_engine(os.environ.get(_DATABASE_URL_VARIABLE) or self._directory.database_url)
        try:
            check_schema_version(self._engine)
            return load_configuration(self._engine, self._key)
        except SQLAlchemyError as error:
            url = self._engine.url.render_as_string(hide_password=True)
            reason = str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
            raise StartError(f"the database {url} cannot be used: {reason}") from error

    async def _load(self) -> Configuration:
        return await asyncio.to_thread(load_configuration, self._engine, self._key)

    def _make_server(self, configuration: Configuration, mirror: Mirror) -> SmbServer:
        accounts = AccountStore(configuration)
        config = configure.server_config(configuration.settings, test_controls=self._options.test_controls)
        tokens = TokenTable(self._clock)
        programs = LocalPrograms()

        def open_volume(share: ShareConfig, folder: PersonalFolder | None = None) -> Volume:
            timeout = config.break_timeout
            volume = configure.open_posix_volume(share, self._clock, timeout, tokens, programs, folder)
            return keeping_rules(volume, share, self._engine, self._clock, self._management.reload)

        server = SmbServer(
            config,
            self._clock,
            authenticator=configure.authenticator(configuration.settings, accounts, self._clock),
            accounts=accounts,
            open_volume=open_volume,
            records=mirror,
            trail=mirror,
        )
        server.shares.load(configure.all_shares(configuration, accounts))
        return server

    def _listen(self, server: SmbServer) -> None:
        for text in self._options.smb:
            host, port = split_address(text)
            try:
                self._listeners.append(listen(server, host, port))
            except OSError as error:
                raise StartError(f"cannot listen on {text}: {error.strerror}") from error

    async def _until_stopped(self, server: SmbServer) -> None:
        log.info(
            "serving on %s", ", ".join(f"{host}:{port}" for host, port in (item.address for item in self._listeners))
        )

        def tell_io() -> None:
            server.tell_io()
            self._clock.call_later(_TELL_IO_INTERVAL, tell_io)

        def tidy() -> None:
            server.tidy()
            self._clock.call_later(_TIDY_INTERVAL, tidy)

        tell_io()
        self._clock.call_later(_TIDY_INTERVAL, tidy)
        await self._stop.wait()


async def _bounded(step: Awaitable[None], what: str) -> None:
    """Take a step of stopping, for a few seconds at most; one that fails or takes longer must not hold up the rest."""
    try:
        async with asyncio.timeout(_STEP_OF_STOPPING):
            await step
    except TimeoutError:
        log.warning("%s took too long", what)
    except StateUnavailableError as error:
        log.warning("%s: %s", what, error)
    except Exception:
        log.exception("%s failed", what)


def _raise_descriptor_limit() -> None:
    """Allow as many descriptors as the system lets us: every connection and every open file takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where it is installed (the extra `fast`), else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def main(arguments: list[str] | None = None) -> int:
    """Run the core; return the exit status."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("spnego").setLevel(logging.WARNING)  # its debug log shows tokens
    _raise_descriptor_limit()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        _run(Core(options).run())
    except _EXPECTED as error:
        sys.stderr.write(f"holdfast: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
