"""Handles that are kept for absent clients, and clients that answer no breaks: in the pages and in REST."""

from __future__ import annotations

import pytest

from appliance.synthetic import fill
from smbcore.state import settings
from smbcore.state.engine import reading


@pytest.fixture
async def busy(service, api, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    return api


@pytest.fixture
async def busy_browser(service, browser, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    return browser


async def sessions(client):
    return (await client.get("/api/v1/sessions?limit=500")).json()["items"]


async def test_clients_with_the_number_of_handles_that_wait_for_them(busy):
    away = (await busy.get("/api/v1/opens?away=true&limit=500")).json()["items"]
    found = (await busy.get("/api/v1/away")).json()["items"]
    assert sum(item["handles"] for item in found) == len(away) > 0
    assert [item["handles"] for item in found] == sorted((item["handles"] for item in found), reverse=True)
    assert {item["user"]["name"] for item in found} == {item["user"] for item in away}
    assert sum(item["persistent"] for item in found) == sum(item["durable"]["kind"] == "persistent" for item in away)
    assert min(item["since"] for item in found) == min(item["durable"]["disconnected_at"] for item in away)
    connected = {(item["client"]["guid"], item["user"]["sid"]) for item in await sessions(busy)}
    assert all(item["is_back"] == ((item["client_guid"], item["user"]["sid"]) in connected) for item in found)


async def test_sessions_tell_what_is_kept_for_their_client(busy):
    kept = {
        (i["client_guid"], i["user"]["sid"]): i["handles"] for i in (await busy.get("/api/v1/away")).json()["items"]
    }
    for item in await sessions(busy):
        assert item["away"] == kept.get((item["client"]["guid"], item["user"]["sid"]), 0)


async def test_sessions_tell_of_unanswered_breaks(service, busy):
    first, second, *others = await sessions(busy)
    service.core.unanswered = {first["id"]: 4, second["id"]: 1}
    first, second, *others = await sessions(busy)
    assert (first["unanswered_breaks"], first["caching_withheld"]) == (4, True)
    assert (second["unanswered_breaks"], second["caching_withheld"]) == (1, False)
    assert not any(item["unanswered_breaks"] for item in others)
    assert (await busy.get(f"/api/v1/sessions/{first['id']}")).json()["unanswered_breaks"] == 4


async def test_sessions_are_listed_while_the_core_is_away(service, busy):
    await service.control.stop()
    assert not any(item["unanswered_breaks"] for item in await sessions(busy))


async def test_pages(service, busy_browser):
    page = (await busy_browser.get("/activity/opens?away=1")).text
    assert "Clients that handles are kept for" in page
    assert "Clients that handles are kept for" not in (await busy_browser.get("/activity/opens")).text
    key = (await sessions(busy_browser))[0]["id"]
    assert "unanswered" not in (await busy_browser.get("/activity/sessions")).text
    service.core.unanswered = {key: 4}
    assert "4 breaks unanswered" in (await busy_browser.get("/activity/sessions")).text
    page = (await busy_browser.get(f"/activity/sessions/{key}")).text
    assert "4 not answered in time" in page
    assert "gets no more oplocks and leases" in page


async def test_the_overview_points_at_clients_that_do_not_answer(service, browser):
    assert "not give back what they cache" not in (await browser.get("/")).text
    service.core.unanswered = {"7": 3, "8": 1}
    assert "1 client does not give back what they cache" in (await browser.get("/")).text


async def test_limits_are_settings(service, api):
    found = await api.get("/api/v1/settings")
    assert found.json()["max_kept_per_client"] == 4096
    changed = await api.patch(
        "/api/v1/settings",
        json={"max_kept_per_client": 10, "max_unanswered_breaks": 0},
        headers={"If-Match": found.headers["ETag"]},
    )
    assert changed.status_code == 200
    with reading(service.state.engine) as connection:
        stored = settings.read_settings(connection)
    assert (stored.max_kept_per_client, stored.max_unanswered_breaks) == (10, 0)
