"""What the SMB server refused to clients, as administrators read it."""

from __future__ import annotations

import pytest

from appliance.services.incidents import _SENTENCES, _WHY, sentence
from appliance.synthetic import fill
from smbcore.nt.clock import ManualClock
from smbcore.server.reclaiming import Mismatch
from smbcore.state.incidents import MANY, Incident, Incidents, write

STOLEN = Incident("handle.reconnect", "bob", "10.0.0.7", "docs\\plan.txt", "ACCESS_DENIED", "user", {"sid": "S-1-5-9"})


def report(service, *incidents):
    waiting = Incidents(ManualClock())
    for incident in incidents:
        waiting.report(incident)
    write(service.state.engine, waiting.take())


async def test_a_stolen_handle_is_in_the_log(service, api):
    report(service, STOLEN, STOLEN)
    (found,) = (await api.get("/api/v1/audit?action=handle.reconnect&actor=bob&outcome=refused")).json()["items"]
    assert found["summary"] == (
        "bob at 10.0.0.7 asked for docs\\plan.txt back and was refused: it is another user's (2 times so far)."
    )
    assert (found["object"], found["address"]) == ("docs\\plan.txt", "10.0.0.7")
    assert (found["detail"]["status"], found["detail"]["times"]) == ("ACCESS_DENIED", 2)


async def test_the_page_shows_the_sentence(service, browser):
    report(service, STOLEN)
    assert "bob at 10.0.0.7 asked for docs\\plan.txt back and was refused" in (await browser.get("/audit")).text
    assert "asked for docs\\plan.txt back" in (await browser.get("/")).text


async def test_failed_sign_ins_are_on_the_page_of_the_user(service, browser, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    report(service, Incident("sign_in", "", "10.0.0.9", "user anna", "LOGON_FAILURE", "password", {"over": "SMB"}))
    assert "10.0.0.9" in (await browser.get("/people/users/anna")).text


async def test_synthetic_data_has_one(service, api, tmp_path):
    fill(service.state.engine, service.state.key, tmp_path / "folders", service.clock.now())
    (found,) = (await api.get("/api/v1/audit?action=handle.reconnect")).json()["items"]
    assert "asked for" in found["summary"]


@pytest.mark.parametrize(("entry", "expected"), [
    (("", "sign_in", "user anna", "refused", "10.0.0.9", {"over": "SMB", "condition": "password"}),
     "Somebody at 10.0.0.9 could not sign in as user anna: the password was wrong."),
    (("", "sign_in", "an unknown user", "refused", "10.0.0.9", {"over": "SMB", "condition": "name", "times": 40}),
     "Somebody at 10.0.0.9 could not sign in: there is no such user here (40 times so far)."),
    (("", "sign_in", "nobody", "refused", "10.0.0.9", {"over": "SMB", "condition": "not_admitted"}),
     "Somebody at 10.0.0.9 could not sign in without a name: the user or the client is not admitted."),
    (("", "sign_in", "user anna", "refused", "10.0.0.9", {"over": "SMB", "condition": "unencrypted"}),
     "Somebody at 10.0.0.9 could not sign in as user anna: the connection is not encrypted, as it must be for this user."),
    (("bob", "handle.keep", "files of docs", "refused", "10.0.0.7", {"condition": "client_limit"}),
     ("bob at 10.0.0.7 opens files of docs that are not kept if the connection is lost: the client has as many handles "
      "to be kept as it may have.")),
    (("bob", "open.limit", "files of docs", "refused", "10.0.0.7", {"condition": "session_limit"}),
     "bob at 10.0.0.7 could not open more files of docs: the session has as many as it may have."),
    (("bob", "caching.withhold", "", "refused", "10.0.0.7", {"condition": "unanswered", "breaks": 3}),
     "bob at 10.0.0.7 gets no more oplocks and leases for now: it does not answer when the server asks for them back."),
    (("bob", "session.previous", "session of anna", "refused", "10.0.0.7", {"condition": "user"}),
     "bob at 10.0.0.7 asked for the end of the session of anna, which goes on: it is another user's."),
    (("", "handle.reconnect", "", "refused", "10.0.0.7", {"condition": MANY, "times": 4000}),
     "More was refused than is told one by one (handle.reconnect), to 10.0.0.7 (4,000 times so far)."),
    (("admin", "share.create", "share docs", "done", "", {"path": "/srv"}), "admin created the share docs."),
    (("admin", "share.create", "share docs", "refused", "", {"reason": "The name is in use."}),
     "admin created the share docs: refused, the name is in use."),
    (("", "sign_in", "user ops", "refused", "10.0.0.7", {"condition": "password", "over": "web"}),
     "Somebody at 10.0.0.7 could not sign in to the web pages as user ops: the password was wrong."),
    (("", "sign_in", "an unknown user", "refused", "10.0.0.7", {"condition": "name", "over": "web"}),
     "Somebody at 10.0.0.7 could not sign in to the web pages: there is no such user here."),
])  # fmt: skip
def test_sentences(entry, expected):
    assert sentence(*entry) == expected


def test_every_condition_of_a_refused_reconnect_is_explained():
    assert {condition.value for condition in Mismatch} <= set(_WHY)


@pytest.mark.parametrize("action", _SENTENCES)
@pytest.mark.parametrize("condition", _WHY)
def test_sentences_are_whole(action, condition):
    text = sentence("bob", action, "docs\\plan.txt", "refused", "10.0.0.7", {"condition": condition})
    assert "{" not in text
    assert text.endswith(".")
