"""An application with a fake core behind its control socket, and clients of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from appliance.app import create_app
from appliance.models.people import TokenCreate
from appliance.services import tokens
from appliance.services.work import Actor, Work
from appliance.state import AppState
from smbcore.control.server import ControlServer
from smbcore.state import accounts
from tests.appliance.support import PASSWORD, Clock, FakeCore, add_administrator, make_installation


@dataclass
class Service:
    """The application under test."""

    app: FastAPI
    state: AppState
    clock: Clock
    core: FakeCore
    control: ControlServer

    def client(self, **arguments) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.7", 4000))
        return httpx.AsyncClient(transport=transport, base_url="http://nas.test", **arguments)

    def work(self) -> Work:
        with self.state.engine.connect() as connection:
            found = accounts.find_account(connection, "admin")
        actor = Actor("admin", "", found.id if found else None)
        state = self.state
        return Work(state.engine, state.core, state.clock, state.key, state.passwords, actor)

    def token(self, *scopes: str) -> str:
        wanted = TokenCreate(name="test", scopes=list(scopes))
        return tokens.create_token(self.work(), wanted, frozenset({"admin"})).token


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    clock = Clock()
    state = AppState.open(make_installation(tmp_path / "d"), clock=clock)
    core = FakeCore(state.engine)
    control = ControlServer(state.installation.directory.control_socket, core.handle)
    await control.start()
    yield Service(create_app(state), state, clock, core, control)
    await control.stop()
    state.close()


@pytest.fixture
async def api(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a token that may do everything."""
    add_administrator(service.state)
    headers = {"Authorization": f"Bearer {service.token('admin')}"}
    async with service.client(headers=headers) as client:
        yield client


SignIn = Callable[[httpx.AsyncClient], Awaitable[str]]


@pytest.fixture
async def browser(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client that has signed in with a password, as a browser does."""
    add_administrator(service.state)
    async with service.client() as client:
        form = csrf_of((await client.get("/sign-in")).text)
        answer = await client.post("/sign-in", data={"name": "admin", "password": PASSWORD, "csrf_token": form})
        assert answer.status_code == 303, answer.text
        yield client


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


class _Inputs(HTMLParser):
    """Collects what a browser would send of one form."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._action = action
        self._is_inside = False
        self._select = ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self._is_inside = given.get("method") == "post" and given.get("action") == self._action
        if not self._is_inside:
            return
        is_choice = given.get("type") in ("checkbox", "radio")
        if tag == "input" and given.get("name") and (not is_choice or "checked" in given):
            self.found[given["name"]] = given.get("value", "")
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and ("selected" in given or self._select not in self.found):
            self.found[self._select] = given["value"]


def inputs_of(page: str, action: str) -> dict[str, str]:
    """Return what the form of a page with this action would send as it is."""
    parser = _Inputs(action)
    parser.feed(page)
    assert parser.found, page
    return parser.found
