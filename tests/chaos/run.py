"""`make chaos`: storms for minutes; prints what happened and fails if anything was lost.

python -m tests.chaos.run [--seconds 180] [--seed N] [--storm 20]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.storm import Storm


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="for all storms together")
    parser.add_argument("--storm", type=float, default=20.0, help="seconds of one storm")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    end, seed, total, faults = time.monotonic() + options.seconds, options.seed, Counter(), []
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory(prefix="chaos-") as base:
            report = asyncio.run(Storm(Path(base), options.storm, seed=seed).run())
        print(f"seed {seed}: {report.line()}", flush=True)
        for fault in report.faults:
            print(f"  {fault}", flush=True)
        total.update(report.counts)
        faults += report.faults
        seed += 1
    words = ("runs", "writes", "cached", "cuts", "kills", "stops", "reclaims", "young", "ceded", "losses")
    print("chaos: " + ", ".join(f"{word} {total[word]}" for word in words) + f", faults {len(faults)}")
    return 1 if faults or total["losses"] else 0


if __name__ == "__main__":
    sys.exit(main())
