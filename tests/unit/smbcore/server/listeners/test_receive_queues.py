from __future__ import annotations

from pathlib import Path

import pytest

from smbcore.server.listeners.receive_queues import spreads_load


def interface(root: Path, name: str, queues: int, *below: str) -> None:
    for number in range(queues):
        (root / name / "queues" / f"rx-{number}").mkdir(parents=True)
        (root / name / "queues" / f"tx-{number}").mkdir()
    (root / name).mkdir(exist_ok=True)
    for lower in below:
        (root / name / f"lower_{lower}").symlink_to(root / lower)


@pytest.mark.parametrize("queues, expected", [(0, False), (1, False), (2, True), (16, True)])
def test_a_card_with_several_receive_queues(tmp_path: Path, queues: int, expected: bool) -> None:
    interface(tmp_path, "eth0", queues)
    assert spreads_load("eth0", tmp_path) is expected


def test_an_interface_on_top_of_others_does_what_they_do(tmp_path: Path) -> None:
    interface(tmp_path, "eth0", 8)
    interface(tmp_path, "eth1", 1)
    interface(tmp_path, "bond0", 16, "eth0", "eth1")
    interface(tmp_path, "bond0.7", 1, "bond0")
    interface(tmp_path, "bond1", 16, "eth1")
    assert spreads_load("bond0.7", tmp_path)
    assert not spreads_load("bond1", tmp_path)


def test_one_that_has_gone_meanwhile(tmp_path: Path) -> None:
    assert not spreads_load("eth9", tmp_path)


def test_interfaces_on_top_of_each_other_in_a_circle(tmp_path: Path) -> None:
    """The kernel knows none, but what it says is not looked at without end"""
    interface(tmp_path, "a", 1, "b")
    interface(tmp_path, "b", 1, "a")
    assert not spreads_load("a", tmp_path)
