"""Signing in, cookies, forms, headers, limits."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import select

from appliance.security.headers import CONTENT_SECURITY_POLICY
from appliance.security.throttle import SignInThrottle
from smbcore.state import accounts, audit
from smbcore.state.engine import writing
from smbcore.state.passwords import derive
from smbcore.state.schema import account, setup_code, web_session
from smbcore.state.setup_codes import create_setup_code
from tests.appliance.conftest import csrf_of
from tests.appliance.support import PASSWORD, START, add_administrator


async def sign_in(client, name="admin", password=PASSWORD):
    form = csrf_of((await client.get("/sign-in")).text)
    return await client.post("/sign-in", data={"name": name, "password": password, "csrf_token": form})


async def test_every_answer_carries_the_security_headers(service, browser):
    for path in ("/", "/sign-in", "/health/live", "/api/v1/shares", "/nowhere", "/static/js/app.js"):
        answer = await browser.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere():
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'; base-uri 'none'" in CONTENT_SECURITY_POLICY


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(service):
    add_administrator(service.state)
    async with service.client() as client:
        answer = await sign_in(client)
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("holdfast_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    secret = cookie.split("=", 1)[1].split(";")[0]
    with service.state.engine.connect() as connection:
        assert secret not in str(connection.execute(select(web_session)).all())


async def test_pages_lead_to_the_sign_in_page_and_back(service):
    add_administrator(service.state)
    async with service.client() as client:
        answer = await client.get("/activity/opens")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Factivity%2Fopens")


@pytest.mark.parametrize("target", ["//evil.test", "https://evil.test", "/\\evil.test", "evil"])
async def test_signing_in_never_leads_to_another_site(service, target):
    add_administrator(service.state)
    async with service.client() as client:
        form = csrf_of((await client.get("/sign-in")).text)
        data = {"name": "admin", "password": PASSWORD, "csrf_token": form, "next": target}
        assert (await client.post("/sign-in", data=data)).headers["location"] == "/"


async def test_a_form_without_its_secret_is_refused(browser):
    for data in ({}, {"csrf_token": "guess"}):
        assert (await browser.post("/people/groups/new", data={"name": "x", **data})).status_code == 403
        assert (await browser.post("/sign-out", data=data)).status_code == 403
    assert (await browser.get("/people/groups")).status_code == 200


async def test_the_api_wants_the_secret_from_browsers_too(browser):
    body = {"name": "staff"}
    assert (await browser.post("/api/v1/groups", json=body)).status_code == 403
    secret = csrf_of((await browser.get("/people/groups/new")).text)
    answer = await browser.post("/api/v1/groups", json=body, headers={"X-CSRF-Token": secret})
    assert answer.status_code == 201


async def test_who_could_not_sign_in_is_recorded_without_what_was_typed(service):
    add_administrator(service.state)
    with writing(service.state.engine) as connection:
        for name, enabled in (("anna", True), ("gone", False)):
            new = accounts.NewAccount(name, enabled=enabled)
            accounts.create_account(connection, service.state.key, new, derive(PASSWORD), now=START)
    for name, password in (
        ("ADMIN", "wrong password"), ("my secret", "admin"), ("gone", PASSWORD), ("anna", PASSWORD), ("Admin", PASSWORD),
    ):  # fmt: skip
        async with service.client() as client:
            await sign_in(client, name, password)
    with service.state.engine.connect() as connection:
        found = audit.search(connection, audit.Filter(action="sign_in"))[::-1]
    assert [(item.actor, item.object, item.detail.get("condition", ""), item.outcome) for item in found] == [
        ("", "user admin", "password", "refused"),
        ("", "an unknown user", "name", "refused"),
        ("", "user gone", "disabled", "refused"),
        ("", "user anna", "no_administrator", "refused"),
        ("admin", "user admin", "", "done"),
    ]
    assert "my secret" not in str(found)


async def test_a_sign_in_form_from_another_browser_is_refused(service):
    add_administrator(service.state)
    async with service.client() as one, service.client() as other:
        form = csrf_of((await one.get("/sign-in")).text)
        await other.get("/sign-in")
        answer = await other.post("/sign-in", data={"name": "admin", "password": PASSWORD, "csrf_token": form})
    assert answer.status_code == 403


async def test_wrong_name_and_wrong_password_answer_alike(service):
    add_administrator(service.state)
    async with service.client() as client:
        first = await sign_in(client, name="admin", password="wrong password")
        second = await sign_in(client, name="nobody", password="wrong password")
    assert first.status_code == second.status_code == 401
    assert "The name or the password is wrong." in first.text
    assert "The name or the password is wrong." in second.text


async def test_guessing_is_slowed_down_for_this_account_and_address_only(service):
    add_administrator(service.state)
    add_administrator(service.state, "other")
    async with service.client() as client:
        for number in range(5):
            assert (await sign_in(client, password=f"wrong {number}")).status_code == 401
        answer = await sign_in(client)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert (await sign_in(client, name="other")).status_code == 303
        service.clock.advance(seconds=3)
        await client.post("/sign-out")
        client.cookies.clear()
        assert (await sign_in(client)).status_code == 303


def test_the_same_wrong_password_counts_once():
    throttle = SignInThrottle()
    for _ in range(50):
        throttle.failed("anna", "192.0.2.1", "old password", 0.0)
    assert throttle.seconds_to_wait("anna", "192.0.2.1", 0.0) == 0


def test_the_wait_doubles_and_is_bounded():
    throttle = SignInThrottle()
    waits = []
    for number in range(16):
        throttle.failed("anna", "192.0.2.1", str(number), 0.0)
        waits.append(throttle.seconds_to_wait("ANNA", "192.0.2.1", 0.0))
    assert waits[:6] == [0, 0, 0, 0, 2, 4]
    assert waits[-1] == 300
    assert throttle.seconds_to_wait("anna", "192.0.2.2", 0.0) == 0


async def test_a_plain_user_may_not_manage(service, api):
    await api.post("/api/v1/users", json={"name": "anna", "password": PASSWORD})
    async with service.client() as client:
        answer = await sign_in(client, name="anna")
    assert answer.status_code == 403
    assert "not manage the server" in answer.text


async def test_signing_out_ends_the_session(browser):
    secret = csrf_of((await browser.get("/")).text)
    cookie = browser.cookies["holdfast_session"]
    await browser.post("/sign-out", data={"csrf_token": secret})
    browser.cookies.set("holdfast_session", cookie)
    assert (await browser.get("/")).status_code == 303


async def test_idle_sessions_end(service, browser):
    service.clock.advance(hours=9)
    assert (await browser.get("/")).status_code == 303


async def test_a_body_beyond_the_limit_is_refused(browser):
    answer = await browser.post("/sign-in", content=b"x" * (2 << 20), headers={"Content-Type": "text/plain"})
    assert answer.status_code in (403, 413)
    answer = await browser.post("/api/v1/groups", json={"name": "x" * (2 << 20)})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_setup_link_works_once_and_is_stored_as_a_hash(service, tmp_path):
    with writing(service.state.engine) as connection:
        code = create_setup_code(connection, now=service.clock.now())
    async with service.client() as client:
        assert (await client.get("/setup?code=AAAA-BBBB")).status_code == 403
        form = csrf_of((await client.get(f"/setup?code={code}")).text)
        data = {
            "code": code,
            "csrf_token": form,
            "administrator": "boss",
            "administrator_password": PASSWORD,
            "administrator_password_again": PASSWORD,
            "user": "anna",
            "user_password": PASSWORD + "2",
            "user_password_again": PASSWORD + "2",
            "share_name": "files",
            "share_path": str(tmp_path / "files"),
            "create_folder": "1",
        }
        answer = await client.post("/setup", data=data)
        assert answer.status_code == 303, answer.text
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/shares/files")).status_code == 200
        assert (await client.get(f"/setup?code={code}")).status_code == 303
        assert (await client.post("/setup", data=data)).status_code == 422
    with service.state.engine.connect() as connection:
        stored = connection.execute(select(setup_code)).mappings().one()
        names = set(connection.scalars(select(account.c.name)))
    assert code not in str(stored)
    assert stored["used_at"] is not None
    assert names == {"boss", "anna"}


async def test_an_expired_setup_link_is_refused(service):
    with writing(service.state.engine) as connection:
        code = create_setup_code(connection, now=service.clock.now())
    service.clock.advance(hours=25)
    async with service.client() as client:
        assert (await client.get(f"/setup?code={code}")).status_code == 403


async def test_a_setup_that_fails_leaves_nothing_behind(service):
    with writing(service.state.engine) as connection:
        code = create_setup_code(connection, now=service.clock.now())
    async with service.client() as client:
        form = csrf_of((await client.get(f"/setup?code={code}")).text)
        data = {
            "code": code,
            "csrf_token": form,
            "administrator": "boss",
            "administrator_password": PASSWORD,
            "administrator_password_again": PASSWORD,
            "share_name": "files",
            "share_path": "/proc/nowhere",
        }
        answer = await client.post("/setup", data=data)
        assert answer.status_code == 422
        assert "There is no folder /proc/nowhere" in answer.text
        assert PASSWORD not in answer.text
        data |= {"share_name": ""}
        assert (await client.post("/setup", data=data)).status_code == 303


async def test_a_fault_of_ours_tells_nothing_but_where_to_look(service, api, monkeypatch, caplog):
    def fail(*_args):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("appliance.services.shares.list_shares", fail)
    with caplog.at_level(logging.ERROR):
        answer = await api.get("/api/v1/shares")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["trace_id"] in caplog.text
    assert "content-security-policy" in answer.headers


async def test_secrets_do_not_reach_the_log(service, caplog):
    add_administrator(service.state)
    with caplog.at_level(logging.DEBUG):
        async with service.client() as client:
            await sign_in(client, password="the wrong secret")
            await sign_in(client)
            cookie = client.cookies["holdfast_session"]
    for secret in ("the wrong secret", PASSWORD, cookie):
        assert secret not in caplog.text


async def test_static_files_cannot_be_left(service):
    async with service.client() as client:
        for path in ("/static/../templates/base.html", "/static/%2e%2e/templates/base.html", "/static//etc/passwd"):
            assert (await client.get(path)).status_code in (404, 303)
