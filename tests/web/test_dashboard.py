"""The dashboard in a real browser: set-up, sign-in, shares, live lists, closing files."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update

from appliance.synthetic import fill
from smbcore.control.errors import CommandFailed
from smbcore.control.messages import BreakLease, CloseOpen, DisconnectSession
from smbcore.state import audit, outbox
from smbcore.state.engine import writing
from smbcore.state.schema import open_, session
from smbcore.state.setup_codes import create_setup_code
from tests.appliance.support import PASSWORD, add_administrator

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

PAGES = (
    "/",
    "/activity/sessions",
    "/activity/opens",
    "/activity/locks",
    "/activity/nodes",
    "/shares",
    "/shares/Projects",
    "/shares/Accounting/edit",
    "/people/users",
    "/people/users/anna",
    "/people/groups",
    "/people/tokens",
    "/audit",
    "/docs",
)


def sign_in(page):
    page.goto("/sign-in")
    page.fill("#f-name", "admin")
    page.fill("#f-password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


@pytest.fixture
def busy(page, site, tmp_path):
    """A signed-in page of a server where a lot goes on."""
    add_administrator(site.state)
    fill(site.state.engine, site.state.key, tmp_path / "folders", site.state.clock.now())
    sign_in(page)
    return page


def go_live(page, path):
    page.goto(path)
    page.locator("#live[data-state=live]").wait_for()


def announce(site, topic, table, **values):
    """Change rows as the core would: the rows and the outbox in one transaction."""
    with writing(site.state.engine) as connection:
        connection.execute(update(table).values(**values))
        outbox.append(connection, [outbox.Change(topic, "changed", "1")], now=site.state.clock.now())


def test_a_new_server_is_set_up_by_its_link(page, site, tmp_path):
    page.goto("/")
    page.get_by_role("heading", name="Open the set-up link").wait_for()
    with writing(site.state.engine) as connection:
        code = create_setup_code(connection, now=site.state.clock.now())
    page.goto(f"/setup?code={code}")
    page.fill("#f-administrator", "boss")
    page.fill("#f-administrator_password", PASSWORD)
    page.fill("#f-administrator_password_again", PASSWORD)
    page.fill("#f-user", "anna")
    page.fill("#f-user_password", PASSWORD)
    page.fill("#f-user_password_again", PASSWORD)
    page.fill("#f-share_path", str(tmp_path / "files"))
    page.get_by_role("button", name="Finish set-up").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.get_by_text("All good").wait_for()
    assert page.get_by_role("link", name="files", exact=True).count() == 1


def test_signing_in_and_out(page, site):
    add_administrator(site.state)
    page.goto("/shares")
    page.fill("#f-name", "admin")
    page.fill("#f-password", "wrong password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The name or the password is wrong.").wait_for()
    page.fill("#f-password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/shares")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def test_a_share_is_created(page, site, tmp_path):
    add_administrator(site.state)
    sign_in(page)
    page.goto("/shares")
    page.get_by_role("link", name="Create share").first.click()
    page.fill("#f-name", "plans")
    page.fill("#f-path", str(tmp_path / "plans"))
    page.get_by_role("button", name="Create share").click()
    page.get_by_role("heading", name="plans").wait_for()
    page.get_by_text("The share plans was created.").wait_for()
    assert (tmp_path / "plans").is_dir()


def test_open_files_follow_the_server_without_reloading(busy, site):
    go_live(busy, "/activity/opens")
    busy.evaluate("window.sameDocument = true")
    row = busy.locator("tr", has_text="Ledger.accdb").first
    row.wait_for()
    announce(site, "opens", open_, path="Renamed\\While you watched.docx")
    busy.locator("tr", has_text="While you watched.docx").first.wait_for()
    assert row.count() == 0
    with writing(site.state.engine) as connection:
        connection.execute(delete(open_))
        outbox.append(connection, [outbox.Change("opens", "removed", "1")], now=site.state.clock.now())
    busy.get_by_text("Nothing is open").wait_for()
    assert busy.evaluate("window.sameDocument") is True


def test_typing_in_the_search_box_narrows_the_list_and_the_address(busy, site):
    go_live(busy, "/activity/opens")
    busy.keyboard.press("/")
    busy.keyboard.type("budget")
    busy.wait_for_url("**/activity/opens?q=budget")
    expect(busy.locator("tbody tr")).to_have_count(1)
    with busy.expect_response("**/activity/opens?q=budget"):
        announce(site, "opens", open_, bytes_read=1)
    expect(busy.locator("tbody tr")).to_have_count(1)
    assert busy.locator("input[type=search]").input_value() == "budget"


def test_the_audit_page_follows_what_is_recorded(busy, site):
    go_live(busy, "/audit")
    with writing(site.state.engine) as connection:
        stolen = audit.Entry(
            "bob", "handle.reconnect", "docs\\plan.txt", "refused", "10.0.0.7", {"condition": "create_guid"}
        )
        number = audit.record(connection, stolen, now=site.state.clock.now())
    row = busy.locator(f"#audit-{number}")
    row.get_by_text("bob at 10.0.0.7 asked for docs\\plan.txt back and was refused").wait_for()
    busy.get_by_label("Outcome").select_option("done")
    busy.wait_for_url("**/audit?outcome=done")
    row.wait_for(state="detached")
    busy.get_by_label("Who", exact=True).fill("nobody of this name")
    busy.get_by_text("No record matches").wait_for()


def test_a_form_that_is_refused_leads_to_what_is_wrong(busy):
    busy.goto("/shares/Projects/edit")
    busy.fill("#f-size_limit", "plenty")
    busy.get_by_role("button", name="Save share").click()
    busy.get_by_text("Look at the marked inputs.").wait_for()
    expect(busy.locator("#f-size_limit")).to_be_focused()
    expect(busy.locator("#f-size_limit")).to_have_value("plenty")


def test_a_file_is_closed_through_the_core(busy, site):
    go_live(busy, "/activity/opens")
    row = busy.locator("tr", has_text="Deck section B.dwg")
    key = int(row.get_attribute("id").removeprefix("open-"))
    row.get_by_role("link", name="Close").click()
    dialog = busy.get_by_role("dialog")
    dialog.get_by_text("Close Deck section B.dwg held by anna?").wait_for()
    dialog.get_by_text("data may be lost", exact=True).wait_for()
    assert dialog.get_by_label("Ask the client to write its changes back first").is_checked()
    dialog.get_by_label("Reason").fill("left open")
    dialog.get_by_role("button", name="Close file").click()
    busy.get_by_text("The file was closed.").wait_for()
    row.wait_for(state="detached")
    assert CloseOpen(key, "left open", 10.0) in site.core.heard


def test_a_lease_is_broken_through_the_core(busy, site):
    go_live(busy, "/activity/locks")
    row = busy.locator("tr", has_text="Load model.ifc")
    row.get_by_role("link", name="Break").click()
    dialog = busy.get_by_role("dialog")
    dialog.get_by_text("Break the lease that anna holds on Load model.ifc?").wait_for()
    assert dialog.get_by_role("radio", name="Writes only").is_checked()
    dialog.get_by_role("radio", name="Everything").check()
    dialog.get_by_role("button", name="Break lease").click()
    busy.get_by_text("The client has written back what it cached.").wait_for()
    assert [message.keep for message in site.core.heard if isinstance(message, BreakLease)] == [""]


def test_a_handle_whose_client_is_away_shows_its_time_running_out(busy, site):
    go_live(busy, "/activity/opens?away=1")
    row = busy.locator("tr", has_text="Notes.docx")
    row.get_by_text("left").wait_for()
    row.get_by_role("link", name="Drop").click()
    busy.get_by_role("dialog").get_by_role("button", name="Drop handle").click()
    busy.get_by_text("No client is away").wait_for()


def test_a_close_that_fails_keeps_what_was_typed_and_can_be_tried_again(busy, site):
    go_live(busy, "/activity/opens")
    busy.locator("tr", has_text="Deck section B.dwg").get_by_role("link", name="Close").click()
    dialog = busy.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("left open")
    site.core.problem = CommandFailed("internal", "The disk is on fire.")
    dialog.get_by_role("button", name="Close file").click()
    dialog.get_by_text("The disk is on fire.").wait_for()
    expect(dialog.get_by_label("Reason")).to_have_value("left open")
    busy.route("**/close", lambda route: route.abort("internetdisconnected"))
    dialog.get_by_role("button", name="Close file").click()
    dialog.get_by_text("This page cannot reach the server").wait_for()
    assert dialog.get_by_text("The disk is on fire.").count() == 0
    busy.unroute("**/close")
    site.core.problem = None
    dialog.get_by_role("button", name="Close file").click()
    busy.get_by_text("The file was closed.").wait_for()


def test_while_the_client_is_asked_nothing_can_be_taken_back(busy, site):
    go_live(busy, "/activity/opens")
    busy.locator("tr", has_text="Deck section B.dwg").get_by_role("link", name="Close").click()
    dialog = busy.get_by_role("dialog")
    held = []
    busy.route("**/close", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    dialog.get_by_role("button", name="Close file").click()
    expect(dialog.get_by_role("button", name="Asking the client…")).to_be_disabled()
    expect(dialog.get_by_text("Keep open")).to_be_hidden()
    held[0].continue_()
    busy.get_by_text("The file was closed.").wait_for()


def test_keeping_a_file_open_does_nothing(busy, site):
    go_live(busy, "/activity/opens")
    link = busy.locator("tr", has_text="Deck section B.dwg").get_by_role("link", name="Close")
    link.click()
    busy.get_by_role("dialog").get_by_text("Keep open").click()
    busy.locator("dialog[open]").wait_for(state="detached")
    assert not any(isinstance(message, CloseOpen) for message in site.core.heard)
    assert link.evaluate("link => link === document.activeElement")


def test_a_session_is_disconnected_through_the_core(busy, site):
    go_live(busy, "/activity/sessions")
    row = busy.locator("tr", has_text="WS-ANNA")
    row.get_by_role("link", name="Disconnect").click()
    busy.get_by_role("dialog").get_by_role("button", name="Disconnect session").click()
    row.wait_for(state="detached")
    assert any(isinstance(message, DisconnectSession) for message in site.core.heard)


def test_a_file_that_has_just_gone_is_told_in_the_dialog(busy, site):
    go_live(busy, "/activity/opens")
    busy.locator("tr", has_text="Deck section B.dwg").get_by_role("link", name="Close").click()
    dialog = busy.get_by_role("dialog")
    dialog.get_by_role("button", name="Close file").wait_for()
    with writing(site.state.engine) as connection:
        connection.execute(delete(open_))
    dialog.get_by_role("button", name="Close file").click()
    dialog.get_by_text("There is no such open").wait_for()


def test_a_question_that_cannot_be_fetched_is_told(busy):
    busy.goto("/activity/opens")
    busy.context.set_offline(True)
    busy.locator("tr", has_text="Deck section B.dwg").get_by_role("link", name="Close").click()
    busy.get_by_text("This page cannot reach the server.").wait_for()
    assert busy.get_by_role("dialog").count() == 0


def test_while_paused_changes_are_held_and_counted(busy, site):
    go_live(busy, "/activity/sessions")
    busy.get_by_role("button", name="Pause").click()
    announce(site, "sessions", session, client_name="NEW-NAME")
    busy.get_by_text("paused, 1 change held").wait_for()
    assert busy.get_by_text("NEW-NAME").count() == 0
    busy.get_by_role("button", name="Go on").click()
    busy.get_by_text("NEW-NAME").first.wait_for()


def test_a_lost_stream_is_shown_as_stale(busy):
    busy.clock.install()
    go_live(busy, "/activity/sessions")
    busy.context.set_offline(True)
    busy.clock.fast_forward(20_000)
    busy.locator("#live[data-state=stale]").wait_for()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_breaks_its_policy_or_runs_over_a_narrow_screen(busy, colours):
    busy.emulate_media(color_scheme=colours)
    for width in (1360, 360):
        busy.set_viewport_size({"width": width, "height": 800})
        for path in PAGES:
            busy.goto(path)
            over = busy.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, f"{path} at {width}: {over} pixels too wide"


def test_pages_work_without_scripts(browser, site, tmp_path):
    add_administrator(site.state)
    fill(site.state.engine, site.state.key, tmp_path / "folders", site.state.clock.now())
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page)
    page.goto("/activity/opens?q=section+B")
    page.get_by_role("link", name="Close").click()
    page.get_by_role("button", name="Close file").click()
    page.get_by_text("The file was closed.").wait_for()
    context.close()
    assert any(isinstance(message, CloseOpen) for message in site.core.heard)
