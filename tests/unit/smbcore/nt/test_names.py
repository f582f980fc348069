from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.nt.names import (
    MAX_EXPRESSION,
    Pattern,
    check_component,
    has_wildcards,
    is_8dot3,
    short_name,
    split_stream,
    upcase,
    utf16_length,
)
from smbcore.nt.status import NtError, Status


@pytest.mark.parametrize(
    ("name", "upper"),
    [
        ("Hello.txt", "HELLO.TXT"),
        ("äöü", "ÄÖÜ"),
        ("straße", "STRAßE"),
        ("ÿ", "Ÿ"),
        ("σς", "ΣΣ"),
        ("µ", "µ"),
        ("ı", "ı"),
        ("ſ", "ſ"),
        ("я", "Я"),
        ("\u1f80", "\u1f88"),
        ("\U00010428", "\U00010428"),
        ("a\ud800b", "A\ud800B"),
        ("ნ", "ნ"),
    ],
)
def test_upcase_is_one_to_one(name, upper):
    assert upcase(name) == upper


@given(st.text(st.characters(max_codepoint=0xFFFF)))
def test_upcase_keeps_length_and_is_idempotent(name):
    upper = upcase(name)
    assert len(upper) == len(name)
    assert upcase(upper) == upper


def reference(expression: str, name: str) -> bool:
    """Match by trying everything, straight from the wording of [MS-FSA 2.1.4.4]."""
    last_dot = name.rfind(".")

    def match(e: int, n: int) -> bool:
        if e == len(expression):
            return n == len(name)
        char, ended = expression[e], n == len(name)
        if char == "*":
            return match(e + 1, n) or (not ended and match(e, n + 1))
        if char == "<":
            return match(e + 1, n) or (not ended and n != last_dot and match(e, n + 1))
        if char == "?":
            return not ended and match(e + 1, n + 1)
        if char == ">":
            return match(e + 1, n) if ended or name[n] == "." else match(e + 1, n + 1)
        if char == '"':
            return match(e + 1, n) if ended else name[n] == "." and match(e + 1, n + 1)
        return not ended and name[n] == char and match(e + 1, n + 1)

    return expression == "*.*" or match(0, 0)


@given(st.text('ab.*?<>"', max_size=7), st.text("ab.", min_size=1, max_size=8))
def test_pattern_agrees_with_the_reference(expression, name):
    assert Pattern(expression, case_sensitive=True).matches(name) == reference(expression, name)
    assert Pattern(expression).matches(name) == reference(expression, name)


@pytest.mark.parametrize(
    ("expression", "name", "matches"),
    [
        ("*", "anything", True),
        ("*.*", "no-dot", True),
        ("*.txt", "A.TXT", True),
        ("*.txt", "a.txt.bak", False),
        ("<.txt", "a.b.txt", True),
        ("<.b.txt", "a.b.txt", True),
        ("<b.txt", "a.b.txt", True),
        ("<txt", "a.b.txt", False),
        ("<", "a.b", False),
        ("<", "ab", True),
        ("<.", "a.", True),
        ("????", "abc", False),
        (">>>>", "abc", True),
        (">>>>.>>>", "abc.c", True),
        ('readme"', "readme", True),
        ('readme"', "readme.", True),
        ('readme"', "readme.x", False),
        ("a[b]+", "a[b]+", True),
        ("a[b]*", "a[b]+", True),
        ("", "a", False),
        ("*", "", False),
        ("a*b*", "axxbyy", True),
        ("*a?c*", "xxabcx", True),
        ("ä*", "Änderung", True),
        ("*\n*", "a\nb", True),
    ],
)
def test_pattern_table(expression, name, matches):
    assert Pattern(expression).matches(name) is matches


def test_case_sensitive_pattern():
    assert not Pattern("*.TXT", case_sensitive=True).matches("a.txt")
    assert Pattern("*.txt", case_sensitive=True).matches("a.txt")


