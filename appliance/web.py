"""The web service as a process: `python -m appliance.web --data DIR --web ADDRESS`."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from appliance.addresses import Address, bound_socket
from appliance.app import create_app
from appliance.errors import UsageProblem
from appliance.installation import DATABASE_URL_VARIABLE, Installation
from appliance.security.certificate import WebCertificate
from appliance.state import AppState

_SECONDS_TO_FINISH = 5
_BACKLOG = 512


class Server(uvicorn.Server):
    """Uvicorn, ending the event streams first: they would hold up an orderly end for ever."""

    def __init__(self, config: uvicorn.Config, state: AppState) -> None:
        super().__init__(config)
        self._state = state

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, end the streams, let requests finish."""
        self._state.feed.close()
        await super().shutdown(sockets)


def configure(app: FastAPI, certificate: WebCertificate | None = None) -> uvicorn.Config:
    """Return how uvicorn serves the application; over TLS if there is a certificate."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        ssl_certfile=certificate.certificate if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
    )


def serve(installation: Installation, address: Address, *, tls: bool = False) -> None:
    """Serve until SIGINT or SIGTERM."""
    certificate = WebCertificate.of(installation.directory.path) if tls else None
    if certificate is not None and not certificate.exists:
        raise UsageProblem(f"there is no certificate {certificate.certificate}: `holdfast serve --web-tls` makes one")
    with bound_socket(address) as listener:
        state = AppState.open(installation)
        try:
            Server(configure(create_app(state), certificate), state).run(sockets=[listener])
        finally:
            state.close()


def main() -> int:
    """Read the command line and serve; return the exit status."""
    parser = argparse.ArgumentParser(prog="appliance.web", description="Holdfast's web service")
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--web", default="127.0.0.1:8080", metavar="ADDRESS", help="where browsers connect")
    parser.add_argument("--tls", action="store_true", help="HTTPS, with the certificate in the data directory")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        serve(
            Installation.at(options.data, os.environ.get(DATABASE_URL_VARIABLE)),
            Address.parse(options.web),
            tls=options.tls,
        )
    except UsageProblem as problem:
        sys.stderr.write(f"holdfast web: {problem}\n")
        return problem.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
