"""The audit log stays within the limits that the settings give it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from appliance import upkeep
from appliance.services import retention
from appliance.upkeep import Upkeep
from smbcore.state import audit
from smbcore.state.configuration import Settings
from smbcore.state.engine import writing
from smbcore.state.settings import change_settings
from tests.appliance.conftest import inputs_of

DAYS = 400


class Waits:
    """Waits that are over at once, a given number of times; then the task ends."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.left -= 1
        if not self.left:
            raise asyncio.CancelledError


def fill(service, count, *, age):
    with writing(service.state.engine) as connection:
        for number in range(count):
            entry = audit.Entry("admin", "share.change", f"share s{number}")
            audit.record(connection, entry, now=service.clock.now() - age)


def change(service, **values):
    with writing(service.state.engine) as connection:
        change_settings(connection, values, now=service.clock.now())


def objects(service):
    with service.state.engine.connect() as connection:
        return [record.object for record in audit.search(connection, limit=10_000)]


async def run(service, waits):
    with pytest.raises(asyncio.CancelledError):
        await Upkeep(service.state.engine, service.clock, waits).run()


async def test_old_records_go_and_young_ones_stay(service):
    fill(service, 3, age=timedelta(days=DAYS, seconds=1))
    fill(service, 2, age=timedelta(days=DAYS))
    waits = Waits(2)
    await run(service, waits)
    assert objects(service) == ["share s1", "share s0"]
    assert waits.seconds == [upkeep.BETWEEN_BATCHES_S, upkeep.EVERY_S]


async def test_it_looks_again_every_hour_and_at_the_settings_of_then(service):
    fill(service, 4, age=timedelta(days=30))
    seen = []

    async def wait(seconds):
        if seconds != upkeep.EVERY_S:
            return
        seen.append(len(objects(service)))
        change(service, audit_days=7)
        if len(seen) == 2:
            raise asyncio.CancelledError

    await run(service, wait)
    assert seen == [4, 0]


async def test_without_days_only_the_number_counts(service, monkeypatch):
    fill(service, 5, age=timedelta(days=5000))
    change(service, audit_days=0)
    await run(service, Waits(1))
    assert len(objects(service)) == 5
    monkeypatch.setattr(retention, "read_settings", lambda _: Settings(audit_days=0, audit_records=2))
    await run(service, Waits(2))
    assert objects(service) == ["share s4", "share s3"]


async def test_much_is_removed_in_batches_with_pauses_and_the_rest_soon(service, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(upkeep, "MOST_BATCHES", 3)
    fill(service, 9, age=timedelta(days=DAYS + 1))
    waits = Waits(7)
    await run(service, waits)
    pause = upkeep.BETWEEN_BATCHES_S
    assert waits.seconds == [pause, pause, pause, upkeep.SOON_S, pause, pause, upkeep.EVERY_S]
    assert objects(service) == []


async def test_refused_sign_ins_push_out_nothing_else(service, monkeypatch):
    fill(service, 3, age=timedelta(days=1))
    with writing(service.state.engine) as connection:
        for number in range(20):
            entry = audit.Entry("", "sign_in", f"user u{number}", "refused", "10.0.0.7")
            audit.record(connection, entry, now=service.clock.now())
    monkeypatch.setattr(retention, "KEPT", 4)
    monkeypatch.setattr(retention, "read_settings", lambda _: Settings(audit_records=7))
    await run(service, Waits(2))
    assert objects(service) == [f"user u{n}" for n in (19, 18, 17, 16)] + [f"share s{n}" for n in (2, 1, 0)]


async def test_a_database_that_does_not_answer_is_asked_again(service, monkeypatch, caplog):
    fill(service, 1, age=timedelta(days=DAYS + 1))
    real, calls = retention.prune_batch, []

    def prune_batch(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise OperationalError("DELETE", {}, Exception("database is locked"))
        return real(*arguments)

    monkeypatch.setattr(retention, "prune_batch", prune_batch)
    await run(service, Waits(3))
    assert "trying again in an hour" in caplog.text
    assert objects(service) == []


async def test_the_service_does_it_while_it_runs(service):
    fill(service, 3, age=timedelta(days=DAYS + 1))
    async with service.app.router.lifespan_context(service.app), asyncio.timeout(20):
        while objects(service):
            await asyncio.sleep(0)


# -- settings --
async def test_lower_limits_are_saved_after_the_number_of_records_was_shown(service, browser):
    fill(service, 12, age=timedelta(days=30))
    form = inputs_of((await browser.get("/settings")).text, "/settings") | {"audit_days": "7"}
    asked = await browser.post("/settings", data=form)
    assert asked.status_code == 409
    assert "12 records of the audit log will be removed for good" in asked.text
    assert 'name="accepted"' in asked.text
    assert (await browser.post("/settings", data=form | {"accepted": "1"})).status_code == 303
    with service.state.engine.connect() as connection:
        assert retention.read_settings(connection).audit_days == 7


async def test_a_dry_run_counts_the_records_that_would_go(service, api):
    fill(service, 12, age=timedelta(days=30))
    tag = (await api.get("/api/v1/settings")).headers["etag"]
    for changes, count in (({"audit_days": 7}, 12), ({"audit_days": 31}, 0), ({"workgroup": "LAB"}, 0)):
        answer = await api.patch("/api/v1/settings?dry_run=true", json=changes, headers={"If-Match": tag})
        assert answer.json()["audit_records_removed"] == count, changes


@pytest.mark.parametrize("values", [{"audit_days": -1}, {"audit_days": 36_501}, {"audit_records": 9_999}])
async def test_limits_out_of_range_are_refused(api, values):
    tag = (await api.get("/api/v1/settings")).headers["etag"]
    for query in ("", "?dry_run=true"):
        answer = await api.patch(f"/api/v1/settings{query}", json=values, headers={"If-Match": tag})
        assert answer.status_code == 422
        assert next(iter(values)) in answer.text
