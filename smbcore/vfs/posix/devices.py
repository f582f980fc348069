"""What tells the file systems below a share apart, for longer than a mount lasts.

A share's folder may hold mount points, and subvolumes of btrfs, whose inode numbers repeat. The kernel's device number
tells them apart only until the next mount: subvolumes get whatever number is free. What lasts is the file system's own
id, which in btrfs is another one for each subvolume; where that is the device number in disguise (XFS), its UUID.

Not to be had without an open file, so it is learned of each device from the files of it that are opened, every time:
when a subvolume goes, the next one that is made gets its device number.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading

_GET_UUID = 0x8011_1500
"""FS_IOC_GETFSUUID, which kernels have since 6.9: one byte of length and 16 bytes."""
_UUID_SIZE = 16
_APART = 1 << 48
"""No usual file system has higher inode numbers; ids of two are kept that far apart."""
_ALL_ONES = 0xFFFF_FFFF_FFFF_FFFF
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Devices:
    """The devices met below one share.  root  the device of the share's own folder"""

    __slots__ = ("_known", "_lock", "root")

    def __init__(self, root: int) -> None:
        self.root = root
        self._known: dict[int, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def number(self, device: int, place: int | bytes | None = None) -> int:
        """Return a number that stands for a device, the same after every mount: 0 for the root's, else far from that of
        each other one, so that it may be added to inode numbers.

        place  a descriptor or path of a file on it, to look at anew; None goes by the last look. May run in the pool.
        """
        if device == self.root:
            return 0
        identity = None if place is None else _identity(device, place)
        with self._lock:
            known = self._known.get(device)
            if identity is None:
                return _spread(b"device %d" % device) if known is None else known[1]
            if known is None or known[0] != identity:
                self._known.pop(device, None)
                known = self._known[device] = identity, self._free(identity)
            return known[1]

    def file_id(self, device: int, inode: int, place: int | bytes | None = None) -> int:
        """Return the 64-bit id of a file: its inode number where it is on the root's device, else apart from those."""
        if device == self.root:
            return inode
        mixed = (inode + self.number(device, place)) & _ALL_ONES
        return mixed if 0 < mixed < _ALL_ONES else 1

    def _free(self, identity: bytes) -> int:
        """Return the number for an identity, the next one that is not too close to one in use."""
        attempt = 0
        while True:
            number = _spread(b"%d %s" % (attempt, identity))
            if all(abs(number - other) >= _APART for _, other in self._known.values()):
                return number
            attempt += 1


def _spread(identity: bytes) -> int:
    """Return a number for an identity with room for inode numbers below and above."""
    digest = int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest(), "little")
    return _APART + digest % ((1 << 64) - 3 * _APART)


def _identity(device: int, place: int | bytes) -> bytes | None:
    """Return what a file system calls itself, None if the file that is to tell cannot be asked or is not on it."""
    if isinstance(place, int):
        return _identity_by(device, place)
    try:
        descriptor = os.open(place, _LOOK)
    except OSError:
        return None
    try:
        return _identity_by(device, descriptor) if os.fstat(descriptor).st_dev == device else None
    finally:
        os.close(descriptor)


def _identity_by(device: int, descriptor: int) -> bytes | None:
    try:
        own = os.fstatvfs(descriptor).f_fsid
    except OSError:
        return None
    if own in (0, device):
        uuid = _uuid(descriptor)
        if uuid is not None:
            return b"uuid " + uuid
        return b"device %d" % device
    return b"fsid %d" % (own & _ALL_ONES)


def _uuid(descriptor: int) -> bytes | None:
    """Return the UUID of a file system, None where it does not tell."""
    answer = bytearray(1 + _UUID_SIZE)
    try:
        fcntl.ioctl(descriptor, _GET_UUID, answer)
    except OSError:
        return None
    uuid = bytes(answer[1 : 1 + min(answer[0], _UUID_SIZE)])
    return uuid if any(uuid) else None
