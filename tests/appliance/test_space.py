"""Space of shares and users: REST and pages."""

from __future__ import annotations

import pytest

from smbcore.control.messages import QueryUsage, ReloadConfiguration, Usage
from smbcore.state.accounts import NewAccount, create_account, find_account
from smbcore.state.engine import writing
from smbcore.state.passwords import derive
from smbcore.state.shares import find_share
from tests.appliance.conftest import csrf_of
from tests.appliance.support import START

MIB = 1 << 20
TB = 1 << 40


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "folder"
    found.mkdir()
    return found


@pytest.fixture
async def docs(api, folder):
    """A share docs with a limit and quotas."""
    options = {"size_limit_mib": 100, "quota": "enforce", "quota_limit": 40 * MIB, "quota_threshold": 30 * MIB}
    wanted = {"name": "docs", "path": str(folder), "access": [], "options": options}
    answer = await api.post("/api/v1/shares", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


def sid_of(service, name):
    """Make a user and return the SID."""
    with writing(service.state.engine) as connection:
        create_account(connection, service.state.key, NewAccount(name), derive("correct horse"), now=START)
        found = find_account(connection, name)
    return found.sid


def stored_entries(service):
    with service.state.engine.connect() as connection:
        return find_share(connection, "docs").options.quota_entries


# -- REST --
async def test_usage_names_owners_and_what_is_left(service, api, docs):
    anna = sid_of(service, "anna")
    service.core.usage = Usage(TB, TB // 2, TB // 4, "counted", 75 * MIB, {anna: 35 * MIB, "S-1-5-32-544": 40 * MIB})
    answer = await api.get("/api/v1/shares/docs/usage")
    assert answer.headers["etag"] == '"v1"'
    found = answer.json()
    assert (found["used"], found["size_limit"], found["total"], found["free"]) == (
        75 * MIB, 100 * MIB, 100 * MIB, 25 * MIB
    )  # fmt: skip
    assert (found["disk_total"], found["disk_free"], found["state"], found["quota"]) == (
        TB, TB // 2, "counted", "enforce"
    )  # fmt: skip
    group, user = found["owners"]
    assert (group["name"], group["limit"], group["state"]) == ("Administrators", None, "ok")
    assert (user["name"], user["used"], user["limit"], user["threshold"], user["state"], user["is_own"]) == (
        "anna", 35 * MIB, 40 * MIB, 30 * MIB, "close", False
    )  # fmt: skip


async def test_the_disk_bounds_what_is_free(service, api, docs):
    service.core.usage = Usage(TB, 5 * MIB, 4 * MIB, "counted", 0, {})
    assert (await api.get("/api/v1/shares/docs/usage")).json()["free"] == 4 * MIB


async def test_a_limit_for_each_users_folder_does_not_bound_the_share(service, api, docs):
    wanted = {"options": {"personal_folders": True}}
    assert (await api.patch("/api/v1/shares/docs", json=wanted, headers={"If-Match": '"v1"'})).status_code == 200
    service.core.usage = Usage(TB, TB // 2, TB // 4, "counted", 300 * MIB, {})
    found = (await api.get("/api/v1/shares/docs/usage")).json()
    assert (found["size_limit"], found["is_limit_per_user"]) == (100 * MIB, True)
    assert (found["total"], found["free"]) == (TB, TB // 4)
    lower = {"options": {"size_limit_mib": 50}}
    assert (await api.patch("/api/v1/shares/docs", json=lower, headers={"If-Match": '"v2"'})).status_code == 200


async def test_a_share_that_nobody_counts_says_so(service, api, folder):
    await api.post("/api/v1/shares", json={"name": "plain", "path": str(folder)})
    found = (await api.get("/api/v1/shares/plain/usage")).json()
    assert (found["state"], found["used"], found["size_limit"], found["owners"]) == ("off", None, None, [])
    assert (found["total"], found["free"]) == (TB, TB // 4)


async def test_usage_of_nothing_and_without_a_core(service, api, docs):
    assert (await api.get("/api/v1/shares/none/usage")).status_code == 404
    assert (await api.get("/api/v1/shares/IPC$/usage")).status_code == 404
    await service.control.stop()
    assert (await api.get("/api/v1/shares/docs/usage")).status_code == 503


async def test_a_users_limit_is_set_changed_and_removed(service, api, docs):
    anna = sid_of(service, "anna")
    place = "/api/v1/shares/docs/quotas/anna"
    answer = await api.put(place, json={"limit": 5 * MIB, "threshold": 4 * MIB}, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text
    assert (answer.headers["etag"], answer.headers["x-holdfast-applied"]) == ('"v2"', "true")
    assert ReloadConfiguration() in service.core.heard
    (entry,) = stored_entries(service)
    assert entry.startswith(f"{anna} {4 * MIB} {5 * MIB} ")
    owner = (await api.get("/api/v1/shares/docs/usage")).json()["owners"][0]
    assert (owner["limit"], owner["threshold"], owner["is_own"], owner["used"]) == (5 * MIB, 4 * MIB, True, 0)
    by_sid = f"/api/v1/shares/docs/quotas/{anna}"
    assert (await api.put(by_sid, json={"limit": None}, headers={"If-Match": '"v2"'})).status_code == 200
    assert stored_entries(service)[0].startswith(f"{anna} -1 -1 ")
    assert (await api.delete(place, headers={"If-Match": '"v3"'})).status_code == 204
    assert stored_entries(service) == ()
    answer = await api.delete(place, headers={"If-Match": '"v4"'})
    assert (answer.status_code, answer.json()["type"].rpartition("#")[2]) == (404, "quota-not-found")
    options = (await api.get("/api/v1/shares/docs")).json()["options"]
    assert (options["size_limit_mib"], options["quota"]) == (100, "enforce")


async def test_a_change_based_on_an_old_version_is_refused(service, api, docs):
    sid_of(service, "anna")
    place = "/api/v1/shares/docs/quotas/anna"
    assert (await api.put(place, json={"limit": 1}, headers={"If-Match": '"v7"'})).status_code == 412
    assert stored_entries(service) == ()


@pytest.mark.parametrize(
    ("owner", "wanted", "status", "blamed"),
    [
        ("anna", {"limit": -1}, 422, "limit"),
        ("anna", {"limit": 1 << 63}, 422, "limit"),
        ("anna", {"limit": 5, "threshold": 6}, 422, "threshold"),
        ("anna", {}, 422, "limit"),
        ("anna", {"limit": 5, "more": 1}, 422, "more"),
        ("S-1-5-32-544", {"limit": 5}, 422, "limit"),
        ("nobody", {"limit": 5}, 404, None),
    ],
)
async def test_impossible_limits_are_refused_with_a_sentence(service, api, docs, owner, wanted, status, blamed):
    sid_of(service, "anna")
    answer = await api.put(f"/api/v1/shares/docs/quotas/{owner}", json=wanted, headers={"If-Match": '"v1"'})
    assert answer.status_code == status
    errors = answer.json().get("errors") or []
    assert [error["pointer"] for error in errors] == ([f"/{blamed}"] if blamed else [])
    assert all(error["detail"] for error in errors)
    assert stored_entries(service) == ()


@pytest.mark.parametrize(
    "options",
    [
        {"size_limit_mib": -1},
        {"size_limit_mib": 1.5},
        {"size_limit_mib": "5"},
        {"quota": "perhaps"},
        {"quota_limit": -2},
        {"quota_entries": ["anna 5"]},
    ],
)
async def test_impossible_options_are_refused(api, docs, options):
    answer = await api.patch("/api/v1/shares/docs", json={"options": options}, headers={"If-Match": '"v1"'})
    assert answer.status_code == 422
    assert next(iter(options)) in answer.text


async def test_a_limit_below_what_the_files_take_is_refused(service, api, docs):
    service.core.usage = Usage(TB, TB, TB, "counted", 70 * MIB + 1, {})

    async def change(limit):
        with service.state.engine.connect() as connection:
            version = find_share(connection, "docs").version
        options = {"options": {"size_limit_mib": limit}}
        return await api.patch("/api/v1/shares/docs", json=options, headers={"If-Match": f'"v{version}"'})

    refused = await change(70)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/options/size_limit_mib"
    assert "71 MiB" in refused.json()["errors"][0]["detail"]
    assert (await change(71)).status_code == 200
    assert (await change(0)).status_code == 200
    service.core.usage = Usage(TB, TB, TB, "counting", 0, {})
    assert (await change(1)).status_code == 200
    await service.control.stop()
    assert (await change(2)).status_code == 200


# -- pages --
async def make_docs(browser, folder, **more):
    page = await browser.get("/shares/new")
    form = {"name": "docs", "path": str(folder), "enabled": "1", "csrf_token": csrf_of(page.text)}
    assert (await browser.post("/shares/new", data=form)).status_code == 303


async def edit(browser, **values):
    page = await browser.get("/shares/docs/edit")
    version = page.text.split('name="version" value="')[1].split('"')[0]
    form = {"name": "docs", "enabled": "1", "csrf_token": csrf_of(page.text), "version": version}
    return await browser.post("/shares/docs/edit", data=form | values)


async def test_the_page_of_a_share_shows_how_full_it_is_and_who_takes_it(service, browser, folder):
    await make_docs(browser, folder)
    anna = sid_of(service, "anna")
    page = (await browser.get("/shares/docs")).text
    assert "not counted" in page
    answer = await edit(
        browser, path=str(folder), size_limit="100", quota="enforce", quota_limit="40", quota_threshold=""
    )
    assert answer.status_code == 303, answer.text
    service.core.usage = Usage(TB, TB, TB, "counted", 75 * MIB, {anna: 40 * MIB, "S-1-5-21-9-9-9-7": 35 * MIB})
    page = (await browser.get("/shares/docs")).text
    assert "75 % used" in page
    assert "anna" in page
    assert "S-1-5-21-9-9-9-7" in page
    assert "full" in page
    assert QueryUsage("docs") in service.core.heard


async def test_the_page_of_a_share_works_without_the_server(service, browser, folder):
    await make_docs(browser, folder)
    await service.control.stop()
    answer = await browser.get("/shares/docs")
    assert answer.status_code == 200
    assert "SMB server does not answer" in answer.text


async def test_limits_of_users_are_set_and_removed_on_a_page(service, browser, folder):
    await make_docs(browser, folder)
    anna = sid_of(service, "anna")
    page = await browser.get("/shares/docs/quotas")
    assert "anna" in page.text
    form = {"csrf_token": csrf_of(page.text), "version": "1", "owner": anna, "limit": "2", "threshold": "1"}
    assert (await browser.post("/shares/docs/quotas", data=form)).status_code == 303
    assert stored_entries(service)[0].startswith(f"{anna} {MIB} {2 * MIB} ")
    again = await browser.post("/shares/docs/quotas", data=form | {"limit": "-5", "version": "2"})
    assert again.status_code == 422
    assert "a number of MiB" in again.text
    late = await browser.post("/shares/docs/quotas", data=form)
    assert late.status_code == 422
    gone = await browser.post("/shares/docs/quotas", data=form | {"limit": "", "threshold": "", "version": "2"})
    assert gone.status_code == 303
    assert stored_entries(service)[0].startswith(f"{anna} -1 -1 ")
    removal = form | {"remove": "1", "version": "3"}
    assert (await browser.post("/shares/docs/quotas", data=removal)).status_code == 303
    assert stored_entries(service) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size_limit", "-1"),
        ("size_limit", "many"),
        ("size_limit", "1.5"),
        ("size_limit", str((1 << 40) + 1)),
        ("quota_limit", "-1.5"),
        ("quota_threshold", "9" * 30),
    ],
)
async def test_impossible_numbers_in_the_form_are_told_beside_the_input(service, browser, folder, field, value):
    await make_docs(browser, folder)
    answer = await edit(browser, path=str(folder), **{field: value})
    assert answer.status_code == 422
    assert f'id="d-{field}"' in answer.text
    assert f'value="{value}"' in answer.text
