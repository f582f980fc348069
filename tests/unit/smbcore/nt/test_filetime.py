from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from smbcore.nt import filetime


@pytest.mark.parametrize(
    ("moment", "ticks"),
    [
        (datetime(1601, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, tzinfo=UTC), 116_444_736_000_000_000),
        (datetime(2020, 1, 1, tzinfo=UTC), 132_223_104_000_000_000),
        (datetime(2020, 1, 1, 0, 0, 0, 7, tzinfo=UTC), 132_223_104_000_000_070),
        (datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 132_223_104_000_000_000),
    ],
)
def test_datetimes_convert_both_ways(moment, ticks):
    assert filetime.from_datetime(moment) == ticks
    assert filetime.to_datetime(ticks) == moment


def test_unix_nanoseconds_convert_both_ways():
    assert filetime.from_unix_ns(0) == filetime.UNIX_EPOCH
    assert filetime.to_unix_ns(filetime.from_unix_ns(1_600_000_000_123_456_700)) == 1_600_000_000_123_456_700
    assert filetime.from_unix_ns(199) == filetime.UNIX_EPOCH + 1
    assert filetime.to_unix_ns(filetime.UNIX_EPOCH - 1) == -100


def test_times_out_of_range_are_limited():
    assert filetime.from_unix_ns(-(10**22)) == 0
    assert filetime.from_unix_ns(10**22) == filetime.MAX
    assert filetime.to_datetime(filetime.MAX).year == 9999


def test_naive_datetime_is_refused():
    with pytest.raises(ValueError, match="aware"):
        filetime.from_datetime(datetime(2020, 1, 1))
