"""Sessions, tree connects and opens over REST."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from sqlalchemy import select, update

from appliance.problems import Problem
from appliance.services.core import SocketCore
from appliance.synthetic import fill
from smbcore.control.messages import CloseOpen, DisconnectSession, Done, ListUnanswered
from smbcore.state.engine import writing
from smbcore.state.schema import audit, open_


@pytest.fixture
async def busy(service, api, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    return api


async def test_ids_are_texts_and_times_are_utc(busy):
    item = (await busy.get("/api/v1/opens")).json()["items"][0]
    for name in ("id", "persistent_id", "volatile_id"):
        assert isinstance(item[name], str)
    assert item["opened_at"].endswith("Z")
    assert isinstance((await busy.get("/api/v1/opens")).json()["seq"], str)


@pytest.mark.parametrize("query", ["opens?sort=path", "opens?sort=-opened_at", "sessions?sort=opens", "leases?"])
async def test_pages_follow_each_other_without_gaps_or_repeats(busy, query):
    every = [item["id"] for item in (await busy.get(f"/api/v1/{query}&limit=500")).json()["items"]]
    found, after = [], ""
    for _ in range(len(every)):
        page = (await busy.get(f"/api/v1/{query}&limit=3{after}")).json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == every
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("sort", ["opened_at", "-opened_at", "last_io_at", "share"])
async def test_lists_are_sorted_as_asked(busy, sort):
    items = (await busy.get(f"/api/v1/opens?limit=500&sort={sort}")).json()["items"]
    values = [item[sort.lstrip("-")] for item in items]
    assert values == sorted(values, reverse=sort.startswith("-"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=budget", {"Harbour bridge\\Budget 2027.xlsx"}),
        ("q=\\\\nas\\Accounting\\2026\\11", {"2026\\11\\Ledger.accdb", "2026\\11\\Invoices"}),
        ("path__prefix=/Lighthouse", {"Lighthouse\\Load model.ifc", "Lighthouse\\Notes.docx"}),
        ("share=scans", {"Copier 2\\20261122-0914.pdf"}),
        ("away=true", {"Lighthouse\\Notes.docx"}),
        ("q=100%25", set()),
    ],
)
async def test_open_files_are_found_by(busy, query, expected):
    items = (await busy.get(f"/api/v1/opens?{query}")).json()["items"]
    assert {item["path"] for item in items} == expected


def cursor(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "query",
    [
        "opens?sort=nothing",
        "opens?limit=0",
        "opens?limit=501",
        "opens?after=rubbish",
        f"opens?after={cursor(1)}",
        f"opens?after={cursor('2026-11-22T12:00:00', 1)}",
        f"opens?after={cursor('9999-12-31T23:59:59-23:00', 1)}",
        f"opens?after={cursor('2026-11-22T12:00:00Z', 1 << 63)}",
        f"sessions?after={cursor([1], 1)}",
        f"leases?after={cursor({'a': 1}, 'b')}",
        f"audit?after={'9' * 19}",
        "audit?since=2026-11-22T12:00:00",
        "audit?until=9999-12-31T23:59:59-23:00",
    ],
)
async def test_unusable_list_parameters_are_refused(busy, query):
    answer = await busy.get(f"/api/v1/{query}")
    assert answer.status_code == 422
    blamed = query.partition("?")[2].partition("=")[0]
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{blamed}"]


async def test_lone_surrogates_of_a_peer_do_not_break_the_answer(service, busy):
    with writing(service.state.engine) as connection:
        connection.execute(update(open_).values(path="bad \ud800 name"))
    answer = await busy.get("/api/v1/opens")
    assert answer.status_code == 200
    assert answer.json()["items"][0]["path"] == "bad � name"


async def test_a_session_shows_its_shares_and_protection(busy):
    items = (await busy.get("/api/v1/sessions?user=carla")).json()["items"]
    assert [item["shares"] for item in items] == [["Accounting"]]
    assert items[0]["encryption"] == {"cipher": "AES-128-GCM"}
    assert items[0]["signing"]["required"] is True


async def test_a_dry_run_tells_the_risk_and_does_nothing(service, busy):
    found = (await busy.get("/api/v1/opens?q=section B")).json()["items"][0]
    impact = (await busy.delete(f"/api/v1/opens/{found['id']}?dry_run=true")).json()
    assert impact["opens_closed"][0]["risk"] == "loss"
    assert service.core.heard == []


async def test_a_file_is_closed_by_the_core_and_recorded(service, busy):
    found = (await busy.get("/api/v1/opens?q=section B")).json()["items"][0]
    answer = await busy.delete(f"/api/v1/opens/{found['id']}?reason=stuck")
    assert answer.json() == {"closed": 1, "detail": ""}
    assert service.core.heard == [CloseOpen(int(found["id"]), "stuck")]
    assert (await busy.get(f"/api/v1/opens/{found['id']}")).status_code == 404
    record = (await busy.get("/api/v1/audit?action=open.close")).json()["items"][0]
    assert (record["outcome"], record["detail"]["reason"]) == ("done", "stuck")


async def test_a_session_is_disconnected_by_the_core(service, busy):
    found = (await busy.get("/api/v1/sessions")).json()["items"][0]
    assert (await busy.delete(f"/api/v1/sessions/{found['id']}")).status_code == 200
    assert service.core.heard == [ListUnanswered(), DisconnectSession(int(found["id"]))]


async def test_a_tree_connect_is_disconnected_by_the_core(busy):
    found = (await busy.get("/api/v1/tcons")).json()["items"][0]
    assert (await busy.delete(f"/api/v1/tcons/{found['id']}")).status_code == 200
    assert (await busy.get(f"/api/v1/tcons/{found['id']}")).status_code == 404


async def test_what_is_gone_is_not_found(busy):
    for path in ("opens/1", "sessions/1", "tcons/1", "opens/x", "sessions/99999999999999999999"):
        answer = await busy.delete(f"/api/v1/{path}")
        assert answer.status_code == 404, path
        assert answer.json()["code"].endswith("-not-found")


async def test_nothing_is_closed_when_the_core_is_away(service, busy):
    found = (await busy.get("/api/v1/opens")).json()["items"][0]
    await service.control.stop()
    answer = await busy.delete(f"/api/v1/opens/{found['id']}")
    assert answer.status_code == 503
    assert answer.json()["code"] == "core-unreachable"
    assert (await busy.get(f"/api/v1/opens/{found['id']}")).status_code == 200
    with service.state.engine.connect() as connection:
        outcome = connection.scalar(select(audit.c.outcome).where(audit.c.action == "open.close").order_by(-audit.c.id))
    assert outcome == "failed"


async def test_a_core_that_is_late_may_still_do_it_and_that_is_said(service):
    core = SocketCore(service.state.installation.directory.control_socket, timeout=0.01)
    released = asyncio.Event()

    async def never(_):
        await released.wait()
        return Done()

    service.control._handler = never
    try:
        with pytest.raises(Problem) as caught:
            await asyncio.to_thread(core.request, CloseOpen(1))
    finally:
        released.set()
    assert (caught.value.status, caught.value.code) == (503, "core-late")
    assert "may still carry this out" in caught.value.detail


async def test_leases_locks_nodes_and_counts(busy):
    leases = (await busy.get("/api/v1/leases")).json()["items"]
    assert any(item["breaking_to"] == "RH" for item in leases)
    locks = (await busy.get("/api/v1/locks")).json()["items"]
    assert {item["offset"] for item in locks} >= {str(1 << 62)}
    assert (await busy.get("/api/v1/nodes/reef-1")).json()["version_current"] == 1
    counts = (await busy.get("/api/v1/activity")).json()
    assert counts["sessions"] == counts["users"] == 8


async def test_a_node_that_stops_reporting_is_silent(service, busy):
    service.clock.advance(minutes=2)
    assert (await busy.get("/api/v1/nodes")).json()["items"][0]["state"] == "silent"


async def test_status_has_the_layout_of_smbstatus(busy):
    found = (await busy.get("/api/v1/compat/smbstatus")).json()
    assert set(found) == {"timestamp", "version", "smb_conf", "sessions", "tcons", "open_files"}
    file = next(value for key, value in found["open_files"].items() if key.endswith("section B.dwg"))
    handle = next(iter(file["opens"].values()))
    assert handle["sharemode"]["text"] == "R"
    assert handle["access_mask"]["WRITE_DATA"] is True
    assert handle["caching"] == {"READ": True, "WRITE": True, "HANDLE": True, "hex": "0x00000007", "text": "RWH"}
