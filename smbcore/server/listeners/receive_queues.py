"""What the kernel knows of how a network interface spreads its load (Linux)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_INTERFACES: Final = Path("/sys/class/net")
_DEEPEST: Final = 4


def spreads_load(name: str, root: Path = _INTERFACES) -> bool:
    """Tell whether an interface receives in several queues, so that several processors can work on what comes in.

    Bonds, bridges and virtual LANs do what the interfaces below them do.
    """
    return _spreads(root, name, _DEEPEST)


def _spreads(root: Path, name: str, deepest: int) -> bool:
    folder = root / name
    below = [entry.name.removeprefix("lower_") for entry in folder.glob("lower_*")]
    if below and deepest:
        return any(_spreads(root, lower, deepest - 1) for lower in below)
    return sum(1 for _ in folder.glob("queues/rx-*")) > 1
