"""The storm for some seconds; `make chaos` runs it for minutes."""

from __future__ import annotations

import pytest

from tests.chaos.storm import Storm


@pytest.mark.timeout(150)
async def test_nothing_that_was_acknowledged_is_lost(tmp_path):
    report = await Storm(tmp_path, 6.0, seed=20121112).run()
    print(report.line())
    assert not report.faults
    assert report.counts["losses"] == 0
    assert report.counts["writes"] > 0
    assert report.counts["kills"] + report.counts["stops"] > 0
