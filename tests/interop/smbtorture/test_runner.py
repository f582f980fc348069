"""The runner's own rules: what runs where, what a result means, what the list of expectations says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import expected
import suites
from expected import Expectation
from run import parse_subunit, shorten


def test_failure_and_its_first_line_are_found():
    output = "progress: 1\ntest: x\ntime: 2026\nfailure: x [\n../../source4/torture/smb2/lock.c:5: wrong\nmore\n]\n"
    result, message = parse_subunit(output)
    assert result == "failure"
    assert shorten(message) == "smb2/lock.c:5: wrong"


@pytest.mark.parametrize(
    ("output", "result"),
    [
        ("success: x\n", "success"),
        ("successful: x\n", "success"),
        ("skip: x [\nnot here\n]\n", "skip"),
        ("success: a\nfailure: b [\nno\n]\n", "failure"),
        ("error: b [\nno\n]\nsuccess: a\n", "error"),
        ("the program died\n", ""),
    ],
)
def test_the_worst_result_counts(output: str, result: str):
    assert parse_subunit(output)[0] == result


@pytest.mark.parametrize(
    ("leaf", "run"),
    [
        ("smb2.lock.rw-none.rw-none", "smb2.lock.rw-none"),
        ("smb2.session.reauth4.reauth4", "smb2.session.reauth4"),
        ("smb2.multichannel.generic.num_channels", "smb2.multichannel.generic.num_channels"),
        ("rpc.srvsvc.srvsvc (admin access).NetSessEnum", "rpc.srvsvc.srvsvc (admin access).NetSessEnum"),
    ],
)
def test_simple_tests_are_run_by_their_short_name(leaf: str, run: str):
    assert suites.run_name(leaf) == run


def test_suites_run_in_their_variants():
    tests = suites.plan(["smb2.session.bind1.bind1", "smb2.session.reauth4.reauth4"], ["smb2"])
    assert [test.name for test in tests] == ["smb2.session.bind1", "smb2.session.bind1[enc]", "smb2.session.reauth4"]
    assert tests[2].variant.share == "ignore_system_acls"


def test_tools_are_not_run():
    assert suites.plan(["smb2.hold-oplock.hold-oplock", "smb2.scan.scan"], ["all"]) == []


def test_wire_variants_are_a_group_of_their_own():
    leaves = ["smb2.rw.rw1.rw1", "smb2.lock.lock.lock"]
    assert len(suites.plan(leaves, ["smb2"])) == 3
    assert [test.variant.name for test in suites.plan(leaves, ["wire"])] == [
        *(variant.name for variant in suites.WIRE),
        "encrypt",
    ]


def test_single_suites_can_be_asked_for():
    assert [test.name for test in suites.plan(["smb2.rw.a.a", "smb2.rwx.a.a"], ["smb2.rw"])] == ["smb2.rw.a"]


FAILS = Expectation("x", "fails", "because")


@pytest.mark.parametrize(
    ("result", "listed", "is_wrong"),
    [
        ("success", None, False),
        ("skip", None, True),
        ("failure", None, True),
        ("timeout", None, True),
        ("failure", FAILS, False),
        ("timeout", FAILS, False),
        ("success", FAILS, True),
        ("skip", FAILS, True),
        ("skip", Expectation("x", "skips", "because"), False),
        ("success", Expectation("x", "skips", "because"), True),
        ("success", Expectation("x", "depends", "because"), False),
        ("skip", Expectation("x", "depends", "because"), False),
        ("failure", Expectation("x", "depends", "because"), True),
        ("success", Expectation("x", "varies", "because"), False),
        ("failure", Expectation("x", "varies", "because"), False),
    ],
)
def test_unlisted_failures_and_listed_passes_are_wrong(result: str, listed: Expectation | None, is_wrong: bool):
    assert bool(expected.judge(result, listed)) is is_wrong


def test_the_list_is_well_formed():
    assert expected.read(Path(__file__).parent / "expected.tsv") is not None


@pytest.mark.parametrize("line", ["a\tfails", "a\tfails\t ", "a\tunknown\tbecause", "b\tfails\tx\nb\tfails\tx"])
def test_lines_without_reason_or_sense_are_refused(tmp_path: Path, line: str):
    path = tmp_path / "expected.tsv"
    path.write_text(f"{expected.HEADER}\n{line}\n")
    with pytest.raises(expected.ExpectationError):
        expected.read(path)


def test_an_update_keeps_reasons_and_drops_what_passes():
    old = {
        "a": Expectation("a", "fails", "known"),
        "b": Expectation("b", "fails", "gone"),
        "v": Expectation("v", "varies", "timing"),
    }
    results = {"a": ("failure", "m"), "b": ("success", ""), "c": ("error", "new thing"), "v": ("failure", "")}
    new = {e.test: e.reason for e in expected.updated(old, results, reason="not judged yet")}
    assert new == {"a": "known", "c": "not judged yet: new thing", "v": "timing"}


def test_a_written_list_reads_back(tmp_path: Path):
    path = tmp_path / "expected.tsv"
    path.write_text("# about\n")
    expected.write(path, [FAILS])
    assert expected.read(path) == {"x": FAILS}
    assert path.read_text().startswith("# about\n")


def test_tests_with_a_port_built_in_run_where_the_server_has_it() -> None:
    leaves = ["smb2.multichannel.bugs.bug_15346"]
    assert suites.plan(leaves, ["smb2"]) == []
    assert [test.name for test in suites.plan(leaves, ["smb2"], port=445)] == leaves
