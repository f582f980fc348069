"""A volume in memory, for tests and for the first start of a demonstration."""

from __future__ import annotations

from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.vfs.memory.node import MemoryNode

__all__ = ["MemoryBackend", "MemoryNode"]
