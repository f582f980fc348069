"""holdfast serve: the SMB server and the web service, supervised."""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import ssl
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import psutil
import typer

from appliance.addresses import Address, bound_socket
from appliance.clock import SystemClock
from appliance.commands.common import DatabaseOption, DataOption, explained
from appliance.demo import create_demo_share
from appliance.errors import OperationProblem, UsageProblem
from appliance.installation import DATABASE_URL_VARIABLE, Installation
from appliance.security.certificate import ensure_certificate
from appliance.services.setup import is_setup_needed
from appliance.supervisor import ChildSpec, Supervisor
from smbcore.control.client import ControlClient
from smbcore.control.errors import CommandFailed, ControlUnavailable
from smbcore.control.messages import Ping, Pong
from smbcore.state.engine import writing
from smbcore.state.settings import read_settings
from smbcore.state.setup_codes import create_setup_code

_PROBE_TIMEOUT = 2.0


class Only(StrEnum):
    """One of the two services."""

    smb = "smb"
    web = "web"


def serve(
    data: DataOption,
    database_url: DatabaseOption = None,
    smb: Annotated[str, typer.Option(metavar="ADDRESS", help="Where SMB clients connect.")] = "127.0.0.1:4450",
    web: Annotated[str, typer.Option(metavar="ADDRESS", help="Where browsers connect.")] = "127.0.0.1:8080",
    web_tls: Annotated[
        bool, typer.Option("--web-tls", help="HTTPS, with a certificate of its own in the data directory.")
    ] = False,
    only: Annotated[Only | None, typer.Option(help="Run only one of the two services.", show_default=False)] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Initialise the data directory if needed and share a demo folder.")
    ] = False,
    server_name: Annotated[str, typer.Option(help="NetBIOS name, used when --demo initialises.")] = "HOLDFAST",
) -> None:
    """Run the SMB server and the web service until interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    installation = Installation.at(data, database_url)
    smb_address, web_address = _concrete(Address.parse(smb)), _concrete(Address.parse(web))
    if demo:
        installation.initialise(server_name, SystemClock().now())
    _prepare(installation, demo=demo)
    fingerprint = _certificate(installation, web_address) if web_tls and only is not Only.smb else ""
    specs = []
    if only is not Only.web:
        specs.append(_smb_child(installation, smb_address))
    if only is not Only.smb:
        specs.append(_web_child(installation, web_address, tls=web_tls))
    announce = _announcement(installation, smb_address, web_address, fingerprint, only=only, demo=demo, tls=web_tls)
    asyncio.run(Supervisor(specs, announce).run())


def setup_link(installation: Installation, base_url: str) -> str | None:
    """Make a new one-time set-up link; None when the server has an administrator already."""
    engine = installation.open_database()
    try:
        with explained(), writing(engine) as connection:
            if not is_setup_needed(connection):
                return None
            code = create_setup_code(connection, now=SystemClock().now())
            return f"{base_url}/setup?code={code}"
    finally:
        engine.dispose()


def _prepare(installation: Installation, *, demo: bool) -> None:
    """Open the database once, so that a problem is told before anything is started."""
    engine = installation.open_database()
    try:
        if demo:
            with explained():
                create_demo_share(engine, installation.demo_folder, SystemClock().now())
    finally:
        engine.dispose()


def _concrete(address: Address) -> Address:
    """Check that the address is free, and choose a port if it has none."""
    try:
        with bound_socket(address) as listener:
            return Address(address.host, listener.getsockname()[1])
    except UsageProblem as problem:
        holder = _who_listens(address.port)
        raise OperationProblem(f"{problem}{f' ({holder})' if holder else ''}") from problem


def _who_listens(port: int) -> str:
    """Name the process that listens on a port, as far as this user may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except psutil.Error:
        return ""
    return ""


def _child_environment(installation: Installation) -> dict[str, str]:
    return dict(os.environ) | {DATABASE_URL_VARIABLE: installation.database_url}


def _smb_child(installation: Installation, address: Address) -> ChildSpec:
    command = [sys.executable, "-m", "smbcore.server"]
    arguments = ["--data", str(installation.directory.path), "--smb", str(address)]

    async def is_ready() -> bool:
        try:
            async with ControlClient(installation.directory.control_socket, timeout=_PROBE_TIMEOUT) as client:
                return isinstance(await client.request(Ping()), Pong)
        except (ControlUnavailable, CommandFailed):
            return False

    return ChildSpec("SMB server", command + arguments, is_ready, environment=_child_environment(installation))


def _certificate(installation: Installation, address: Address) -> str:
    """Make the certificate if there is none, and return its fingerprint."""
    engine = installation.open_database()
    try:
        with engine.connect() as connection:
            server_name = read_settings(connection).server_name
    finally:
        engine.dispose()
    folder = installation.directory.path
    try:
        return ensure_certificate(folder, server_name, address.host, SystemClock().now()).fingerprint()
    except (OSError, ValueError) as error:
        raise OperationProblem(f"the certificate in {folder} cannot be used: {error}") from error


def _connection(host: str, port: int, *, tls: bool) -> http.client.HTTPConnection:
    """Return a connection to our own child; who else could have the port was ruled out before."""
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=_PROBE_TIMEOUT)
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_PROBE_TIMEOUT, context=anybody)


def _web_child(installation: Installation, address: Address, *, tls: bool) -> ChildSpec:
    command = [sys.executable, "-m", "appliance.web"]
    arguments = ["--data", str(installation.directory.path), "--web", str(address), *(["--tls"] if tls else [])]

    def probe() -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104
        connection = _connection(host, address.port, tls=tls)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    async def is_ready() -> bool:
        return await asyncio.to_thread(probe)

    return ChildSpec("web service", command + arguments, is_ready, environment=_child_environment(installation))


def _announcement(
    installation: Installation,
    smb: Address,
    web: Address,
    fingerprint: str,
    *,
    only: Only | None,
    demo: bool,
    tls: bool,
) -> Callable[[], None]:
    def announce() -> None:
        lines = []
        if only is not Only.web:
            lines.append(f"SMB      {smb}")
        if only is not Only.smb:
            lines.append(f"Web      {web.url(tls=tls)}")
            if fingerprint:
                lines.append(f"SHA-256  {fingerprint}")
            link = setup_link(installation, web.url(tls=tls))
            if link is not None:
                lines.append(f"Set up   {link}")
        if demo:
            lines.append(f'Demo     share "demo" is the folder {installation.demo_folder}')
        typer.echo("\n".join(("", "Holdfast is ready.", *lines, "", "Stop with Ctrl-C.")))
        sys.stdout.flush()

    return announce
