"""A sparse stream of bytes: only clusters that were written take memory."""

from __future__ import annotations

CLUSTER = 4096
"""Bytes per cluster; the unit of allocation."""


class SparseBytes:
    """Bytes [0, size) of which unwritten clusters read as zeros.

    size      end of file in bytes
    reserved  bytes reserved beyond what is written (set_allocation)
    """

    __slots__ = ("_clusters", "reserved", "size")

    def __init__(self) -> None:
        self._clusters: dict[int, bytearray] = {}
        self.size = 0
        self.reserved = 0

    @property
    def allocated(self) -> int:
        """Bytes that the stream takes, a multiple of the cluster."""
        return max(len(self._clusters) * CLUSTER, self.reserved)

    @property
    def cluster_count(self) -> int:
        """Clusters that were written."""
        return len(self._clusters)

    def new_clusters(self, offset: int, length: int) -> int:
        """Tell how many clusters a write of this range would add."""
        if length == 0:
            return 0
        clusters = self._clusters
        return sum(n not in clusters for n in range(offset // CLUSTER, (offset + length - 1) // CLUSTER + 1))

    def read_into(self, offset: int, into: memoryview) -> int:
        """Fill `into` from `offset`; return the bytes read, 0 at or after the end."""
        length = min(len(into), self.size - offset)
        if length <= 0:
            return 0
        done = 0
        while done < length:
            number, start = divmod(offset + done, CLUSTER)
            count = min(CLUSTER - start, length - done)
            cluster = self._clusters.get(number)
            into[done : done + count] = bytes(count) if cluster is None else cluster[start : start + count]
            done += count
        return length

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `offset`; a gap reads as zeros."""
        view = memoryview(data).cast("B")
        done, length = 0, len(view)
        while done < length:
            number, start = divmod(offset + done, CLUSTER)
            count = min(CLUSTER - start, length - done)
            cluster = self._clusters.get(number)
            if cluster is None:
                cluster = self._clusters[number] = bytearray(CLUSTER)
            cluster[start : start + count] = view[done : done + count]
            done += count
        if length:
            self.size = max(self.size, offset + length)

    def truncate(self, size: int) -> None:
        """Cut or extend (with zeros) to `size`."""
        if size < self.size:
            self._zero_part(size, -size % CLUSTER)
            first_gone = -(-size // CLUSTER)
            for number in [n for n in self._clusters if n >= first_gone]:
                del self._clusters[number]
        if size <= self.size:
            self.reserved = min(self.reserved, -(-size // CLUSTER) * CLUSTER)
        self.size = size

    def reserve(self, size: int) -> None:
        """Count `size` bytes (rounded up to clusters) as allocated."""
        self.reserved = -(-size // CLUSTER) * CLUSTER

    def zero(self, offset: int, beyond: int) -> None:
        """Make [offset, beyond) read as zeros; clusters covered whole are given back."""
        beyond = min(beyond, self.size)
        if offset >= beyond:
            return
        for number in [n for n in self._clusters if offset < (n + 1) * CLUSTER and n * CLUSTER < beyond]:
            start = number * CLUSTER
            if offset <= start and (start + CLUSTER <= beyond or beyond == self.size):
                del self._clusters[number]
            else:
                low = max(offset, start)
                self._zero_part(low, min(beyond, start + CLUSTER) - low)
        self.reserved = 0

    def ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the written (offset, length) pairs inside the range, ascending and joined."""
        end = min(offset + length, self.size)
        found: list[tuple[int, int]] = []
        for number in sorted(self._clusters):
            low, high = max(number * CLUSTER, offset), min((number + 1) * CLUSTER, end)
            if low >= high:
                continue
            if found and found[-1][0] + found[-1][1] == low:
                found[-1] = (found[-1][0], high - found[-1][0])
            else:
                found.append((low, high - low))
        return found

    def replace_with(self, other: SparseBytes) -> None:
        """Become a copy of `other`."""
        self._clusters = {number: bytearray(data) for number, data in other._clusters.items()}
        self.size = other.size
        self.reserved = other.reserved

    def _zero_part(self, offset: int, count: int) -> None:
        """Zero `count` bytes that lie in one cluster."""
        number, start = divmod(offset, CLUSTER)
        cluster = self._clusters.get(number)
        if cluster is not None and count > 0:
            cluster[start : start + count] = bytes(count)
