"""Expected results as data: what does not pass, and why.

expected.tsv has a line per test that does not pass: test, result, reason. `result` is

fails    failure, error or timeout
skips    smbtorture or the test says that it does not apply
depends  passes, or skips where the machine's file systems lack what it needs
varies   may pass or not; for tests that depend on timing, never to hide a defect

What is not listed must pass. A listed test that passes is as wrong as an unlisted failure or skip: the list tells the
truth or is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RESULTS = ("fails", "skips", "depends", "varies")
HEADER = "test\tresult\treason"


@dataclass(frozen=True)
class Expectation:
    """One line of the list."""

    test: str
    result: str
    reason: str


class ExpectationError(Exception):
    """The list itself is wrong."""


def read(path: Path) -> dict[str, Expectation]:
    """Read the list. Raises ExpectationError for lines without a reason, twice listed tests, unknown results."""
    found: dict[str, Expectation] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#") or line == HEADER:
            continue
        fields = line.split("\t")
        if len(fields) != 3 or fields[1] not in RESULTS or not fields[2].strip():  # noqa: PLR2004 - columns
            raise ExpectationError(f"{path.name}:{number}: needs test, {'|'.join(RESULTS)}, reason")
        if fields[0] in found:
            raise ExpectationError(f"{path.name}:{number}: {fields[0]} is listed twice")
        found[fields[0]] = Expectation(*fields)
    return found


def write(path: Path, expectations: list[Expectation]) -> None:
    """Write the list in order of the tests' names."""
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")] if path.exists() else []
    lines = [f"{e.test}\t{e.result}\t{e.reason}" for e in sorted(expectations, key=lambda e: e.test)]
    path.write_text("\n".join([*comments, HEADER, *lines]) + "\n")


def judge(result: str, expected: Expectation | None) -> str:
    """Return what is wrong with a result ("success", "failure", "error", "timeout", "skip"), "" if nothing is."""
    if expected is None:
        return "" if result == "success" else f"unexpected {result}"
    is_listed = {
        "fails": result not in ("success", "skip"),
        "skips": result == "skip",
        "depends": result in ("success", "skip"),
        "varies": True,
    }[expected.result]
    return "" if is_listed else f"{result}, but is listed as one that {expected.result}: {expected.reason}"


def updated(old: dict[str, Expectation], results: dict[str, tuple[str, str]], *, reason: str) -> list[Expectation]:
    """Return a list that describes these results; reasons that are there are kept, others are `reason` and message."""
    keep = {name: e for name, e in old.items() if name not in results or e.result in ("depends", "varies")}
    for name, (result, message) in results.items():
        if result == "success" or name in keep:
            continue
        kind = "skips" if result == "skip" else "fails"
        before = old.get(name)
        text = before.reason if before and before.result == kind else f"{reason}: {message or result}"
        keep[name] = Expectation(name, kind, " ".join(text.split()))
    return list(keep.values())
