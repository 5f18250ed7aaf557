"""A log file per station, rotated by size with one old file kept."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

_FORMAT = "%(asctime)s - %(levelname)s - %(message)s"


class StationLogs:
    """Files ``{slug}.log`` of at most ``max_mb`` megabytes, with what was before as ``{slug}.log.old``. What is written
    there also goes to the log of the service, under ``hls_manager.station.{slug}``."""

    def __init__(self, folder: Path, max_mb: float) -> None:
        self._folder = folder
        self._max_bytes = int(max_mb * 1_000_000)

    def open(self, slug: str) -> logging.Logger:
        """The log of a station. That its file cannot be written is logged, and holds nothing up."""
        log = logging.getLogger(f"hls_manager.station.{slug}")
        self.close(slug)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{slug}.log"
            handler = RotatingFileHandler(path, maxBytes=self._max_bytes, backupCount=1, encoding="utf-8")
        except OSError as error:
            log.error("no log file: %s", error)
            return log
        handler.namer = lambda name: name.removesuffix(".1") + ".old"
        handler.setFormatter(logging.Formatter(_FORMAT))
        log.addHandler(handler)
        return log

    def close(self, slug: str) -> None:
        """Closes the file of a station."""
        log = logging.getLogger(f"hls_manager.station.{slug}")
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()
