"""Changes that went past this server, for those who watch a directory or cache a listing.

The store tells of every change in an observed directory, also of our own, which watchers heard of already. So what we
report ourselves is remembered for a moment: a name that came or went is expected to be told once more by the store,
and news of the content of a file that we changed just now is our own news.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from smbcore.fsa import notify
from smbcore.fsa.backend import LocalChange, Observation

if TYPE_CHECKING:
    from smbcore.fsa.volume import Volume

_EXPECTED_FOR = 2.0
_CONTENT_FOR = 0.25
_MOST = 4096
_CAME, _WENT = 1, 2
_KIND = {
    notify.ADDED: _CAME,
    notify.RENAMED_NEW_NAME: _CAME,
    notify.REMOVED: _WENT,
    notify.RENAMED_OLD_NAME: _WENT,
}
_DATA = notify.SIZE | notify.LAST_WRITE
_METADATA = notify.ATTRIBUTES | notify.SECURITY | notify.CREATION | notify.LAST_ACCESS | notify.EA

Path = tuple[str, ...]


class LocalChanges:
    """Which of the store's news are ours. Owned by the volume; `active` while anything is observed."""

    __slots__ = ("_changed", "_expected", "_observations", "_volume")

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._observations: set[Observation] = set()
        self._expected: OrderedDict[tuple[Path, int], list[float]] = OrderedDict()
        self._changed: OrderedDict[Path, float] = OrderedDict()

    @property
    def active(self) -> bool:
        """Whether anything is observed."""
        return bool(self._observations)

    def observe(self, path: Path, *, tree: bool) -> Observation | None:
        """Begin to observe a directory; None if the share does without or the store cannot.

        Errors: as `Backend.observe`.
        """
        volume = self._volume
        if not volume.config.local_changes:
            return None
        observation = volume.backend.observe(path, self.told, tree=tree)
        if observation is not None:
            self._observations.add(observation)
        return observation

    def end(self, observation: Observation | None) -> None:
        """Observe no more."""
        if observation is not None:
            self._observations.discard(observation)
            observation.close()

    # -- our own changes --
    def expect(self, changes: list[notify.Change]) -> None:
        """Note what we just did and reported."""
        now = self._volume.clock.monotonic()
        for action, path, _ in changes:
            kind = _KIND.get(action)
            if kind is not None:
                times = self._expected.setdefault((path, kind), [])
                while times and now - times[0] > _EXPECTED_FOR:  # the store does not tell of what nobody observes
                    del times[0]
                times.append(now)
            self._touch(path, now)
        while len(self._expected) > _MOST:
            self._expected.popitem(last=False)

    def touched(self, path: Path) -> None:
        """Note that we change the content of the file at `path`."""
        self._touch(path, self._volume.clock.monotonic())

    def _touch(self, path: Path, now: float) -> None:
        self._changed[path] = now
        self._changed.move_to_end(path)
        if len(self._changed) > _MOST:
            self._changed.popitem(last=False)

    def _is_own_name(self, path: Path, kind: int, now: float) -> bool:
        times = self._expected.get((path, kind))
        if not times:
            return False
        at = times.pop(0)
        if not times:
            del self._expected[path, kind]
        return now - at <= _EXPECTED_FOR

    def _is_own_content(self, path: Path, now: float) -> bool:
        at = self._changed.get(path)
        return at is not None and now - at <= _CONTENT_FOR

    # -- what the store tells --
    def told(self, changes: list[LocalChange]) -> None:
        """Pass on what others did."""
        volume = self._volume
        if not changes:
            volume.lost_track()
            return
        now = volume.clock.monotonic()
        for change in changes:
            if change.action == LocalChange.MODIFIED:
                self._modified(change, now)
            else:
                self._named(change, now)

    def _modified(self, change: LocalChange, now: float) -> None:
        if self._is_own_content(change.path, now):
            return
        change_filter = _METADATA if change.attributes_only else _DATA
        self._volume.changes += 1
        self._volume.changed([(notify.MODIFIED, change.path, "")], change_filter, None, local=True)

    def _named(self, change: LocalChange, now: float) -> None:
        volume = self._volume
        change_filter = notify.DIR_NAME if change.is_directory else notify.FILE_NAME
        kind = _CAME if change.action == LocalChange.ADDED else _WENT
        own = self._is_own_name(change.path, kind, now)
        new = change.renamed_to
        if new is not None:
            own = self._is_own_name(new, _CAME, now) or own
        if own:
            return
        volume.changes += 1
        if new is None:
            volume.changed([(change.action, change.path, "")], change_filter, None, local=True)
        elif new[:-1] == change.path[:-1]:
            pair = [(notify.RENAMED_OLD_NAME, change.path, ""), (notify.RENAMED_NEW_NAME, new, "")]
            volume.changed(pair, change_filter, None, local=True)
        else:
            volume.changed([(notify.REMOVED, change.path, "")], change_filter, None, local=True)
            volume.changed([(notify.ADDED, new, "")], change_filter, None, local=True)
