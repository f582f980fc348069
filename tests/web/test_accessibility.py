"""Every page passes axe-core (MPL-2.0, used in tests only), in light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.services import people
from appliance.synthetic import fill
from smbcore.control.messages import Usage
from smbcore.state import audit
from smbcore.state.engine import writing
from smbcore.state.schema import session
from tests.appliance.support import PASSWORD, add_administrator

AXE = Path(__file__).parent / "axe-core@4.14.1" / "axe.min.js"
PAGES = (
    "/",
    "/activity/sessions",
    "/activity/sessions?q=nobody+of+this+name",
    "/activity/opens",
    "/activity/opens?away=1",
    "/activity/locks",
    "/activity/nodes",
    "/shares",
    "/shares/new",
    "/shares/Projects",
    "/shares/Projects/quotas",
    "/shares/Projects/remove",
    "/shares/Accounting/edit",
    "/people/users",
    "/people/users/anna",
    "/people/users/new",
    "/people/groups",
    "/people/groups/design",
    "/people/tokens",
    "/audit",
    "/audit?outcome=failed",
    "/settings",
    "/docs",
    "/docs/problems",
)
NARROW = 360
"""Pixels: a small phone."""


def violations(page) -> list[str]:
    """Return what axe finds on the page as it is now."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{page.url}: {item['id']}: {node['html'][:120]}" for item in found for node in item["nodes"]]


def overflow(page) -> list[str]:
    """Return the page if it is wider than the window, or has a table that hides what can be done with its rows."""
    boxes = "[document.documentElement, ...document.querySelectorAll('.table-scroll')]"
    wide = page.evaluate(f"Math.max(...{boxes}.map(box => box.scrollWidth - box.clientWidth))")
    return [f"{page.url}: {wide} px too wide"] if wide > 0 else []


def make_busy(site, tmp_path) -> None:
    """Let a lot go on: quotas, a client that answers no breaks, refused attempts."""
    add_administrator(site.state)
    now = site.state.clock.now()
    fill(site.state.engine, site.state.key, tmp_path / "folders", now)
    with site.state.engine.connect() as connection:
        anna = next(user.sid for user in people.list_users(connection) if user.name == "anna")
    taken = {anna: 5 << 30, "S-1-5-21-1-2-3-9": 2 << 30}
    site.core.usage = Usage(1 << 40, 1 << 39, 1 << 38, "counted", 7 << 30, taken)
    with writing(site.state.engine) as connection:
        keys = dict(connection.execute(select(session.c.user, session.c.key)).all())
        for condition, count in (("create_guid", 1), ("many", 4000)):
            detail = {"condition": condition, "status": "ACCESS_DENIED", "times": count}
            entry = audit.Entry("anna", "handle.reconnect", "docs\\plan.txt", "refused", "10.0.0.7", detail)
            audit.record(connection, entry, now=now)
        sign_in = audit.Entry("", "sign_in", "user anna", "refused", "10.0.0.7", {"condition": "name", "over": "SMB"})
        audit.record(connection, sign_in, now=now)
    site.core.unanswered = {str(keys["anna"]): 2, str(keys["ben"]): 7}


def sign_in(page) -> None:
    page.fill("#f-name", "admin")
    page.fill("#f-password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


@pytest.fixture(params=["light", "dark", "narrow"])
def looked_at(browser, site, tmp_path, request):
    """A page of a busy server before signing in. Axe is no part of the page: its policy is set aside to let it in."""
    make_busy(site, tmp_path)
    colours = "dark" if request.param == "dark" else "light"
    width = NARROW if request.param == "narrow" else 1280
    context = browser.new_context(
        base_url=site.url,
        color_scheme=colours,
        viewport={"width": width, "height": 760},
        bypass_csp=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto("/sign-in")
    yield page
    context.close()


def test_no_page_has_accessibility_violations(looked_at):
    found = violations(looked_at)
    sign_in(looked_at)
    for path in PAGES:
        looked_at.goto(path)
        found += violations(looked_at) + overflow(looked_at)
    assert found == []


def test_no_refused_form_and_no_dialog_has_accessibility_violations(looked_at):
    page = looked_at
    sign_in(page)
    found = []
    # 1 forms with something wrong in them
    for path, field, value, button in (
        ("/shares/Projects/edit", "#f-size_limit", "plenty", "Save share"),
        ("/shares/Projects/quotas", "#f-limit", "plenty", "Set limit"),
        ("/people/users/anna", "#f-name", "a/b", "Save user"),
        ("/people/groups/design", "#f-name", "a/b", "Save group"),
        ("/people/tokens", "#f-name", "script", "Make token"),
        ("/settings", "#f-server_name", "far too long a name", "Save settings"),
    ):
        page.goto(path)
        page.fill(field, value)
        page.get_by_role("button", name=button).click()
        page.get_by_text("This was not saved").wait_for()
        found += violations(page) + overflow(page)
    # 2 a question before settings that lock somebody out
    page.goto("/settings")
    page.get_by_label("Oldest dialect").select_option("3.1.1")
    page.get_by_role("button", name="Save settings").click()
    page.get_by_text("Some clients could not connect again").wait_for()
    found += violations(page) + overflow(page)
    # 3 dialogs
    for path, link, button in (
        ("/activity/opens", "Close", "Close"),
        ("/activity/opens?away=1", "Drop", "Drop handle"),
        ("/activity/locks", "Break", "Break lease"),
        ("/activity/sessions", "Disconnect", "Disconnect session"),
    ):
        page.goto(path)
        page.get_by_role("link", name=link).first.click()
        page.get_by_role("dialog").get_by_role("button", name=button).wait_for()
        found += violations(page)
    assert found == []
