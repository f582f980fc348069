from __future__ import annotations

from smbcore.nt import create


def test_dispositions_and_actions_are_dense():
    assert [
        create.FILE_SUPERSEDE,
        create.FILE_OPEN,
        create.FILE_CREATE,
        create.FILE_OPEN_IF,
        create.FILE_OVERWRITE,
        create.FILE_OVERWRITE_IF,
    ] == list(range(create.FILE_MAXIMUM_DISPOSITION + 1))
    assert (create.FILE_SUPERSEDED, create.FILE_OPENED, create.FILE_CREATED, create.FILE_OVERWRITTEN) == (0, 1, 2, 3)


def test_options_are_single_bits_within_the_valid_ones():
    options = [getattr(create, name) for name in ("FILE_DIRECTORY_FILE", "FILE_DELETE_ON_CLOSE", "FILE_OPEN_NO_RECALL")]
    assert options == [0x1, 0x1000, 0x400000]
    assert all(create.VALID_OPTIONS & option for option in options)


def test_lease_states():
    assert create.LEASE_RWH == 7
