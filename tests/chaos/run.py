"""`make chaos`: storms for minutes; prints what happened and fails if anything was lost.

python -m tests.chaos.run [--seconds 180] [--seed N] [--storm 20] [--postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.storm import WORDS, Storm
from tests.postgresql import PostgreSQL, running_postgresql


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="for all storms together")
    parser.add_argument("--storm", type=float, default=20.0, help="seconds of one storm")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--postgresql", action="store_true", help="keep the records in a PostgreSQL of our own")
    options = parser.parse_args()
    with running_postgresql() if options.postgresql else contextlib.nullcontext() as database:
        return storms(options, database)


def storms(options: argparse.Namespace, database: PostgreSQL | None) -> int:
    """Let one storm follow the other; return the exit status."""
    end, seed, total, faults = time.monotonic() + options.seconds, options.seed, Counter(), []
    while time.monotonic() < end:
        url = database.new_database() if database else None
        with tempfile.TemporaryDirectory(prefix="chaos-") as base:
            report = asyncio.run(Storm(Path(base), options.storm, seed=seed, database_url=url).run())
        print(f"seed {seed}: {report.line()}", flush=True)
        for fault in report.faults:
            print(f"  {fault}", flush=True)
        total.update(report.counts)
        faults += report.faults
        seed += 1
    print("chaos: " + ", ".join(f"{word} {total[word]}" for word in WORDS) + f", faults {len(faults)}")
    return 1 if faults or total["losses"] else 0


if __name__ == "__main__":
    sys.exit(main())
