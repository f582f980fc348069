"""Leases, locks and handles whose client is away: shown, broken, closed politely and dropped."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from appliance.services.words import host
from appliance.synthetic import fill
from smbcore.control.messages import BreakLease, CloseOpen
from tests.appliance.conftest import csrf_of


def fill_up(service, folder):
    fill(service.state.engine, service.state.key, folder, service.clock.now())


@pytest.fixture
async def busy(service, api, tmp_path):
    fill_up(service, tmp_path / "folders")
    return api


@pytest.fixture
async def busy_browser(service, browser, tmp_path):
    fill_up(service, tmp_path / "folders")
    return browser


async def first(client, address):
    return (await client.get(f"/api/v1/{address}")).json()["items"][0]


async def lease_of(client, name):
    items = (await client.get("/api/v1/leases?limit=500")).json()["items"]
    return next(item for item in items if any(path.endswith(name) for path in item["paths"]))


async def test_a_lease_tells_who_holds_it_and_who_waits(service, busy):
    found = await lease_of(busy, "section B.dwg")
    assert (found["state"], found["breaking_to"], found["handles"]) == ("RWH", "RH", 1)
    assert found["users"] == ["anna"]
    assert found["clients"] == ["WS-ANNA"]
    assert found["waiting"] == []
    service.core.waiting = {found["id"]: ["ben"]}
    assert (await lease_of(busy, "section B.dwg"))["waiting"] == ["ben"]
    assert (await busy.get(f"/api/v1/leases/{found['id']}")).json()["waiting"] == ["ben"]


async def test_leases_are_listed_while_the_core_is_away(service, busy):
    await service.control.stop()
    assert (await lease_of(busy, "section B.dwg"))["waiting"] == []


async def test_a_lease_is_broken_by_the_core_and_recorded(service, busy):
    found = await lease_of(busy, "Load model.ifc")
    body = {"keep": "RH", "wait_seconds": 5, "reason": "backup"}
    answer = await busy.post(f"/api/v1/leases/{found['id']}:break", json=body)
    assert answer.json() == {"closed": 0, "detail": "The client has written back what it cached."}
    assert service.core.heard[-1] == BreakLease(found["client_guid"], found["lease_key"], "RH", 5.0, "backup")
    record = await first(busy, "audit?action=lease.break")
    assert record["object"] == "Projects\\Lighthouse\\Load model.ifc"
    assert (record["detail"]["from"], record["detail"]["to"], record["detail"]["reason"]) == ("RWH", "RH", "backup")


@pytest.mark.parametrize("body", [{"keep": "W"}, {"wait_seconds": 61}, {"wait_seconds": -1}, {"hard": True}])
async def test_breaks_that_make_no_sense_are_refused(busy, body):
    found = await lease_of(busy, "Load model.ifc")
    assert (await busy.post(f"/api/v1/leases/{found['id']}:break", json=body)).status_code == 422


@pytest.mark.parametrize("name", ["x", "00:11", "a:b:c"])
async def test_an_unknown_lease_is_not_found(service, busy, name):
    for answer in (await busy.get(f"/api/v1/leases/{name}"), await busy.post(f"/api/v1/leases/{name}:break", json={})):
        assert answer.status_code == 404
        assert answer.json()["code"] == "lease-not-found"
    assert service.core.heard == []


async def test_a_token_that_may_only_look_breaks_nothing(service, busy):
    found = await lease_of(busy, "Load model.ifc")
    async with service.client(headers={"Authorization": f"Bearer {service.token('activity:read')}"}) as looker:
        answer = await looker.post(f"/api/v1/leases/{found['id']}:break", json={})
    assert answer.status_code == 403


async def test_a_file_is_closed_politely(service, busy):
    found = await first(busy, "opens?q=Load model")
    await busy.delete(f"/api/v1/opens/{found['id']}?break_lease_wait=10&reason=stuck")
    assert service.core.heard[-1] == CloseOpen(int(found["id"]), "stuck", 10.0)
    assert (await first(busy, "audit?action=open.close"))["detail"]["wait_seconds"] == 10


@pytest.mark.parametrize("wait", ["-1", "61", "long"])
async def test_impossible_waits_are_refused(service, busy, wait):
    found = await first(busy, "opens")
    assert (await busy.delete(f"/api/v1/opens/{found['id']}?break_lease_wait={wait}")).status_code == 422
    assert service.core.heard == []


async def test_a_handle_whose_client_is_away_tells_whose_it_is_and_for_how_long(busy):
    found = await first(busy, "opens?away=true")
    assert (found["session_id"], found["client"]) == (None, None)
    assert found["user"] == "anna"
    durable = found["durable"]
    assert (durable["kind"], durable["timeout_seconds"]) == ("durable", 60.0)
    since, until = (datetime.fromisoformat(durable[name]) for name in ("disconnected_at", "expires_at"))
    assert until - since == timedelta(seconds=60)
    assert found["id"] in [item["id"] for item in (await busy.get("/api/v1/opens?user=anna")).json()["items"]]
    connected = await first(busy, "opens?away=false")
    assert connected["durable"]["expires_at"] is None


async def test_a_handle_whose_client_is_away_is_dropped(service, busy):
    found = await first(busy, "opens?away=true")
    impact = (await busy.delete(f"/api/v1/opens/{found['id']}?dry_run=true")).json()
    assert impact["opens_closed"][0]["risk"] == "loss"
    assert (await busy.delete(f"/api/v1/opens/{found['id']}")).json()["closed"] == 1
    assert service.core.heard == [CloseOpen(int(found["id"]))]
    assert (await busy.get("/api/v1/opens?away=true")).json()["items"] == []


async def test_locks_tell_who_holds_them(busy):
    found = await first(busy, "locks")
    assert (found["user"], found["client"]) == ("carla", "LT-0417")


async def test_a_list_of_leases_that_is_cut_off_says_so(busy_browser, monkeypatch):
    words = "are shown; REST /leases lists them all."
    assert words not in (await busy_browser.get("/activity/locks")).text
    monkeypatch.setattr("appliance.pages.activity._PAGE", 3)
    assert f"The first 3 {words}" in (await busy_browser.get("/activity/locks")).text


async def test_closing_a_file_with_unsaved_data_asks_for_it_first(service, busy_browser):
    page = await busy_browser.get("/activity/opens?q=Load model")
    address = page.text.partition("/activity/opens/")[2].partition("/close")[0]
    dialog = (await busy_browser.get(f"/activity/opens/{address}/close")).text
    assert 'name="break_first" value="1" checked' in dialog
    form = {"csrf_token": csrf_of(dialog), "break_first": "1"}
    assert (await busy_browser.post(f"/activity/opens/{address}/close", data=form)).status_code == 303
    assert service.core.heard[-1] == CloseOpen(int(address), "", 10.0)


async def test_closing_a_file_that_is_only_read_asks_nothing(busy_browser):
    page = await busy_browser.get("/activity/opens?q=ceremony")
    address = page.text.partition("/activity/opens/")[2].partition("/close")[0]
    assert "break_first" not in (await busy_browser.get(f"/activity/opens/{address}/close")).text


async def test_a_lease_is_broken_from_its_page(service, busy_browser):
    page = (await busy_browser.get("/activity/locks")).text
    address = page.partition("/activity/leases/")[2].partition("/break")[0]
    dialog = (await busy_browser.get(f"/activity/leases/{address}/break")).text
    assert "Break the lease" in dialog
    form = {"csrf_token": csrf_of(dialog), "keep": "RH", "reason": "test"}
    assert (await busy_browser.post(f"/activity/leases/{address}/break", data=form)).status_code == 303
    heard = service.core.heard[-1]
    assert isinstance(heard, BreakLease)
    assert quote(f"{heard.client_guid}:{heard.lease_key}", safe="") == address
    assert (heard.keep, heard.wait, heard.reason) == ("RH", 10, "test")


async def test_pages_show_remaining_time_and_what_was_carried_over(busy_browser):
    away = (await busy_browser.get("/activity/opens?away=1")).text
    assert "38 s left" in away
    assert "Notes.docx" in away
    assert "section B" not in away
    overview = (await busy_browser.get("/")).text
    assert "kept over the last restart" in overview
    assert ">37<" in overview


async def test_a_list_that_is_narrowed_twice_says_so_also_when_it_is_empty(busy_browser):
    both = "Only {}, handles whose client is away."
    page = (await busy_browser.get("/activity/opens?away=1&user=anna")).text
    assert both.format("anna") in page
    assert "Notes.docx" in page
    page = (await busy_browser.get("/activity/opens?away=1&user=ben")).text
    assert both.format("ben") in page
    assert "No open file matches" in page
    assert "No handle whose client is away fits “ben”." in page


async def test_nothing_is_said_of_restarts_while_the_core_is_away(service, busy_browser):
    await service.control.stop()
    assert "kept over the last restart" not in (await busy_browser.get("/")).text


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("192.0.2.7:50123", "192.0.2.7"),
        ("[fd00::7]:50123", "fd00::7"),
        ("fd00::7", "fd00::7"),
        ("192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
async def test_addresses_are_shown_without_the_port_of_the_client(stored, shown):
    assert host(stored) == shown


async def test_open_files_of_a_session_are_counted(busy):
    found = (await busy.get("/api/v1/sessions?sort=-opens")).json()["items"]
    for item in found:
        opens = (await busy.get(f"/api/v1/opens?session={item['id']}&limit=500")).json()["items"]
        assert item["opens"] == len(opens)
    assert [item["opens"] for item in found] == sorted((item["opens"] for item in found), reverse=True)
