from __future__ import annotations

from pathlib import Path

import pytest

from smbcore.state.configuration import Settings, ShareOptions
from smbcore.state.options import OptionError, describe, dump, parse


@pytest.mark.parametrize("cls", [ShareOptions, Settings])
def test_every_option_is_documented(cls):
    for info in describe(cls):
        assert info.doc.endswith("."), info.name
        assert info.type in {"bool", "int", "str", "list"}, info.name


@pytest.mark.parametrize("cls", [ShareOptions, Settings])
def test_defaults_are_valid_and_need_no_storage(cls):
    defaults = {info.name: info.default for info in describe(cls)}
    assert parse(cls, defaults) == cls()
    assert dump(cls()) == {}


def test_what_differs_is_stored_and_comes_back():
    options = ShareOptions(streams=False, hide_files=("*.tmp", "~*"))
    assert dump(options) == {"hide_files": ["*.tmp", "~*"], "streams": False}
    assert parse(ShareOptions, dump(options)) == options


@pytest.mark.parametrize(
    "cls, values, option",
    [
        (ShareOptions, {"strems": True}, "strems"),
        (ShareOptions, {"streams": 1}, "streams"),
        (ShareOptions, {"streams": "yes"}, "streams"),
        (ShareOptions, {"hide_files": "*.tmp"}, "hide_files"),
        (ShareOptions, {"hide_files": [""]}, "hide_files"),
        (ShareOptions, {"hide_files": [1]}, "hide_files"),
        (ShareOptions, {"hide_files": ["*"] * 101}, "hide_files"),
        (Settings, {"max_io_size": True}, "max_io_size"),
        (Settings, {"max_io_size": 65_535}, "max_io_size"),
        (Settings, {"max_io_size": 8_388_609}, "max_io_size"),
        (Settings, {"min_dialect": "1.0"}, "min_dialect"),
        (Settings, {"server_name": None}, "server_name"),
        (Settings, {"server_name": "A" * 16}, "server_name"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(cls, values, option):
    with pytest.raises(OptionError) as caught:
        parse(cls, values)
    assert caught.value.option == option


def test_what_was_stored_may_be_longer_than_what_is_let_in_now():
    stored = {"hide_files": ["*"] * 101}
    assert len(parse(ShareOptions, stored | {"streams": False}, stored).hide_files) == 101
    with pytest.raises(OptionError, match="at most 100 entries"):
        parse(ShareOptions, {"hide_files": ["*"] * 102}, stored)


@pytest.mark.parametrize("cls", [ShareOptions, Settings])
def test_the_manual_lists_every_option_with_its_effect(cls):
    manual = (Path(__file__).parents[4] / "docs" / "options.md").read_text()
    for info in describe(cls):
        line = next((line for line in manual.splitlines() if line.startswith(f"| `{info.name}` |")), "")
        assert info.doc in line, info.name
        assert all(choice in line for choice in info.choices), info.name
        assert all(str(limit) in line for limit in (info.minimum, info.maximum) if limit is not None), info.name


@pytest.mark.parametrize("switch", ["signing_required", "encryption_required"])
def test_the_manual_lists_the_switches_of_a_user(switch):
    _, manual = (Path(__file__).parents[4] / "docs" / "options.md").read_text().split("## User")
    assert f"| `{switch}` | false |" in manual
