from __future__ import annotations

import pytest
from sqlalchemy import select

from smbcore.state import setup_codes
from smbcore.state.engine import writing
from smbcore.state.schema import setup_code


@pytest.fixture
def db(store):
    with writing(store.engine) as connection:
        yield connection


def stored(db):
    return repr(db.execute(select(setup_code)).all())


def test_a_setup_code_works_once_however_it_is_typed(db, now):
    code = setup_codes.create_setup_code(db, now=now)
    assert code not in stored(db)
    typed = f" {code.lower().replace('-', ' ')} "
    assert setup_codes.is_setup_code(db, typed, now=now)
    assert setup_codes.use_setup_code(db, typed, now=now)
    assert not setup_codes.use_setup_code(db, code, now=now)


def test_a_setup_code_ends_by_time_and_by_a_newer_one(db, now):
    code = setup_codes.create_setup_code(db, now=now)
    assert not setup_codes.use_setup_code(db, code, now=now + setup_codes.LIFETIME)
    newer = setup_codes.create_setup_code(db, now=now)
    assert not setup_codes.use_setup_code(db, code, now=now)
    assert not setup_codes.use_setup_code(db, "", now=now)
    assert setup_codes.use_setup_code(db, newer, now=now)
