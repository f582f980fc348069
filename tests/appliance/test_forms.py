"""Forms that are refused say why beside the input, and come back with everything that was typed."""

from __future__ import annotations

import re

import pytest

from smbcore.nt.clock import ManualClock
from smbcore.state import audit
from smbcore.state.engine import writing
from smbcore.state.incidents import Incident, Incidents, write
from tests.appliance.conftest import inputs_of
from tests.appliance.test_space import sid_of

PASSWORDS = {"password": "one of eight", "password_again": "one of eight"}


@pytest.fixture
async def anna(browser):
    """A user anna, a group staff and another user ann."""
    await post(browser, "/people/groups/new", name="staff")
    for name in ("anna", "ann"):
        assert (await post(browser, "/people/users/new", name=name, **PASSWORDS)).status_code == 303
    return "/people/users/anna"


async def post(browser, path, page="", /, **changes):
    """Fill in a form and send it."""
    form = inputs_of((await browser.get(page or path)).text, path)
    return await browser.post(path, data=form | changes)


async def test_a_user_comes_back_as_typed(browser, anna):
    typed = {"name": "a/b", "full_name": "Anna Berg", "encryption_required": "1", "group": "staff"}
    answer = await post(browser, anna, **typed)
    assert answer.status_code == 422
    assert "These characters are not possible" in answer.text
    assert typed.items() <= inputs_of(answer.text, anna).items()
    assert "<h1>anna</h1>" in answer.text
    assert (await post(browser, anna, **typed | {"name": "anna"})).status_code == 303
    assert inputs_of((await browser.get(anna)).text, anna)["full_name"] == "Anna Berg"


async def test_a_password_that_is_refused_blames_nothing_else(browser, anna):
    answer = await post(browser, f"{anna}/password", anna, password="one of eight", password_again="another")
    assert answer.status_code == 422
    assert "The two passwords differ." in answer.text
    assert answer.text.count("This was not saved") == 1
    assert answer.text.index("This was not saved") > answer.text.index("Save user")
    assert "one of eight" not in answer.text


async def test_a_text_that_is_too_long_is_told_its_limit(browser, anna):
    answer = await post(browser, anna, full_name="x" * 257)
    assert answer.status_code == 422
    assert "Give at most 256 characters." in answer.text
    assert "x" * 257 in answer.text


async def test_a_token_comes_back_as_typed_and_never_ends_by_mistake(browser):
    path = "/people/tokens"
    answer = await post(browser, path, name="backup", days="365")
    assert answer.status_code == 422
    assert "Choose at least one." in answer.text
    back = inputs_of(answer.text, path)
    assert (back["name"], back["days"]) == ("backup", "365")
    answer = await post(browser, path, name="", scope="shares:read")
    assert "This is needed." in answer.text
    assert inputs_of(answer.text, path)["scope"] == "shares:read"
    refused = await post(browser, path, name="backup", scope="shares:read", days="30 days")
    assert refused.status_code == 422
    assert "Choose one of these." in refused.text


async def test_a_warning_above_the_limit_is_refused(service, browser, tmp_path):
    made = {"name": "docs", "path": str(tmp_path / "docs"), "create_folder": "1"}
    assert (await post(browser, "/shares/new", **made)).status_code == 303
    words = "nobody would be warned in time"
    edit = "/shares/docs/edit"
    answer = await post(browser, edit, quota="enforce", quota_limit="5", quota_threshold="5.5", comment="Papers")
    assert answer.status_code == 422
    assert words in answer.text
    back = inputs_of(answer.text, edit)
    assert (back["quota_limit"], back["quota_threshold"], back["comment"]) == ("5", "5.5", "Papers")
    assert (await post(browser, edit, quota_limit="5", quota_threshold="5")).status_code == 303
    assert (await post(browser, edit, quota_limit="", quota_threshold="7")).status_code == 303

    quotas, owner = "/shares/docs/quotas", sid_of(service, "otto")
    answer = await post(browser, quotas, owner=owner, limit="2", threshold="3")
    assert answer.status_code == 422
    assert words in answer.text
    back = inputs_of(answer.text, quotas)
    assert (back["owner"], back["limit"], back["threshold"]) == (owner, "2", "3")
    assert (await post(browser, quotas, owner=owner, limit="3", threshold="3")).status_code == 303


# -- what is recorded of a form --
def newest(service, action):
    with service.state.engine.connect() as connection:
        return audit.search(connection, audit.Filter(action=action))[0]


async def test_the_audit_log_names_what_has_another_value_now(service, browser, anna, tmp_path):
    made = {"name": "docs", "path": str(tmp_path / "docs"), "create_folder": "1"}
    await post(browser, "/shares/new", **made)
    await post(browser, "/shares/docs/edit", size_limit="100", encrypt="1", **{"access:user:anna": "read"})
    await post(browser, anna, encryption_required="1")
    assert newest(service, "user.change").detail == {"changes": {"encryption_required": True}}
    assert newest(service, "share.change").detail == {
        "changes": {"encrypt": True, "size_limit_mib": 100, "access": ["everyone change", "user:anna read"]}
    }
    page = (await browser.get("/audit?action=share.change")).text
    assert "encrypt is now yes; " in page
    assert "size_limit_mib is now 100" in page


async def test_a_refusal_names_what_was_wanted(service, browser, anna):
    await post(browser, anna, version="77", full_name="Anna")
    record = newest(service, "user.change")
    assert record.outcome == "refused"
    assert "full_name" in record.detail["fields"]


async def test_a_users_page_shows_their_sign_ins_and_nobody_elses(service, browser, anna):
    incidents = Incidents(ManualClock())
    incidents.report(Incident("sign_in", "", "10.0.0.7", "user anna", "LOGON_FAILURE", "password", {"over": "SMB"}))
    write(service.state.engine, incidents.take())
    assert '10.0.0.7 <span class="muted">over SMB</span>' in (await browser.get(anna)).text
    assert "10.0.0.7" not in (await browser.get("/people/users/ann")).text
    assert "to these pages" in (await browser.get("/people/users/admin")).text


async def test_the_audit_page_finds_by_outcome(browser, anna):
    await post(browser, anna, version="77")
    page = (await browser.get("/audit?outcome=refused")).text
    assert "user.change" in page
    assert "user.create" not in page
    nothing = (await browser.get("/audit?outcome=failed")).text
    assert "No record matches" in nothing
    assert "Show everything" in nothing


async def test_older_records_are_a_page_of_their_own_that_stands_still(service, browser):
    with writing(service.state.engine) as connection:
        for number in range(150):
            audit.record(connection, audit.Entry("bob", "share.change", f"share s{number}"), now=service.clock.now())
    newest = (await browser.get("/audit?actor=bob")).text
    assert 'data-region="audit"' in newest
    assert "share s50." in newest
    assert "share s49." not in newest
    older = re.search(r'href="(/audit\?after=[^"]+)">Older', newest)[1].replace("&amp;", "&")
    page = (await browser.get(older)).text
    assert "share s49." in page
    assert "data-region" not in page
    assert "Newest records" in page
