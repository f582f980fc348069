"""Shares, users, groups and tokens over REST."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from smbcore.control.messages import DisconnectUser, ReloadConfiguration
from smbcore.state.engine import writing
from smbcore.state.schema import account, audit, share, token


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "docs"
    path.mkdir()
    return str(path)


async def make_share(api, folder, **fields):
    body = {"name": "docs", "path": folder, "access": [{"principal": "everyone", "level": "change"}]} | fields
    answer = await api.post("/api/v1/shares", json=body)
    assert answer.status_code == 201, answer.text
    return answer


async def test_a_share_is_made_committed_and_told_to_the_core(service, api, folder):
    answer = await make_share(api, folder)
    assert answer.headers["location"] == "/api/v1/shares/docs"
    assert answer.headers["etag"] == '"v1"'
    assert answer.headers["x-holdfast-applied"] == "true"
    assert answer.json()["access"] == [{"principal": "everyone", "level": "change"}]
    assert ReloadConfiguration() in service.core.heard


async def test_a_share_is_stored_when_no_core_runs(service, api, folder):
    await service.control.stop()
    answer = await make_share(api, folder)
    assert answer.headers["x-holdfast-applied"] == "false"
    assert (await api.get("/api/v1/shares/docs")).status_code == 200


async def test_a_missing_folder_is_a_problem_that_names_the_input(api):
    answer = await api.post("/api/v1/shares", json={"name": "docs", "path": "/nowhere/at/all"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid-input"
    assert problem["errors"] == [{"pointer": "/path", "detail": "There is no folder /nowhere/at/all on the server."}]
    assert problem["trace_id"] == answer.headers["x-request-id"]


async def test_unknown_fields_are_refused(api, folder):
    answer = await api.post("/api/v1/shares", json={"name": "docs", "path": folder, "raw_option": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/raw_option"


async def test_a_body_that_is_no_json_is_unreadable(api):
    answer = await api.post("/api/v1/shares", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "unreadable"


async def test_a_change_needs_if_match(api, folder):
    await make_share(api, folder)
    answer = await api.patch("/api/v1/shares/docs", json={"comment": "new"})
    assert answer.status_code == 428


async def test_a_change_based_on_an_old_version_is_refused_and_shows_the_present(api, folder):
    await make_share(api, folder)
    first = await api.patch("/api/v1/shares/docs", json={"comment": "one"}, headers={"If-Match": '"v1"'})
    assert first.status_code == 200
    assert first.headers["etag"] == '"v2"'
    second = await api.patch("/api/v1/shares/docs", json={"comment": "two"}, headers={"If-Match": '"v1"'})
    assert second.status_code == 412
    assert second.json()["current"]["comment"] == "one"


async def test_options_that_are_left_out_stay(api, folder):
    await make_share(api, folder, options={"hide_dot_files": True})
    answer = await api.patch("/api/v1/shares/docs", json={"options": {"streams": False}}, headers={"If-Match": '"v1"'})
    options = answer.json()["options"]
    assert (options["hide_dot_files"], options["streams"], options["leases"]) == (True, False, True)


async def test_a_list_from_before_lists_were_limited_is_shown(service, api, folder):
    await make_share(api, folder)
    with writing(service.state.engine) as connection:
        connection.execute(update(share).where(share.c.name == "docs").values(options={"hide_files": ["*.tmp"] * 101}))
    change = {"options": {"streams": False}}
    answers = [
        await api.patch("/api/v1/shares/docs", json=change, headers={"If-Match": '"v1"'}),
        await api.get("/api/v1/shares/docs"),
    ]
    for answer in answers:
        options = answer.json()["options"]
        assert (answer.status_code, len(options["hide_files"]), options["streams"]) == (200, 101, False)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("quota", "perhaps", "Must be 'off', 'track' or 'enforce'."),
        ("size_limit_mib", -5, "Must be at least 0."),
        ("quota_limit", 1 << 63, "Must be at most 9223372036854775807."),
        ("size_limit_mib", 1.5, "Give a whole number."),
        ("streams", "perhaps", "Must be true or false."),
        ("hide_files", ["*.tmp"] * 101, "Give at most 100 entries."),
        ("hide_files", "*.tmp", "Must be a list."),
        ("quota_entries", ["x"], "a limit has a SID and three numbers, not 'x'"),
        ("strems", True, "There is no such field."),
    ],
)
async def test_options_that_are_not_possible_are_refused_by_name(api, folder, option, value, words):
    blamed = [{"pointer": f"/options/{option}", "detail": words}]
    wanted = {"options": {option: value}}
    refused = await api.post("/api/v1/shares", json={"name": "docs", "path": folder} | wanted)
    assert (refused.status_code, refused.json().get("errors")) == (422, blamed)
    await make_share(api, folder)
    refused = await api.patch("/api/v1/shares/docs", json=wanted, headers={"If-Match": '"v1"'})
    assert (refused.status_code, refused.json().get("errors")) == (422, blamed)
    assert (await api.get("/api/v1/shares/docs")).json()["version"] == 1


LONE = "\ud800"


@pytest.mark.parametrize(
    ("address", "wanted", "pointer"),
    [
        ("shares", {"name": "docs", "path": "/", "options": {"hide_files": [LONE]}}, "/options/hide_files/0"),
        ("shares", {"name": "docs", "path": "/", "options": {"hidden_eas": [""]}}, "/options/hidden_eas/0"),
        (
            "shares",
            {"name": "docs", "path": "/", "access": [{"principal": LONE, "level": "read"}]},
            "/access/0/principal",
        ),
        ("groups", {"name": "staff", "members": [LONE]}, "/members/0"),
        ("tokens", {"name": "t", "scopes": [LONE]}, "/scopes/0"),
    ],
)
async def test_texts_that_cannot_be_stored_are_refused(api, address, wanted, pointer):
    body = json.dumps(wanted)
    answer = await api.post(f"/api/v1/{address}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"), [({"comment": None}, "/comment"), ({"options": {"quota": None}}, "/options/quota")]
)
async def test_null_is_not_a_value(api, folder, change, pointer):
    await make_share(api, folder)
    answer = await api.patch("/api/v1/shares/docs", json=change, headers={"If-Match": "*"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_share_is_removed_but_not_its_folder(api, folder, tmp_path):
    await make_share(api, folder)
    dry = await api.delete("/api/v1/shares/docs?dry_run=true", headers={"If-Match": '"v1"'})
    assert dry.json()["summary"].startswith("0 sessions will lose the share")
    assert (await api.delete("/api/v1/shares/docs", headers={"If-Match": '"v1"'})).status_code == 204
    assert (await api.get("/api/v1/shares/docs")).status_code == 404
    assert (tmp_path / "docs").is_dir()


async def test_ipc_is_not_a_share_that_can_be_seen_or_removed(api):
    assert (await api.get("/api/v1/shares")).json()["items"] == []
    assert (await api.delete("/api/v1/shares/IPC$", headers={"If-Match": "*"})).status_code == 422


async def test_the_access_list_is_replaced_as_a_whole(api, folder):
    await make_share(api, folder)
    answer = await api.put(
        "/api/v1/shares/docs/access",
        json={"access": [{"principal": "user:admin", "level": "full"}]},
        headers={"If-Match": '"v1"'},
    )
    assert answer.json() == {"access": [{"principal": "user:admin", "level": "full"}]}
    unknown = await api.put(
        "/api/v1/shares/docs/access",
        json={"access": [{"principal": "user:nobody", "level": "full"}]},
        headers={"If-Match": "*"},
    )
    assert unknown.status_code == 422


async def test_a_user_has_no_secrets_in_any_answer(service, api):
    answer = await api.post("/api/v1/users", json={"name": "anna", "password": "a long password"})
    assert answer.status_code == 201
    assert "a long password" not in answer.text
    assert not any("hash" in name for name in answer.json())
    with service.state.engine.connect() as connection:
        stored = connection.execute(select(account).where(account.c.name == "anna")).mappings().one()
        trail = str(connection.execute(select(audit)).all())
    assert stored["web_password_hash"].startswith("$argon2id$")
    assert "a long password" not in trail


async def test_a_short_password_is_refused(api):
    answer = await api.post("/api/v1/users", json={"name": "anna", "password": "short"})
    assert answer.json()["errors"][0]["pointer"] == "/password"


async def test_disabling_a_user_ends_their_sessions(service, api):
    await api.post("/api/v1/users", json={"name": "anna", "password": "a long password"})
    answer = await api.patch("/api/v1/users/anna", json={"enabled": False}, headers={"If-Match": '"v1"'})
    assert answer.json()["enabled"] is False
    assert any(isinstance(message, DisconnectUser) and message.name == "anna" for message in service.core.heard)


PROTECTION = ("signing_required", "encryption_required")


@pytest.mark.parametrize("field", PROTECTION)
async def test_a_user_may_have_to_sign_or_encrypt(service, api, field):
    # 1 nothing is demanded unless asked for
    plain = await api.post("/api/v1/users", json={"name": "anna"})
    assert [plain.json()[name] for name in PROTECTION] == [False, False]
    # 2 a change needs the version, raises it, and is told to the core
    refused = await api.patch("/api/v1/users/anna", json={field: True}, headers={"If-Match": '"v9"'})
    assert refused.status_code == 412
    assert refused.json()["current"][field] is False
    heard = len(service.core.heard)
    changed = await api.patch("/api/v1/users/anna", json={field: True}, headers={"If-Match": '"v1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    assert {name: changed.json()[name] for name in PROTECTION} == dict.fromkeys(PROTECTION, False) | {field: True}
    assert any(isinstance(message, ReloadConfiguration) for message in service.core.heard[heard:])
    # 3 sessions that are open are left alone
    assert not any(isinstance(message, DisconnectUser) for message in service.core.heard)
    # 4 another field's change leaves it, the audit log knows
    again = await api.patch("/api/v1/users/anna", json={"full_name": "Anna"}, headers={"If-Match": '"v2"'})
    assert again.json()[field] is True
    with service.state.engine.connect() as connection:
        assert field in str(connection.execute(select(audit)).all())


@pytest.mark.parametrize("value", [None, "maybe", 7])
async def test_such_a_demand_is_true_or_false(api, value):
    await api.post("/api/v1/users", json={"name": "anna"})
    answer = await api.patch("/api/v1/users/anna", json={"encryption_required": value}, headers={"If-Match": '"v1"'})
    assert answer.status_code == 422
    assert "encryption_required" in answer.text


async def test_a_user_is_made_with_demands(api):
    made = await api.post("/api/v1/users", json={"name": "anna", "encryption_required": True})
    assert (made.json()["signing_required"], made.json()["encryption_required"]) == (False, True)


async def test_the_description_says_what_happens_to_open_sessions(api):
    shapes = (await api.get("/api/v1/openapi.json")).json()["components"]["schemas"]
    for shape in ("User", "UserCreate", "UserChange"):
        for field in PROTECTION:
            assert "sessions that are open go on as they are" in shapes[shape]["properties"][field]["description"]


async def test_nobody_takes_their_own_rights_away(api):
    for change in ({"role": "user"}, {"enabled": False}):
        answer = await api.patch("/api/v1/users/admin", json=change, headers={"If-Match": "*"})
        assert answer.status_code == 422
    assert (await api.delete("/api/v1/users/admin", headers={"If-Match": "*"})).status_code == 422


async def test_groups_have_members(api):
    await api.post("/api/v1/users", json={"name": "anna"})
    made = await api.post("/api/v1/groups", json={"name": "staff", "members": ["anna"]})
    assert made.json()["members"] == ["anna"]
    assert (await api.get("/api/v1/users/anna")).json()["groups"] == ["staff"]
    changed = await api.patch("/api/v1/groups/staff", json={"members": []}, headers={"If-Match": '"v1"'})
    assert changed.json()["members"] == []
    assert (await api.delete("/api/v1/groups/staff", headers={"If-Match": '"v2"'})).status_code == 204


async def test_a_token_is_shown_once_and_stored_as_a_hash(service, api):
    made = await api.post("/api/v1/tokens", json={"name": "backup", "scopes": ["shares:read"]})
    text = made.json()["token"]
    assert text.startswith("hf_")
    assert text not in (await api.get("/api/v1/tokens")).text
    with service.state.engine.connect() as connection:
        assert text.rpartition("_")[2] not in str(connection.execute(select(token)).all())


async def test_a_token_can_do_what_its_scopes_say_and_no_more(service, api, folder):
    headers = {"Authorization": f"Bearer {service.token('shares:read')}"}
    async with service.client(headers=headers) as client:
        assert (await client.get("/api/v1/shares")).status_code == 200
        refused = await client.post("/api/v1/shares", json={"name": "x", "path": folder})
        assert refused.status_code == 403
        assert "shares:write" in refused.json()["detail"]


async def test_a_token_cannot_make_a_stronger_one(service, api):
    headers = {"Authorization": f"Bearer {service.token('tokens:write')}"}
    async with service.client(headers=headers) as client:
        answer = await client.post("/api/v1/tokens", json={"name": "more", "scopes": ["admin"]})
    assert answer.status_code == 403


async def test_a_revoked_or_expired_token_is_worth_nothing(service, api):
    expires = "2026-11-22T12:30:00Z"
    made = await api.post("/api/v1/tokens", json={"name": "t", "scopes": ["shares:read"], "expires_at": expires})
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    async with service.client(headers=headers) as client:
        assert (await client.get("/api/v1/shares")).status_code == 200
        service.clock.advance(hours=1)
        assert (await client.get("/api/v1/shares")).status_code == 401
    revoked = await api.delete(f"/api/v1/tokens/{made.json()['id']}")
    assert revoked.status_code == 204


async def test_every_change_is_in_the_audit_log_and_refusals_too(api, folder):
    await make_share(api, folder)
    await api.post("/api/v1/shares", json={"name": "docs", "path": folder})
    found = (await api.get("/api/v1/audit?action=share.create")).json()["items"]
    assert [(item["outcome"], item["actor"], item["address"]) for item in found] == [
        ("refused", "admin", "192.0.2.7"),
        ("done", "admin", "192.0.2.7"),
    ]
