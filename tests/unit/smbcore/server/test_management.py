from __future__ import annotations

import asyncio
from types import SimpleNamespace

from smbcore.control.messages import ReloadConfiguration
from smbcore.server import management
from smbcore.server.management import Management


async def test_of_two_reloads_at_the_same_time_the_newer_configuration_stays(monkeypatch):
    """1 a change, whose configuration takes long to be read  2 another change  3 the first was read before that."""
    stored, installed, slow = ["old"], [], asyncio.Event()

    async def load():
        found = SimpleNamespace(shares=[], name=stored[-1])
        if found.name == "old":
            await slow.wait()
        return found

    monkeypatch.setattr(management, "apply", lambda _, configuration: installed.append(configuration.name))
    managed = Management(None, load, None)
    first = asyncio.ensure_future(managed.handle(ReloadConfiguration()))
    await asyncio.sleep(0)
    stored.append("new")
    second = asyncio.ensure_future(managed.handle(ReloadConfiguration()))
    await asyncio.sleep(0)
    slow.set()
    await asyncio.gather(first, second)
    assert installed == ["old", "new"]
