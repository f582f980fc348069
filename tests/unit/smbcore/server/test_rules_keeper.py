from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from smbcore.fsa.quota import MOST_USERS
from smbcore.fsa.space_rules import QuotaEntry
from smbcore.nt.clock import ManualClock
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status
from smbcore.server.rules_keeper import keeping_rules
from smbcore.state.engine import open_engine, writing
from smbcore.state.initialise import initialise
from smbcore.state.quotas import MOST_ENTRIES, ShareQuota, parse_entries
from smbcore.state.shares import NewShare, change_share, create_share, get_share

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANNA, BERT, CARL = (Sid.parse(f"S-1-5-21-1-2-3-{rid}") for rid in (1000, 1001, 1002))


class Kept:
    """A share in a database, and volumes of it."""

    def __init__(self, engine):
        self.engine = engine
        self.reloads = 0
        with writing(engine) as connection:
            self.share = create_share(connection, NewShare("files", "/srv/files"), now=NOW)

    def volume(self):
        return keeping_rules(SimpleNamespace(), self.share, self.engine, ManualClock(), self.reload)

    async def reload(self):
        self.reloads += 1

    def stored(self):
        with self.engine.connect() as connection:
            return get_share(connection, self.share.id)


@pytest.fixture
def kept(tmp_path):
    directory = initialise(tmp_path / "data", now=NOW)
    engine = open_engine(directory.database_url)
    yield Kept(engine)
    engine.dispose()


def limited(sid):
    return lambda rules: rules.with_users({**rules.users, sid: QuotaEntry(limit=5)})


async def test_what_clients_and_administrators_change_at_the_same_time_is_all_stored(kept):
    """1 an administrator's change, which no volume knows yet  2 two clients' changes through different volumes."""
    options = {"streams": False, "quota_entries": [str(ShareQuota(ANNA, limit=3))]}
    with writing(kept.engine) as connection:
        change_share(connection, kept.share.id, {"options": options}, now=NOW)
    await asyncio.gather(*(kept.volume().keep_rules(limited(sid)) for sid in (BERT, CARL)))
    stored = kept.stored().options
    assert {sid: entry.limit for sid, entry in parse_entries(stored.quota_entries).items()} == {
        ANNA: 3,
        BERT: 5,
        CARL: 5,
    }
    assert not stored.streams
    assert kept.reloads == 2


async def test_a_change_that_is_refused_changes_nothing(kept):
    def refuse(_rules):
        raise NtError(Status.NO_MATCH, "no such entry")

    with pytest.raises(NtError) as caught:
        await kept.volume().keep_rules(refuse)
    assert caught.value.status is Status.NO_MATCH
    assert kept.stored() == kept.share
    assert kept.reloads == 0


def test_clients_may_set_as_many_as_can_be_stored():
    """More are refused as INVALID_PARAMETER, and not as a fault of the database."""
    assert MOST_USERS == MOST_ENTRIES


async def test_a_database_that_fails_refuses_the_change(kept):
    with writing(kept.engine) as connection:
        connection.execute(text("ALTER TABLE share RENAME TO hidden"))
    with pytest.raises(NtError) as caught:
        await kept.volume().keep_rules(limited(ANNA))
    assert caught.value.status is Status.UNEXPECTED_IO_ERROR
