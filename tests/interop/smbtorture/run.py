"""Run smbtorture against a testbed, one process per test, and compare with expected.tsv.

    python tests/interop/smbtorture/run.py --port 4455 [--signing-port 4456] [suite ...]

Each test has its own time limit and its own process group, which is ended by its id: a test that hangs costs one line.
Exit status 1 if a result is not the expected one.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import expected  # noqa: E402 - beside this file
import suites  # noqa: E402
from suites import Test  # noqa: E402

LIST = HERE / "expected.tsv"
SLOW = HERE / "slow.tsv"
_LINE = re.compile(
    r"^(success|successful|failure|error|skip|xfail|uxsuccess|time-out)(?:-testsuite)?: ([^\[]*)(\[)?\s*$"
)
_KINDS = {"successful": "success", "xfail": "skip", "uxsuccess": "failure", "time-out": "timeout"}
_WORST_FIRST = ("timeout", "error", "failure", "success", "skip")


@dataclass(frozen=True)
class Outcome:
    """How one test ended; `message` is the first line of smbtorture's reason."""

    test: Test
    result: str
    seconds: float
    message: str


def parse_subunit(output: str) -> tuple[str, str]:
    """Return (result, message) of a subunit text stream; ("", "") if it has no result."""
    found: dict[str, str] = {}
    lines = iter(output.splitlines())
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        kind = _KINDS.get(match[1], match[1])
        reason = ""
        if match[3]:
            for inner in lines:
                if inner == "]":
                    break
                reason = reason or inner.strip()
        found.setdefault(kind, reason)
    for kind in _WORST_FIRST:
        if kind in found:
            return kind, found[kind]
    return "", ""


def shorten(message: str) -> str:
    """Return a message without the path of smbtorture's sources, on one line."""
    return re.sub(r"^(?:\.\./)*source4/torture/", "", " ".join(message.split()))[:200]


def _credentials(test: Test) -> str:
    return f"{test.variant.user}%{suites.USERS[test.variant.user]}"


class Runner:
    """Runs tests on a few threads; a share is used by one test at a time."""

    def __init__(self, options: argparse.Namespace, smbtorture: str, place: Path) -> None:
        self._options = options
        self._program = smbtorture
        self._place = place
        self._turns: defaultdict[str, deque[threading.Event]] = defaultdict(deque)
        self._guard = threading.Lock()
        self._waiting: queue.SimpleQueue[Test] = queue.SimpleQueue()
        self.outcomes: list[Outcome] = []

    def run(self, tests: list[Test]) -> list[Outcome]:
        """Run everything: first side by side, then what must be alone."""
        together = [test for test in tests if not suites.is_alone(test)]
        for test in together:
            self._waiting.put(test)
        workers = [
            threading.Thread(target=self._work, args=(share,)) for share in ("tmp", "tmp2")[: self._options.jobs]
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for test in tests:
            if suites.is_alone(test):
                self._one(test, test.variant.share or "tmp")
        return self.outcomes

    def _work(self, main_share: str) -> None:
        while True:
            with self._guard:
                try:
                    test = self._waiting.get_nowait()
                except queue.Empty:
                    return
                share = test.variant.share or main_share
                turns, turn = self._turns[f"{test.variant.server}/{share}"], threading.Event()
                turns.append(turn)
                turns[0].set()
            turn.wait()  # tests of one share run in their order: some rely on what the one before leaves behind
            try:
                self._one(test, share)
            finally:
                with self._guard:
                    turns.popleft()
                    if turns:
                        turns[0].set()

    def _one(self, test: Test, share: str) -> None:
        outcome = self._execute(test, share)
        if outcome.result not in ("success", "skip"):
            self._clean(test, share)
        with self._guard:
            self.outcomes.append(outcome)
            if not self._options.quiet or outcome.result not in ("success", "skip"):
                print(f"{outcome.result:8} {outcome.seconds:6.1f}s {test.name}  {outcome.message}", flush=True)

    def _port(self, test: Test) -> int:
        return int(self._options.signing_port if test.variant.server == suites.SIGNING else self._options.port)

    def _command(self, test: Test, share: str, place: Path) -> list[str]:
        return [
            self._program,
            "--format=subunit",
            "--fullname",
            "-s",
            "/dev/null",
            "-p",
            str(self._port(test)),
            f"--basedir={place}",
            "-U",
            _credentials(test),
            "--option=torture:user2name=testuser2",
            "--option=torture:user2password=testpass2",
            *test.variant.options,
            *self._local_folder(test, share),
            f"//127.0.0.1/{share}",
            test.run,
        ]

    def _local_folder(self, test: Test, share: str) -> list[str]:
        """Tell a test that works on the files past the server too where they are."""
        if not test.variant.local or not self._options.folders:
            return []
        return [f"--option=torture:localdir={self._options.folders}/{share}"]

    def _execute(self, test: Test, share: str) -> Outcome:
        limit, started = suites.limit_of(test), time.monotonic()
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._place)))
            # files, not pipes: a pipe can be kept open by a grandchild
            output = stack.enter_context((place / "output").open("w+b"))
            process = subprocess.Popen(
                self._command(test, share, place),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=place,
                start_new_session=True,
            )
            try:
                status: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            text = output.read().decode(errors="replace")
        seconds = time.monotonic() - started
        if self._options.logs:
            name = re.sub(r"[^\w.\[\]-]+", "_", test.name)
            (Path(self._options.logs) / f"{name}.log").write_text(text)
        if status is None:
            return Outcome(test, "timeout", seconds, f"no end after {limit:.0f} s")
        result, message = parse_subunit(text)
        if not result or (result in ("success", "skip") and status < 0):
            return Outcome(test, "error", seconds, shorten(f"no result, exit status {status}: {text[-200:]}"))
        return Outcome(test, result, seconds, shorten(message))

    def _clean(self, test: Test, share: str) -> None:
        """Remove what a test that did not pass left behind; snapshots are never touched."""
        smbclient = shutil.which("smbclient")
        if smbclient is None or share == "shadow_write":
            return
        command = [smbclient, "-s", "/dev/null", "-p", str(self._port(test)), "-U", _credentials(test)]
        command += [f"//127.0.0.1/{share}", "-c", "deltree *"]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
        except subprocess.TimeoutExpired:
            print(f"share {share} could not be cleaned", flush=True)


