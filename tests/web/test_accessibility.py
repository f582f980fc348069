"""Every page passes axe-core (MPL-2.0, used in tests only), in light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.services import people
from appliance.synthetic import fill
from smbcore.control.messages import Usage
from tests.appliance.support import PASSWORD, add_administrator

AXE = Path(__file__).parent / "axe-core@4.14.1" / "axe.min.js"
PAGES = (
    "/",
    "/activity/sessions",
    "/activity/opens",
    "/activity/locks",
    "/activity/nodes",
    "/shares",
    "/shares/Projects",
    "/shares/Projects/quotas",
    "/shares/Accounting/edit",
    "/people/users",
    "/people/users/anna",
    "/people/users/new",
    "/people/groups",
    "/people/tokens",
    "/audit",
    "/settings",
    "/docs",
    "/docs/problems",
)


def violations(page) -> list[str]:
    """Return what axe finds on the page as it is now."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{page.url}: {item['id']}: {node['html'][:120]}" for item in found for node in item["nodes"]]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_has_accessibility_violations(browser, site, tmp_path, colours):
    # axe is no part of the page, so the page's policy is set aside to let it in.
    context = browser.new_context(base_url=site.url, color_scheme=colours, bypass_csp=True)
    page = context.new_page()
    add_administrator(site.state)
    fill(site.state.engine, site.state.key, tmp_path / "folders", site.state.clock.now())
    with site.state.engine.connect() as connection:
        anna = next(user.sid for user in people.list_users(connection) if user.name == "anna")
    site.core.usage = Usage(1 << 40, 1 << 39, 1 << 38, "counted", 7 << 30, {anna: 5 << 30, "S-1-5-21-1-2-3-9": 2 << 30})
    page.goto("/sign-in")
    found = violations(page)
    page.fill("#f-name", "admin")
    page.fill("#f-password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    for path in PAGES:
        page.goto(path)
        found += violations(page)
    page.goto("/activity/opens")
    page.get_by_role("link", name="Close").first.click()
    page.get_by_role("button", name="Close file").or_(page.get_by_role("button", name="Close directory")).wait_for()
    found += violations(page)
    context.close()
    assert found == []
