from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from smbcore.nt.sid import Sid
from smbcore.state.configuration import ShareOptions
from smbcore.state.engine import open_engine, writing
from smbcore.state.errors import StateError
from smbcore.state.options import OptionError, dump, parse
from smbcore.state.quotas import MOST_ENTRIES, ShareQuota, format_entries, parse_entries
from smbcore.state.shares import NewShare, change_quotas, change_share, create_share

ANNA = Sid.parse("S-1-5-21-1-2-3-1000")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_entries_come_back_from_their_stored_form():
    entries = [ShareQuota(ANNA, 5, 2**63 - 1, 7), ShareQuota(ANNA.child(1))]
    texts = format_entries(entries)
    assert texts[0] == f"{ANNA} 5 9223372036854775807 7"
    assert parse_entries(texts) == {entry.sid: entry for entry in entries}


@pytest.mark.parametrize(
    "text",
    [
        "", "S-1-5-21-1", "nobody 1 2 3", f"{ANNA} 1 2", f"{ANNA} 1 x 3", f"{ANNA} -2 1 0", f"{ANNA} 1 -2 0",
        f"{ANNA} 1 {2**63} 0", f"{ANNA} 1 1 -1", "S-1-5-32-544 -1 5 0",
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_entries([text])
    with pytest.raises(OptionError) as caught:
        parse(ShareOptions, {"quota_entries": [text]})
    assert caught.value.option == "quota_entries"


def test_a_share_keeps_so_many_entries_and_no_more():
    texts = [f"S-1-5-21-1-2-3-{rid} -1 5 0" for rid in range(MOST_ENTRIES + 1)]
    assert len(parse_entries(texts[:-1])) == MOST_ENTRIES
    with pytest.raises(ValueError, match="at most"):
        parse_entries(texts)


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"size_limit_mib": -1}, "size_limit_mib"),
        ({"size_limit_mib": 1.5}, "size_limit_mib"),
        ({"quota": "yes"}, "quota"),
        ({"quota_limit": -2}, "quota_limit"),
        ({"quota_threshold": 2**63}, "quota_threshold"),
    ],
)
def test_impossible_limits_are_refused_by_name(values, option):
    with pytest.raises(OptionError) as caught:
        parse(ShareOptions, values)
    assert caught.value.option == option


def test_a_change_of_quotas_leaves_other_options_alone(store):
    with writing(store.engine) as connection:
        new = NewShare("files", "/srv/files", options=ShareOptions(streams=False, size_limit_mib=5))
        made = create_share(connection, new, now=NOW)
        entry = ShareQuota(ANNA, limit=3)
        wanted = {"quota": "track", "quota_entries": format_entries([entry])}
        changed = change_quotas(connection, made.id, lambda _: wanted, now=NOW)
        assert changed.version == made.version + 1
        assert dump(changed.options) == {
            "streams": False, "size_limit_mib": 5, "quota": "track", "quota_entries": [str(entry)]
        }  # fmt: skip
        with pytest.raises(StateError) as caught:
            change_quotas(connection, made.id, lambda _: {"quota": "perhaps"}, now=NOW)
        assert caught.value.args


def test_a_change_of_quotas_waits_for_another_of_the_share(store):
    """Were the share read before the other change is through, this one would fail, or undo it."""
    impatient = open_engine(store.url)

    @event.listens_for(impatient, "begin", insert=True)
    def wait_no_longer(connection):
        is_sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("PRAGMA busy_timeout=1" if is_sqlite else "SET LOCAL lock_timeout = 1")

    with writing(store.engine) as connection:
        made = create_share(connection, NewShare("files", "/srv/files"), now=NOW)
    with writing(store.engine) as connection:
        change_share(connection, made.id, {"options": {"streams": False}}, now=NOW)
        with pytest.raises(DBAPIError, match=r"lock") as caught, writing(impatient) as other:
            change_quotas(other, made.id, lambda _: {"quota": "track"}, now=NOW)
        assert not caught.value.statement.startswith("UPDATE")
    with writing(impatient) as other:
        changed = change_quotas(other, made.id, lambda _: {"quota": "track"}, now=NOW)
    assert dump(changed.options) == {"streams": False, "quota": "track"}
    impatient.dispose()
