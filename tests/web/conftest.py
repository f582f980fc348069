"""A running web service with a core that answers, and a browser to look at it with."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.addresses import Address, bound_socket
from appliance.app import create_app
from appliance.state import AppState
from appliance.web import Server, configure
from smbcore.control.server import ControlServer
from tests.appliance.support import FakeCore, make_installation

CHROMIUM = os.environ.get("HOLDFAST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass
class Site:
    """The service under test."""

    url: str
    state: AppState
    core: FakeCore


class Running:
    """Runs the web service and the fake core in a thread with its own event loop."""

    def __init__(self, path: Path) -> None:
        self.state = AppState.open(make_installation(path))
        self.core = FakeCore(self.state.engine)
        self._ready = threading.Event()
        self._listener = bound_socket(Address("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = Server(configure(create_app(self.state)), self.state)
        self._thread = threading.Thread(target=self._run)

    def start(self) -> Site:
        self._thread.start()
        assert self._ready.wait(20)
        return Site(self.url, self.state, self.core)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._listener.close()
        self.state.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        control = ControlServer(self.state.installation.directory.control_socket, self.core.handle)
        await control.start()
        self._ready.set()
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            await control.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Running(tmp_path / "d")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def browser():
    """One browser per module: while it is open, its event loop counts as running in this thread."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as tools:
        chromium = tools.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


def is_expected(text: str) -> bool:
    """Tell whether the console only repeats an answer or a cut connection that the test itself asked for."""
    return any(words in text for words in ("status of", "ERR_INTERNET_DISCONNECTED", "Failed to fetch", "sse:error"))


@pytest.fixture
def page(browser, site):
    """A browser page that fails the test when the page breaks its own content security policy, or throws."""
    context = browser.new_context(base_url=site.url, viewport={"width": 1360, "height": 860})
    found = context.new_page()
    faults: list[str] = []
    found.on("pageerror", lambda error: faults.append(f"exception: {error}"))
    found.on(
        "console",
        lambda message: (
            faults.append(message.text) if message.type == "error" and not is_expected(message.text) else None
        ),
    )
    yield found
    context.close()
    assert faults == []
