"""Pages without scripts: every page draws, every form works by itself."""

from __future__ import annotations

import html
import re

import pytest

from appliance.synthetic import fill
from smbcore.control.messages import CloseOpen
from tests.appliance.conftest import csrf_of

PAGES = (
    "/",
    "/activity/sessions",
    "/activity/opens",
    "/activity/locks",
    "/activity/nodes",
    "/shares",
    "/shares/new",
    "/people/users",
    "/people/users/new",
    "/people/users/admin",
    "/people/groups",
    "/people/groups/new",
    "/people/tokens",
    "/audit",
    "/settings",
    "/docs",
    "/docs/problems",
)
BUSY_PAGES = (
    "/shares/Projects",
    "/shares/Accounting/edit",
    "/shares/Projects/remove",
    "/people/users/anna",
    "/people/users/anna/remove",
    "/people/groups/design",
    "/people/groups/design/remove",
    "/activity/sessions?q=anna&sort=user",
    "/activity/opens?q=bridge&sort=-path",
)
FRAGMENTS = ("/", "/activity/sessions", "/activity/opens", "/activity/locks", "/activity/nodes", "/shares", "/audit")


@pytest.fixture
def busy(service, browser, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    return browser


@pytest.mark.parametrize("path", PAGES)
async def test_a_new_server_draws(browser, path):
    answer = await browser.get(path)
    assert answer.status_code == 200
    assert "<h1" in answer.text


async def test_a_busy_server_draws(busy):
    for path in (*PAGES, *BUSY_PAGES):
        answer = await busy.get(path)
        assert answer.status_code == 200, path
    for path in FRAGMENTS:
        answer = await busy.get(path, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
        assert "<html" not in answer.text, path


async def test_what_peers_say_is_escaped(service, busy):
    from sqlalchemy import update

    from smbcore.state.engine import writing
    from smbcore.state.schema import open_, session

    with writing(service.state.engine) as connection:
        connection.execute(update(open_).values(path='<script>alert(1)</script>"'))
        connection.execute(update(session).values(client_name="<img src=x>", user='"><b>evil'))
    for path in ("/", "/activity/sessions", "/activity/opens", "/activity/locks"):
        text = (await busy.get(path)).text
        assert "<script>alert" not in text
        assert "<img src=x>" not in text
        assert '"><b>evil' not in text


async def test_a_share_is_created_edited_and_removed_with_forms_alone(browser, tmp_path):
    secret = csrf_of((await browser.get("/shares/new")).text)
    data = {
        "csrf_token": secret,
        "name": "docs",
        "path": str(tmp_path / "docs"),
        "create_folder": "1",
        "purpose": "team",
        "enabled": "1",
        "browsable": "1",
        "access:everyone": "change",
    }
    answer = await browser.post("/shares/new", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/shares/docs")
    shown = await browser.get("/shares/docs")
    assert "The share docs was created." in shown.text
    assert "The share docs was created." not in (await browser.get("/shares/docs")).text

    data |= {"version": "1", "comment": "Papers", "access:user:admin": "full", "access:everyone": "", "read_only": "1"}
    assert (await browser.post("/shares/docs/edit", data=data)).status_code == 303
    stale = await browser.post("/shares/docs/edit", data=data)
    assert stale.status_code == 422
    assert "Someone else changed this meanwhile" in stale.text
    assert "Papers" in (await browser.get("/shares/docs")).text

    assert (await browser.post("/shares/docs/remove", data={"csrf_token": secret})).status_code == 303
    assert (await browser.get("/shares/docs")).status_code == 404


async def test_a_form_that_is_refused_comes_back_as_it_was_typed(browser):
    secret = csrf_of((await browser.get("/shares/new")).text)
    data = {"csrf_token": secret, "name": "bad/name", "path": "/tmp", "comment": "Kept text", "access:everyone": "read"}
    answer = await browser.post("/shares/new", data=data)
    assert answer.status_code == 422
    assert "These characters are not possible" in answer.text
    assert 'value="Kept text"' in answer.text
    assert '<option value="read" selected>' in answer.text


async def test_a_user_is_told_to_sign_and_encrypt_with_forms_alone(browser):
    # 1 the form says when it takes effect, and what is demanded comes back ticked
    shown = (await browser.get("/people/users/new")).text
    assert "A change takes effect at the next sign-in: connections that are open go on as they are." in shown
    data = {"csrf_token": csrf_of(shown), "name": "anna", "role": "user", "encryption_required": "1"}
    wrong = await browser.post("/people/users/new", data=data | {"password": "one of eight", "password_again": "other"})
    assert 'name="encryption_required" value="1" checked' in wrong.text
    passwords = {"password": "one of eight", "password_again": "one of eight"}
    assert (await browser.post("/people/users/new", data=data | passwords)).status_code == 303
    # 2 the user's page shows it, so does the list
    page = (await browser.get("/people/users/anna")).text
    assert "connections that are open go on as they are until you end their sessions." in page
    assert 'name="encryption_required" value="1" checked' in page
    assert 'name="signing_required" value="1">' in page
    listed = (await browser.get("/people/users")).text
    assert "must encrypt" in listed
    assert "must sign" not in listed
    # 3 and what is not ticked is not demanded any more
    change = {"csrf_token": csrf_of(page), "version": "1", "name": "anna", "role": "user", "enabled": "1"}
    assert (await browser.post("/people/users/anna", data=change | {"signing_required": "1"})).status_code == 303
    listed = (await browser.get("/people/users")).text
    assert "must sign" in listed
    assert "must encrypt" not in listed


async def test_a_user_is_added_changed_and_removed_with_forms_alone(browser):
    secret = csrf_of((await browser.get("/people/users/new")).text)
    await browser.post("/people/groups/new", data={"csrf_token": secret, "name": "staff"})
    data = {"csrf_token": secret, "name": "anna", "full_name": "Anna", "role": "user", "group": "staff"}
    wrong = await browser.post("/people/users/new", data=data | {"password": "one of eight", "password_again": "other"})
    assert "The two passwords differ." in wrong.text
    passwords = {"password": "one of eight", "password_again": "one of eight"}
    assert (await browser.post("/people/users/new", data=data | passwords)).status_code == 303
    page = (await browser.get("/people/users/anna")).text
    assert 'value="staff" checked' in page
    assert 'name="signing_required" value="1">' in page
    change = {"csrf_token": secret, "version": "1", "name": "anna", "full_name": "Anna B", "role": "user"}
    assert (await browser.post("/people/users/anna", data=change)).status_code == 303
    listed = (await browser.get("/people/users")).text
    assert "Anna B" in listed
    assert "disabled" in listed
    assert (
        await browser.post("/people/users/anna/password", data={"csrf_token": secret} | passwords)
    ).status_code == 303
    assert (await browser.post("/people/users/anna/remove", data={"csrf_token": secret})).status_code == 303


async def test_a_file_is_closed_with_forms_alone(service, busy):
    found = (await busy.get("/api/v1/opens?q=section B")).json()["items"][0]["id"]
    asked = (await busy.get(f"/activity/opens/{found}/close")).text
    assert "Close Deck section B.dwg held by anna?" in asked
    assert "data may be lost" in asked
    answer = await busy.post(f"/activity/opens/{found}/close", data={"csrf_token": csrf_of(asked), "reason": "stuck"})
    assert answer.status_code == 303
    assert CloseOpen(int(found), "stuck") in service.core.heard
    assert (await busy.get(f"/activity/opens/{found}/close")).status_code == 404


async def test_sorting_and_paging_keep_what_a_list_is_narrowed_to(busy):
    for path in ("/activity/opens?away=1&user=anna", "/activity/sessions?user=anna&q=ws"):
        page = html.unescape((await busy.get(path)).text)
        links = re.findall(r'href="(/activity/\w+\?sort=[^"]+)"', page)
        assert links
        assert all("&user=anna" in link for link in links)
        assert all(("&away=1" in link) == ("away" in path) for link in links)
        assert all(("&q=ws" in link) == ("q=ws" in path) for link in links)


async def test_a_kept_handle_is_dropped_with_forms_alone(service, busy):
    found = (await busy.get("/api/v1/opens?away=true")).json()["items"][0]
    asked = (await busy.get(f"/activity/opens/{found['id']}/close")).text
    name = found["path"].rpartition("\\")[2]
    assert f"Drop the handle on {name} kept for {found['user']}?" in html.unescape(asked)
    answer = await busy.post(f"/activity/opens/{found['id']}/close", data={"csrf_token": csrf_of(asked)})
    assert answer.status_code == 303
    assert "The handle was dropped." in (await busy.get("/activity/opens")).text


async def test_a_reason_is_asked_for_only_where_it_is_kept(busy):
    asked = [
        "/shares/Projects/remove", "/people/users/anna/remove", "/people/groups/design/remove"
    ]  # fmt: skip
    for path in asked:
        assert 'name="reason"' not in (await busy.get(path)).text, path
    session = (await busy.get("/api/v1/sessions")).json()["items"][0]["id"]
    assert 'name="reason"' in (await busy.get(f"/activity/sessions/{session}/disconnect")).text


async def test_a_dead_core_is_told_on_the_overview_and_when_closing(service, busy):
    found = (await busy.get("/api/v1/opens")).json()["items"][0]["id"]
    secret = csrf_of((await busy.get("/")).text)
    await service.control.stop()
    assert "The SMB server does not answer" in (await busy.get("/")).text
    answer = await busy.post(f"/activity/opens/{found}/close", data={"csrf_token": secret})
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.text


async def test_a_token_is_shown_once(browser):
    secret = csrf_of((await browser.get("/people/tokens")).text)
    data = {"csrf_token": secret, "name": "script", "scope": "shares:read", "days": "30"}
    made = (await browser.post("/people/tokens", data=data)).text
    assert "hf_1_" in made
    assert "is not shown again" in made
    assert "Copy the new token" not in (await browser.get("/people/tokens")).text


async def test_the_colours_are_remembered(browser):
    secret = csrf_of((await browser.get("/")).text)
    await browser.post("/theme", data={"csrf_token": secret, "theme": "dark", "next": "/"})
    assert 'data-theme="dark"' in (await browser.get("/")).text


async def test_a_share_whose_folder_has_gone_is_told(busy, tmp_path):
    (tmp_path / "folders" / "scans").rmdir()
    assert "The folder of the share Scans is missing" in (await busy.get("/")).text
    assert "The folder is missing" in (await busy.get("/shares/Scans")).text
