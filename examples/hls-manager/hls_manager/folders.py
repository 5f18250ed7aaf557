"""The folders of stations, and what becomes of those that are no longer wanted: their playlists are ended, they are
kept until nobody can be listening any more, and removed then.

A hidden file in the folder marks it, so that a restart of the service forgets nothing. Nothing else is ever deleted
here: what a station publishes is airchain's, at every start and stop of the service.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Container
from pathlib import Path

from .files import write_whole
from .station_list import SLUG

log = logging.getLogger(__name__)

#: Name of airchain's media playlists: in the folder of a station, and in one below it for each further rendition.
PLAYLIST = "live.m3u8"
_END = "#EXT-X-ENDLIST\n"
_MARK = ".removed"
#: By this file of airchain's a folder is known as one of a station.
_LOCK = ".airchain.lock"
#: What airchain writes there.
_OURS = (".ts", ".m3u8", ".tmp", ".lock", _MARK)


class Folders:
    """The folders below ``hls_dir``; a removed station's goes after ``kept_s`` seconds."""

    def __init__(self, hls_dir: Path, kept_s: float) -> None:
        self._hls_dir = hls_dir
        self._kept_s = kept_s

    def of(self, slug: str) -> Path:
        """The folder of a station."""
        return self._hls_dir / slug

    def wanted(self, slug: str) -> None:
        """A station is to be published there (again)."""
        (self.of(slug) / _MARK).unlink(missing_ok=True)

    def sweep(self, on_air: Container[str], now: float | None = None) -> None:
        """Marks the folders of stations that are not on air, and removes those that were marked long enough ago."""
        now = time.time() if now is None else now
        for slug in self._slugs():
            if slug in on_air:
                continue
            try:
                self._sweep(self.of(slug), now)
            except OSError as error:
                log.warning("%s cannot be removed: %s", self.of(slug), error)

    def _slugs(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._hls_dir) if SLUG.fullmatch(name))
        except FileNotFoundError:
            return []

    def _sweep(self, folder: Path, now: float) -> None:
        mark = folder / _MARK
        if not mark.exists():
            if (folder / _LOCK).exists():
                _end(folder)
                mark.touch()
                log.info("%s is removed in %.0f min: its station is not on the list", folder, self._kept_s / 60)
        elif now - mark.stat().st_mtime > self._kept_s:
            _remove(folder)
            log.info("%s is removed", folder)


def _end(folder: Path) -> None:
    """Tells players that nothing more will come, those of renditions that are no longer made among them."""
    for path in [folder / PLAYLIST, *sorted(folder.glob(f"*/{PLAYLIST}"))]:
        try:
            if path.exists() and not (text := path.read_text(encoding="utf-8")).endswith(_END):
                write_whole(path, text + _END)
        except UnicodeDecodeError as error:
            log.warning("%s is no playlist, and is not ended: %s", path, error)


def _remove(folder: Path) -> None:
    """Removes what airchain writes, the mark last; files of others stay, and the folder with them."""
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            if name != _MARK and name.endswith(_OURS):
                os.unlink(os.path.join(parent, name))
        if parent != str(folder) and not os.listdir(parent):
            os.rmdir(parent)
    (folder / _MARK).unlink()
    if not os.listdir(folder):
        os.rmdir(folder)
