"""Records of the audit log as sentences, those above all that the SMB server writes (smbcore.server.reporting)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.services.words import deed_words, plural
from smbcore.state.incidents import MANY

_SENTENCES: Final = {
    "handle.reconnect": "{who} asked for {what} back and was refused: {why}",
    "handle.replay": "{who} repeated the request that had opened {what} and was refused: {why}",
    "handle.keep": "{who} opens {what} that are not kept if the connection is lost: {why}",
    "open.limit": "{who} could not open more {what}: {why}",
    "session.bind": "{who} could not add a connection to the {what}: {why}",
    "session.previous": "{who} asked for the end of the {what}, which goes on: {why}",
    "caching.withhold": "{who} gets no more oplocks and leases for now: {why}",
}
_SIGN_INS: Final = {
    "an unknown user": "{who} could not sign in{where}: {why}",
    "nobody": "{who} could not sign in without a name: {why}",
}
_WHY: Final = {
    "unknown_handle": "there is no such handle, or its time was over",
    "in_use": "the client that has it has not lost its connection",
    "create_guid": "the request does not name the CREATE that opened it",
    "share": "it was opened on another share",
    "client_guid": "it is under a lease of another client",
    "user": "it is another user's",
    "file_name": "it is under a lease of a file of another name",
    "lease_key": "it was opened without this lease",
    "caching_lost": "the oplock or lease that kept it is gone",
    "not_persistent": "it is not persistent",
    "persistent": "it is persistent, and the request does not say so",
    "password": "the password was wrong",
    "name": "there is no such user here",
    "disabled": "the account is disabled",
    "no_administrator": "the account may use the shares, but not manage the server",
    "not_admitted": "the user or the client is not admitted",
    "unsigned": "the connection is not signed, as it must be for this user",
    "unencrypted": "the connection is not encrypted, as it must be for this user",
    "signature": "the request was not signed with its key",
    "session_limit": "the session has as many as it may have",
    "client_limit": "the client has as many handles to be kept as it may have",
    "user_limit": "the user has as many handles to be kept as they may have",
    "unanswered": "it does not answer when the server asks for them back",
}


def sentence(actor: str, action: str, what: str, outcome: str, address: str, detail: Mapping[str, Any]) -> str:
    """Return a record as one sentence."""
    condition = str(detail.get("condition", ""))
    pattern = _SENTENCES.get(action)
    if action == "sign_in" and condition:
        pattern = _SIGN_INS.get(what, "{who} could not sign in{where} as {what}: {why}")
    if condition == MANY:
        text = f"More was refused than is told one by one ({action})" + (f", to {address}" if address else "")
    elif pattern is not None and condition:
        where = " to the web pages" if detail.get("over") == "web" else ""
        text = pattern.format(who=_who(actor, address), what=what, where=where, why=_WHY.get(condition, condition))
    else:
        text = f"{actor} {deed_words(action)} {what}".strip()
        if outcome != "done":
            reason = str(detail.get("reason", "")).rstrip(".")
            text += f": {outcome}" + (f", {reason[:1].lower()}{reason[1:]}" if reason else "")
    times = detail.get("times", 1)
    again = f" ({plural(times, 'time', 'times')} so far)" if isinstance(times, int) and times > 1 else ""
    return f"{text}{again}."


def _who(actor: str, address: str) -> str:
    name = actor or "Somebody"
    return f"{name} at {address}" if address else name