def test_pattern_tells_how_it_can_be_served():
    assert Pattern("*").matches_all
    assert not Pattern("a*").matches_all
    assert Pattern("File.txt").literal == "FILE.TXT"
    assert Pattern("File?.txt").literal is None
    assert Pattern("f*").matches_folded("FOO")
    assert not Pattern("f*").matches_folded("foo")
    assert has_wildcards("a<")
    assert not has_wildcards("a.b")


@pytest.mark.parametrize("expression", ["*a" * 500 + "b", "<a" * 500 + "b", ">" * 1000 + "<b", "*?" * 500 + "b"])
def test_hostile_expressions_end(expression):
    assert not Pattern(expression).matches("a" * 255)
    assert not Pattern(expression).matches("a." * 127)


def test_endless_expression_is_refused():
    with pytest.raises(NtError) as caught:
        Pattern("?" * (MAX_EXPRESSION + 1))
    assert caught.value.status is Status.OBJECT_NAME_INVALID


@pytest.mark.parametrize("name", ["a", "a.b", "...", " a ", "a" * 255, "ü", "x;y", "\U0001f600" * 127])
def test_legal_components(name):
    check_component(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a" * 256, "\U0001f600" * 128, *(f"a{c}b" for c in '"*/:<>?\\|'), "a\x00", "a\x1f"],
)
def test_illegal_components(name):
    """[MS-FSCC 2.1.5.2]"""
    with pytest.raises(NtError) as caught:
        check_component(name)
    assert caught.value.status is Status.OBJECT_NAME_INVALID


def test_utf16_length_counts_surrogate_pairs():
    assert utf16_length("a\U0001f600") == 3


@pytest.mark.parametrize(
    ("last", "parts"),
    [
        ("a.txt", ("a.txt", "", "")),
        ("a.txt:s", ("a.txt", "s", "")),
        ("a.txt:s:$data", ("a.txt", "s", "$DATA")),
        ("a.txt::$DATA", ("a.txt", "", "$DATA")),
        ("dir:$I30:$INDEX_ALLOCATION", ("dir", "$I30", "$INDEX_ALLOCATION")),
        (":s", ("", "s", "")),
        ("a:s<*>", ("a", "s<*>", "")),
    ],
)
def test_split_stream(last, parts):
    """[MS-FSCC 2.1.5.3]"""
    assert split_stream(last) == parts


@pytest.mark.parametrize(
    "last", ["a:", "a::", "a:s:", "a:s:$FOO", "a:b:$DATA:c", "a:s/t", "a:s\\t", "a:\0", "a:" + "s" * 256]
)
def test_malformed_streams(last):
    with pytest.raises(NtError) as caught:
        split_stream(last)
    assert caught.value.status is Status.OBJECT_NAME_INVALID


@pytest.mark.parametrize("name", ["a", "A.B", "12345678.123", "readme.txt", "~$x{}.!"])
def test_8dot3_names(name):
    assert is_8dot3(name)


@pytest.mark.parametrize("name", ["", "123456789", "a.1234", "a.b.c", ".a", "a.", "a b", "ä", "a+b", "a,b"])
def test_names_that_need_a_short_one(name):
    assert not is_8dot3(name)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Hello World.text", "HELLOW~1.TEX"),
        (".profile", "PROFIL~1"),
        ("a.b.c.d", "ABC~1.D"),
        ("a+b.x", "A_B~1.X"),
        ("über.txt", "_BER~1.TXT"),
        ("...", "_~1"),
    ],
)
def test_short_names(name, short):
    assert short_name(name, frozenset()) == short


def test_short_names_are_unique_and_legal():
    taken: set[str] = set()
    for number in range(300):
        short = short_name(f"a long name {number}.document", taken)
        assert is_8dot3(short)
        assert short not in taken
        taken.add(short)
    assert {f"ALONGN~{n}.DOC" for n in range(1, 5)} <= taken
    assert "ALONGN~5.DOC" not in taken


def test_no_short_name_left():
    class Everything:
        def __contains__(self, name):
            return True

    assert short_name("some long name", Everything()) == ""
