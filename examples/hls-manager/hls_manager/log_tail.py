"""Follows a growing log file through rotation, truncation and restarts of the service, and gives each line once.

The place is an inode and an offset. Who has done with the lines keeps it (:meth:`LogTail.keep`), so that lines of which
nobody was told yet are read again by the next process.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from .files import write_whole

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
#: A line longer than this is dropped.
_MAX_LINE = 1 << 16


@dataclass(frozen=True)
class Place:
    """Where in which file the next line begins."""

    inode: int
    offset: int


class LogTail:
    """The lines of ``path`` from the place on that ``kept_in`` holds; without one, from the file's end on."""

    def __init__(self, path: Path, kept_in: Path) -> None:
        self._path = path
        self._kept_in = kept_in
        self._file: BinaryIO | None = None
        self._inode = 0
        self._offset = 0
        self._rest = b""
        self._skipping = False
        self._started = False
        self._leaving = False
        self._fault = ""
        self._kept: Place | None = None

    @property
    def place(self) -> Place | None:
        """The place behind the last line that was given."""
        return Place(self._inode, self._offset) if self._file is not None else None

    def keep(self, place: Place) -> None:
        """Keeps a place for the next process. Raises OSError."""
        if place != self._kept:
            write_whole(self._kept_in, json.dumps(asdict(place)) + "\n")
            self._kept = place

    def truncate(self, over_bytes: int) -> None:
        """Empties the file if it is larger, and if its end is the place that is kept. Its writer must append, as nginx
        does. A line written between the look at the size and the truncation is lost: that is microseconds."""
        if self._kept is None or self._kept.offset <= over_bytes or self._kept != self.place:
            return
        try:
            with open(self._path, "r+b", buffering=0) as file:
                about = os.fstat(file.fileno())
                if (about.st_ino, about.st_size) != (self._kept.inode, self._kept.offset):
                    return
                file.truncate(0)
        except OSError as error:
            self._tell(f"cannot be truncated: {error}")
            return
        self._rewind()
        self.keep(Place(self._inode, 0))
        log.info("%s had %d bytes that are done with, and is empty now", self._path, about.st_size)

    def read(self, most_bytes: int = 64 << 20) -> list[str]:
        """The lines that have come; of a great backlog about ``most_bytes``, and the rest at the next call. A file that
        is not there, or cannot be read, has none."""
        lines: list[str] = []
        due = self._leaving
        try:
            if not self._started:
                self._start()
            elif self._file is None:
                self._open(self._path, 0)
            taken = 0
            while taken < most_bytes and self._file is not None:
                chunk = self._file.read(_CHUNK)
                taken += len(chunk)
                if chunk:
                    self._take(chunk, lines)
                elif not self._turn(due):
                    break
            self._fault = ""
        except OSError as error:
            # It stays where it is, for the next try.
            self._tell(f"cannot be read: {error}")
        return lines

    def close(self) -> None:
        """Closes the file. Reading goes on from the kept place then."""
        if self._file is not None:
            self._file.close()
        self._file, self._rest, self._skipping, self._started, self._leaving = None, b"", False, False, False

    def _tell(self, fault: str) -> None:
        """Once, until all is well again."""
        if fault != self._fault:
            log.error("%s %s", self._path, fault)
        self._fault = fault

    def _start(self) -> None:
        """Finds the kept place again, in the file or in what rotation has made of it."""
        kept = self._kept or self._load()
        for path in (self._path, *(Path(f"{self._path}{suffix}") for suffix in (".1", ".old"))):
            if kept is not None and _inode(path) == kept.inode and os.path.getsize(path) >= kept.offset:
                self._open(path, kept.offset)
                self._started = True
                return
        # What was there before anybody kept a place is of the past.
        self._open(self._path, None if kept is None else 0)
        self._started = True
        if kept is not None:
            log.warning("%s is read from its start: the kept place, %s, is nowhere any more", self._path, kept)

    def _load(self) -> Place | None:
        try:
            return Place(**json.loads(self._kept_in.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read, the access log is read from its end on: %s", self._kept_in, error)
            return None

    def _open(self, path: Path, offset: int | None) -> None:
        """Opens a file at an offset, or at its end, in the place of the one before; nothing where there is none."""
        try:
            file = open(path, "rb")
        except FileNotFoundError:
            return
        if self._file is not None:
            self._file.close()
        self._file = file
        self._inode = os.fstat(file.fileno()).st_ino
        self._offset = file.seek(0, os.SEEK_END) if offset is None else file.seek(offset)
        self._rest, self._skipping, self._leaving = b"", False, False

    def _rewind(self) -> None:
        assert self._file is not None
        self._offset = self._file.seek(0)
        self._rest, self._skipping = b"", False

    def _turn(self, due: bool) -> bool:
        """At the end of the file: whether it was truncated, or another one has its name, and reading goes on there.
        That is put off until the reading after the one that found the other (``due``): a worker of nginx that was not
        told yet writes to the old one."""
        assert self._file is not None
        at = self._offset + len(self._rest)
        if os.fstat(self._file.fileno()).st_size < at:
            log.info("%s was truncated", self._path)
            self._rewind()
            return True
        if _inode(self._path) in (self._inode, None):
            return False
        if os.fstat(self._file.fileno()).st_size > at:
            return True  # Its writer was quicker than this.
        if not due:
            self._leaving = True
            return False
        old = self._file
        self._open(self._path, 0)
        return self._file is not old

    def _take(self, chunk: bytes, lines: list[str]) -> None:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            self._offset += len(line) + 1
            if not self._skipping and len(line) <= _MAX_LINE:
                lines.append(line.decode("utf-8", "replace"))
            self._skipping = False
        if len(self._rest) > _MAX_LINE:
            self._offset += len(self._rest)
            self._rest, self._skipping = b"", True


def _inode(path: Path) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None