def list_tests(smbtorture: str) -> list[str]:
    """Return every test that smbtorture lists."""
    output = subprocess.run([smbtorture, "--list"], capture_output=True, text=True, check=True).stdout
    return [line for line in output.splitlines() if re.match(r"^(smb2|rpc)\.", line)]


def report(outcomes: list[Outcome], known: dict[str, expected.Expectation], *, complete: bool) -> int:
    """Print counts by suite and what is not as expected; return the number of the latter."""
    per_suite: dict[str, Counter[str]] = defaultdict(Counter)
    wrong = []
    for outcome in sorted(outcomes, key=lambda o: o.test.name):
        per_suite[".".join(outcome.test.leaf.split(".")[:2])][outcome.result] += 1
        problem = expected.judge(outcome.result, known.get(outcome.test.name))
        if problem:
            wrong.append(f"{outcome.test.name}: {problem}  {outcome.message}")
    columns = ("success", "failure", "error", "timeout", "skip")
    print(f"\n{'suite':36}" + "".join(f"{column:>9}" for column in columns))
    for suite, counts in per_suite.items():
        print(f"{suite:36}" + "".join(f"{counts[column]:9}" for column in columns))
    total = sum(per_suite.values(), Counter[str]())
    print(f"{f'total {total.total()}':36}" + "".join(f"{total[column]:9}" for column in columns))
    if complete:
        gone = sorted(set(known) - {outcome.test.name for outcome in outcomes})
        wrong += [f"{name}: is listed, but there is no such test" for name in gone]
    if wrong:
        print(f"\nNot as expected ({len(wrong)}):\n  " + "\n  ".join(wrong))
    else:
        print("\nEverything is as expected.")
    return len(wrong)


def write_results(path: Path, outcomes: list[Outcome]) -> None:
    """Write every result with its time and message."""
    rows = [
        f"{o.test.name}\t{o.result}\t{o.seconds:.1f}\t{o.message}" for o in sorted(outcomes, key=lambda o: o.test.name)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["test\tresult\tseconds\tmessage", *rows]) + "\n")


def read_slow() -> set[str]:
    """Return the names of tests that take longer than others."""
    lines = SLOW.read_text().splitlines()
    return {line.partition("\t")[2] for line in lines if line and not line.startswith("#")}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="smbtorture against a testbed, compared with expected.tsv.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--signing-port", type=int, default=0, help="a server whose sessions must sign")
    parser.add_argument("--folders", help="where the testbed keeps its shares, for tests that open files there too")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2)
    parser.add_argument("--filter", help="only tests whose name matches this regular expression")
    parser.add_argument("--logs", help="keep the output of every test in this directory")
    parser.add_argument("--out", type=Path, help="write every result to this file")
    parser.add_argument(
        "--update", metavar="REASON", help="make expected.tsv describe the results, new lines with REASON"
    )
    parser.add_argument("--quick", action="store_true", help="leave out the tests named in slow.tsv")
    parser.add_argument("--quiet", action="store_true", help="show only what does not pass")
    parser.add_argument("--list", action="store_true", help="only list what would run")
    parser.add_argument("suites", nargs="*", default=["smb2"], help="suites, or the groups smb2, rpc, wire, all")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run what the options say; return the exit status."""
    options = parse_arguments(arguments)
    smbtorture = shutil.which("smbtorture")
    if smbtorture is None:
        print("no smbtorture: sudo apt-get install samba-testsuite", file=sys.stderr)
        return 2
    known = expected.read(LIST)
    tests = suites.plan(list_tests(smbtorture), options.suites, port=options.port)
    tests = [test for test in tests if not options.filter or re.search(options.filter, test.name)]
    if options.quick:
        slow = read_slow()
        tests = [test for test in tests if test.name not in slow]
    if not options.signing_port:
        tests = [test for test in tests if test.variant.server != suites.SIGNING]
    if options.list:
        print("\n".join(f"{test.name}\t{test.variant.share or 'tmp'}" for test in tests))
        return 0
    if options.logs:
        Path(options.logs).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="smbtorture-") as place:
        outcomes = Runner(options, smbtorture, Path(place)).run(tests)
    if options.out:
        write_results(options.out, outcomes)
    if options.update:
        results = {o.test.name: (o.result, o.message) for o in outcomes}
        expected.write(LIST, expected.updated(known, results, reason=options.update))
        known = expected.read(LIST)
    complete = options.suites == ["all"] and not options.filter and bool(options.signing_port)
    return 1 if report(outcomes, known, complete=complete) else 0


if __name__ == "__main__":
    sys.exit(main())
