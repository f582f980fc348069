"""A range of a file on its way to a socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from smbcore.fsa.api import FileRange
from smbcore.server.listeners.file_range import QueuedRange


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def test_sends_what_it_names(tmp_path: Path, pair: tuple[socket.socket, socket.socket]) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    with (tmp_path / "f").open("rb") as file:
        queued = QueuedRange(FileRange(file.fileno(), 2, 5))
        assert len(queued) == 5
        assert queued.send(pair[0].fileno()) == b""
    assert not queued
    assert pair[1].recv(100) == b"23456"


def test_gives_zeros_for_what_the_file_lost(tmp_path: Path, pair: tuple[socket.socket, socket.socket]) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    with (tmp_path / "f").open("rb") as file:
        queued = QueuedRange(FileRange(file.fileno(), 2, 8))
        os.truncate(tmp_path / "f", 5)
        assert queued.send(pair[0].fileno()) == bytes(5)
    assert not queued
    assert pair[1].recv(100) == b"234"


def test_own_handle_survives_the_close_of_the_file(tmp_path: Path, pair: tuple[socket.socket, socket.socket]) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    with (tmp_path / "f").open("rb") as file:
        queued = QueuedRange(FileRange(file.fileno(), 0, 10))
        queued.keep()
    assert queued.send(pair[0].fileno()) == b""
    queued.release()
    queued.release()
    assert pair[1].recv(100) == b"0123456789"
