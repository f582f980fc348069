from __future__ import annotations

import pytest

from smbcore.server.trust import Trust


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records-trusted"


def test_the_first_start_inherits_no_trust(path):
    assert not Trust(path).inherited


def test_trust_that_was_regained_is_inherited(path):
    Trust(path).regain()
    assert Trust(path).inherited


def test_trust_that_was_lost_is_not_inherited(path):
    trust = Trust(path)
    trust.regain()
    trust.lose()
    assert not trust.given
    assert not Trust(path).inherited
    trust.regain()
    assert Trust(path).inherited


def test_inherited_trust_can_be_lost_from_the_start(path):
    Trust(path).regain()
    Trust(path).lose()
    assert not Trust(path).inherited


def test_a_place_that_cannot_be_written_is_no_trust(tmp_path, caplog):
    trust = Trust(tmp_path / "missing" / "records-trusted")
    trust.regain()
    assert not trust.given
    assert "cannot be kept" in caplog.text


def test_without_a_place_everything_is_believed():
    assert Trust().inherited
