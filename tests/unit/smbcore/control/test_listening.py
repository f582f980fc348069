from __future__ import annotations

import os
import socket

import pytest

from smbcore.control.errors import ControlUnavailable
from smbcore.control.listening import is_allowed, open_socket, peer_uid


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.sock"


def test_the_socket_belongs_to_its_owner_only_and_is_alone(path):
    with open_socket(path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(path.parent.iterdir()) == [path]


def test_a_socket_that_a_dead_server_left_is_replaced(path):
    open_socket(path).close()
    before = path.stat().st_ino
    with open_socket(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert before


def test_a_plain_file_in_the_way_is_replaced(path):
    path.write_text("")
    open_socket(path).close()
    assert path.is_socket()


def test_a_live_server_is_not_replaced(path):
    with open_socket(path), pytest.raises(ControlUnavailable, match="another server"):
        open_socket(path)


def test_a_path_that_is_too_long_is_refused_in_words(tmp_path):
    with pytest.raises(ControlUnavailable, match="too long"):
        open_socket(tmp_path / ("x" * 108))


def test_a_directory_that_is_not_there_is_refused_in_words(tmp_path):
    with pytest.raises(ControlUnavailable, match="cannot be made"):
        open_socket(tmp_path / "no" / "sock")


def test_the_kernel_tells_who_is_at_the_other_end(path):
    with open_socket(path) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        listener.setblocking(True)
        served, _ = listener.accept()
        with served:
            assert peer_uid(served) == os.geteuid()


def test_only_the_own_user_and_root_may_command(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [uid for uid in (0, 1, 999, 1000, 1001, 65534) if is_allowed(uid)] == [0, 1000]
