"""Settings of the whole server over REST and in the browser."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from appliance.synthetic import fill
from smbcore.control.messages import ReloadConfiguration
from smbcore.state.engine import writing
from smbcore.state.schema import session, setting
from tests.appliance.conftest import inputs_of

ADDRESS = "/api/v1/settings"


@pytest.fixture
async def busy(service, api, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    return api


async def change(client, values, tag=None, query=""):
    tag = tag or (await client.get(ADDRESS)).headers["etag"]
    return await client.patch(ADDRESS + query, json=values, headers={"If-Match": tag})


async def test_settings_are_changed_told_to_the_core_and_recorded(service, api):
    before = await api.get(ADDRESS)
    assert (before.json()["server_name"], before.json()["min_dialect"]) == ("TESTNAS", "2.1")
    answer = await change(api, {"min_dialect": "3.0", "durable_timeout_s": 120})
    assert answer.status_code == 200
    assert answer.headers["x-holdfast-applied"] == "true"
    assert answer.headers["etag"] != before.headers["etag"]
    assert (answer.json()["min_dialect"], answer.json()["durable_timeout_s"]) == ("3.0", 120)
    assert service.core.heard == [ReloadConfiguration()]
    record = (await api.get("/api/v1/audit?action=settings.change")).json()["items"][0]
    assert record["detail"]["changes"] == {"min_dialect": "3.0", "durable_timeout_s": 120}


async def test_only_what_is_named_is_stored(service, api):
    await change(api, {"durable_timeout_s": 120})
    with service.state.engine.connect() as connection:
        names = set(connection.scalars(select(setting.c.name).where(setting.c.name.like("%timeout%"))))
    assert names == {"durable_timeout_s"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"min_dialect": "1.0"}, "min_dialect"),
        ({"min_dialect": "3.1.1", "max_dialect": "3.0"}, "max_dialect"),
        ({"server_name": "a name that is too long"}, "server_name"),
        ({"durable_timeout_s": 0}, "durable_timeout_s"),
        ({"encryption_required": True, "encryption_offered": False}, "encryption_offered"),
        ({"server_guid": "00000000-0000-0000-0000-000000000000"}, "server_guid"),
        ({"signing_required": None}, ""),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
async def test_what_is_not_possible_is_refused_and_changes_nothing(service, api, values, field):
    before = (await api.get(ADDRESS)).json()
    answer = await change(api, values)
    assert answer.status_code == 422
    assert field in answer.text
    assert (await api.get(ADDRESS)).json() == before
    assert service.core.heard == []


async def test_a_change_needs_the_version_it_is_based_on(api):
    tag = (await api.get(ADDRESS)).headers["etag"]
    assert (await api.patch(ADDRESS, json={"workgroup": "LAB"})).status_code == 428
    assert (await change(api, {"workgroup": "LAB"}, tag)).status_code == 200
    late = await change(api, {"workgroup": "OTHER"}, tag)
    assert late.status_code == 412
    assert late.json()["current"]["workgroup"] == "LAB"


async def test_scopes_of_settings(service, api):
    for scope, statuses in (("settings:read", (200, 403)), ("shares:write", (403, 403))):
        async with service.client(headers={"Authorization": f"Bearer {service.token(scope)}"}) as client:
            assert (await client.get(ADDRESS)).status_code == statuses[0]
            answer = await client.patch(ADDRESS, json={}, headers={"If-Match": '"v1"'})
            assert answer.status_code == statuses[1]


async def test_a_dry_run_names_who_could_not_come_back(service, busy):
    with writing(service.state.engine) as connection:
        connection.execute(update(session).where(session.c.user == "hiro").values(dialect="2.1"))
        connection.execute(update(session).where(session.c.user == "greta").values(guest=True))
    for values, users in (
        ({"min_dialect": "3.0"}, {"hiro", "greta"}),
        ({"min_dialect": "3.0", "allow_guest": True}, {"hiro"}),
        ({"encryption_required": True, "allow_guest": True}, {"hiro", "greta"}),
        ({"durable_timeout_s": 20, "allow_guest": True}, set()),
    ):
        impact = (await change(busy, values, query="?dry_run=true")).json()
        assert {item["user"] for item in impact["sessions_refused"]} == users
        assert impact["sessions_kept"] == 8
    assert service.core.heard == []
    assert (await busy.get(ADDRESS)).json()["min_dialect"] == "2.1"


async def form_of(client, **changes):
    return inputs_of((await client.get("/settings")).text, "/settings") | changes


async def test_settings_are_saved_from_the_page(service, browser):
    answer = await browser.post("/settings", data=await form_of(browser, durable_timeout_s="90", encryption="required"))
    assert answer.status_code == 303
    page = (await browser.get("/settings")).text
    assert "The settings were saved. 0 sessions go on as before" in page
    assert 'name="encryption" value="required" checked' in page
    assert service.core.heard[-1] == ReloadConfiguration()


async def test_the_page_says_what_is_wrong_beside_the_input(service, browser):
    for changes, words in (
        ({"durable_timeout_s": "0"}, "durable_timeout_s"),
        ({"durable_timeout_s": "long"}, "Give a whole number."),
        ({"durable_timeout_s": ""}, "Give a whole number."),
        ({"max_away": "9" * 5000}, "That is too large a number."),
        ({"min_dialect": "3.1.1", "max_dialect": "3.0"}, "must not be older"),
        ({"audit_records": "5"}, "Must be at least 10000."),
        ({"version": "1"}, "changed by someone else"),
        ({"version": "9" * 5000}, "changed by someone else"),
    ):
        answer = await browser.post("/settings", data=await form_of(browser, **changes))
        assert answer.status_code == 422
        assert words in answer.text
        name, typed = next(iter(changes.items()))
        assert name == "version" or inputs_of(answer.text, "/settings")[name] == typed
    assert service.core.heard == []


async def test_the_page_asks_before_it_locks_somebody_out(service, browser, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    form = await form_of(browser, min_dialect="3.1.1")
    answer = await browser.post("/settings", data=form)
    assert answer.status_code == 409
    assert "SCAN-STATION" in answer.text
    assert "older than 3.1.1" in answer.text
    assert service.core.heard == []
    assert (await browser.post("/settings", data=form | {"accepted": "1"})).status_code == 303
    assert service.core.heard == [ReloadConfiguration()]
