r"""File names: upper case, wildcards, legality, 8.3 names, streams  [MS-FSCC 2.1.5, MS-FSA 2.1.4].

Comparison uses the NT up-case table: one UTF-16 code unit to one, so never "ß" to "SS",
and characters beyond the BMP (surrogate pairs on the wire) stay as they are.

Theory of `Pattern`. Of the five wildcards only `*` and `<` may take a varying number of
characters. `?`, `>` and `"` move from one position to exactly one other, and an earlier
start never ends later; so for expressions without `<` the leftmost match after each `*`
is as good as any, and a regular expression of atomic groups decides without
backtracking. `<` may not pass the final dot, there the leftmost match can be wrong;
those (rare) expressions run as a bit-parallel automaton. Either way the cost is bounded
by length of name times length of expression, whatever a client sends.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Container
from typing import Final

from smbcore.nt.status import NtError, Status

MAX_COMPONENT = 255
"""UTF-16 code units in one component or stream name."""

MAX_EXPRESSION = 1024
"""Characters in a search expression; no longer one can be meaningful."""

WILDCARDS = frozenset('*?<>"')
STREAM_TYPES = frozenset({"$DATA", "$INDEX_ALLOCATION"})

_ILLEGAL = re.compile(r'[\x00-\x1f"*/:<>?\\|]')
_ILLEGAL_IN_STREAM = re.compile(r"[\x00/:\\]")
_WILD = re.compile(r'[*?<>"]')
_SHORT = re.compile(r"[A-Z0-9!#$%&'()\-@^_`{}~]{1,8}(?:\.[A-Z0-9!#$%&'()\-@^_`{}~]{1,3})?")
_NOT_SHORT = re.compile(r"[^A-Z0-9!#$%&'()\-@^_`{}~]")
_NUMBERED_BY_NAME = 4
_LAST_NUMBER = 999_999


def _build_upcase() -> dict[int, int]:
    """Make the table for `str.translate` from Unicode's case pairs.

    NT maps a letter only when the pair is reversible (so not U+00B5, U+0131, U+017F), with
    the final sigma as the one exception, uses the single title-case letter where Unicode's
    full mapping expands (U+1F80 ...), and has no pairs for Georgian and Cherokee, which
    got theirs after the table was frozen.
    """
    frozen_out = (
        *range(0x10D0, 0x1100),
        *range(0x13F8, 0x13FE),
        *range(0xAB70, 0xABC0),
    )
    table = {0x03C2: 0x03A3}
    for code in (*range(0x61, 0x7B), *range(0x80, 0xD800), *range(0xE000, 0x1_0000)):
        char = chr(code)
        upper = char.upper()
        if len(upper) != 1:
            upper = char.title()
        if len(upper) == 1 and upper != char and upper.lower() == char and ord(upper) <= 0xFFFF:
            table[code] = ord(upper)
    for code in frozen_out:
        table.pop(code, None)
    return table


_UPCASE: Final = _build_upcase()


def upcase(name: str) -> str:
    """Return `name` in upper case by the NT table; the length never changes."""
    return name.upper() if name.isascii() else name.translate(_UPCASE)


def has_wildcards(expression: str) -> bool:
    """Say whether `expression` holds any of `* ? < > "`."""
    return _WILD.search(expression) is not None


def utf16_length(name: str) -> int:
    """Return the number of UTF-16 code units of `name`."""
    if name.isascii():
        return len(name)
    return len(name) + sum(char > "\uffff" for char in name)


class Pattern:
    """A search expression, compiled once and matched against many names.

    Implements whether a FileName is in an Expression  [MS-FSA 2.1.4.4].

    expression      as sent by the client
    case_sensitive  False compares by the NT up-case table
    matches_all     True for "*" and "*.*", which need no look at the name
    literal         the one name that can match (up-cased unless case sensitive), or
                    None if there are wildcards: a caller may look it up directly
    """

    __slots__ = ("_test", "case_sensitive", "expression", "literal", "matches_all")

    def __init__(self, expression: str, *, case_sensitive: bool = False) -> None:
        """Compile; raises NtError(OBJECT_NAME_INVALID) beyond MAX_EXPRESSION characters."""
        if len(expression) > MAX_EXPRESSION:
            raise NtError(
                Status.OBJECT_NAME_INVALID,
                f"expression of {len(expression)} characters",
            )
        self.expression = expression
        self.case_sensitive = case_sensitive
        folded = expression if case_sensitive else upcase(expression)
        self.matches_all = expression in ("*", "*.*")
        self.literal = None if has_wildcards(folded) else folded
        self._test = _compile(folded)

    def __repr__(self) -> str:
        return f"Pattern({self.expression!r})"

    def matches(self, name: str) -> bool:
        """Say whether `name` (as stored, any case) matches; an empty name never does."""
        if self.matches_all:
            return name != ""
        return self._test(name if self.case_sensitive else upcase(name))

    def matches_folded(self, name: str) -> bool:
        """Like `matches` for a name that the caller has up-cased already."""
        return name != "" if self.matches_all else self._test(name)


def _compile(expression: str) -> Callable[[str], bool]:
    """Choose the cheapest exact test for an already folded expression."""
    if not has_wildcards(expression):
        return expression.__eq__
    head, tail = expression[0], expression[1:]
    # "<" may not pass the final dot, but "<.tail" never has to.
    if (head == "*" or (head == "<" and tail[:1] == ".")) and tail and not has_wildcards(tail):
        return lambda name: name.endswith(tail)
    if "<" in expression:
        return _Automaton(expression).matches
    match = re.compile(_regex(expression), re.DOTALL).fullmatch
    return lambda name: name != "" and match(name) is not None


def _regex(expression: str) -> str:
    """Translate an expression without `<`; each `*` plus what follows is one atomic group."""
    segments = [
        "".join(_TRANSLATED.get(char) or re.escape(char) for char in segment) for segment in expression.split("*")
    ]
    first, *middle = segments
    last = middle.pop() if middle else None
    parts = [first, *(f"(?>.*?{segment})" for segment in middle if segment)]
    if last is not None:
        # The tail must reach the end of the name, so here leftmost is not enough.
        parts.append(f".*{last}" if last else ".*")
    return "".join(parts)


_TRANSLATED: Final = {"?": ".", ">": r"(?:[^.]|(?=\.|\Z))", '"': r"(?:\.|\Z)"}


class _Automaton:
    """A bit-parallel automaton for expressions with `<`; state bit i stands before token i."""

    __slots__ = ("_any", "_end", "_exact", "_final", "_qm", "_stars", "_stars_no_dot")

    def __init__(self, expression: str) -> None:
        tokens = re.sub(r"<+", "<", re.sub(r"\*+", "*", expression))
        masks: dict[str, int] = {}
        for index, char in enumerate(tokens):
            masks[char] = masks.get(char, 0) | 1 << index
        self._any = masks.pop("?", 0)
        self._qm = masks.pop(">", 0)
        dot = masks.pop('"', 0)
        self._stars_no_dot = masks.pop("*", 0)
        self._stars = self._stars_no_dot | masks.pop("<", 0)
        self._exact = masks
        self._exact["."] = masks.get(".", 0) | dot
        self._end = self._stars | self._qm | dot
        self._final = 1 << len(tokens)

    def matches(self, name: str) -> bool:
        """Run over `name`; True when the last token can be passed at its end."""
        final_dot = name.rfind(".")
        exact, stars, qm = self._exact.get, self._stars, self._qm
        others = self._any | qm
        state = 1
        for index, char in enumerate(name):
            if char == ".":
                state = _closure(state, stars | qm)
                stay = self._stars_no_dot if index == final_dot else stars
                state = (state & (exact(char, 0) | self._any)) << 1 | state & stay
            else:
                state = _closure(state, stars)
                state = (state & (exact(char, 0) | others)) << 1 | state & stars
            if not state:
                return False
        return name != "" and bool(_closure(state, self._end) & self._final)


def _closure(state: int, optional: int) -> int:
    """Add every state that can be reached by passing `optional` tokens without a character.

    The carry of the addition runs from the lowest set state of each run of optional
    tokens to just behind the run, so one addition serves runs of any length.
    """
    return state | ((state & optional) + optional) ^ optional


def check_component(name: str) -> None:
    r"""Check one component of a path  [MS-FSCC 2.1.5.2].

    Raises NtError(OBJECT_NAME_INVALID) if it is empty, ".", "..", longer than 255 UTF-16
    code units, or holds a control character or one of `" * / : < > ? \ |`.
    """
    if not name or _ILLEGAL.search(name) is not None or name in {".", ".."}:
        raise NtError(Status.OBJECT_NAME_INVALID, f"component {name!r}")
    if len(name) > MAX_COMPONENT or utf16_length(name) > MAX_COMPONENT:
        raise NtError(Status.OBJECT_NAME_INVALID, f"component of {len(name)} characters")


def split_stream(last: str) -> tuple[str, str, str]:
    """Split the last component "name:stream:$TYPE"  [MS-FSCC 2.1.5.3].

    Returns (name, stream, type): stream and type are "" where not given, the type is
    upper case. "name::$DATA" names the file itself. The name may be empty (a stream of
    the root directory) and is not checked here. Raises NtError(OBJECT_NAME_INVALID) for
    "name:", "name::", an unknown type, or an illegal stream name.
    """
    if ":" not in last:
        return last, "", ""
    name, *rest = last.split(":")
    stream = rest[0]
    kind = upcase(rest[1]) if len(rest) > 1 else ""
    malformed = len(rest) > 2 or (len(rest) > 1 and kind not in STREAM_TYPES)
    if malformed or not (stream or kind):
        raise NtError(Status.OBJECT_NAME_INVALID, f"stream suffix of {last!r}")
    if _ILLEGAL_IN_STREAM.search(stream) or utf16_length(stream) > MAX_COMPONENT:
        raise NtError(Status.OBJECT_NAME_INVALID, f"stream name {stream!r}")
    return name, stream, kind


def is_8dot3(name: str) -> bool:
    """Say whether `name` is, but for case, a legal 8.3 name and needs no other short name."""
    return name.isascii() and _SHORT.fullmatch(name.upper()) is not None


def short_name(name: str, taken: Container[str]) -> str:
    """Make an 8.3 name for `name` that is not in `taken`  [MS-FSA 2.1.5.1.1].

    taken   upper-case names, long and short, of the same directory

    The first four names that share a beginning get "BEGINN~1" to "~4", later ones two
    letters, a checksum of the name and a number, so that large directories stay cheap.
    Returns "" if every number is taken.
    """
    base, extension = _short_parts(name)
    suffix = f".{extension}" if extension else ""
    for number in range(1, _NUMBERED_BY_NAME + 1):
        candidate = f"{base[:6]}~{number}{suffix}"
        if candidate not in taken:
            return candidate
    checksum = zlib.crc32(upcase(name).encode("utf-16-le", "surrogatepass")) & 0xFFFF
    stem = f"{base[:2]}{checksum:04X}"
    for number in range(1, _LAST_NUMBER + 1):
        tail = f"~{number}"
        candidate = f"{stem[: 8 - len(tail)]}{tail}{suffix}"
        if candidate not in taken:
            return candidate
    return ""


class _Claimed(Container[str]):
    """Names that are taken, and as many candidates as `short_name` numbers by the name alone."""

    __slots__ = ("_asked", "_taken")

    def __init__(self, taken: Container[str]) -> None:
        self._taken = taken
        self._asked = 0

    def __contains__(self, candidate: object) -> bool:
        self._asked += 1
        return self._asked <= _NUMBERED_BY_NAME or candidate in self._taken


def stable_short_name(name: str, taken: Container[str] = ()) -> str:
    """Make an 8.3 name that depends on the long name alone, unless its checksum collides with one in `taken`.

    A name that counts the files before it would name another file after the directory was read again.
    """
    return short_name(name, _Claimed(taken))


def _short_parts(name: str) -> tuple[str, str]:
    """Return base and extension (at most 3 characters) in legal 8.3 characters."""
    cleaned = upcase(name).replace(" ", "").strip(".")
    stem, dot, extension = cleaned.rpartition(".")
    if not dot:
        stem, extension = cleaned, ""
    base = _NOT_SHORT.sub("_", stem.replace(".", ""))
    return base or "_", _NOT_SHORT.sub("_", extension)[:3]
