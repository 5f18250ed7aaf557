"""The last known station list, on disk: what goes on air when GraphQL is down at the start."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .files import write_whole

log = logging.getLogger(__name__)


class Cache:
    """A file ``{"timestamp": ISO 8601, "stations": [rows as GraphQL gave them]}``."""

    def __init__(self, path: Path, ttl_h: float) -> None:
        self._path = path
        self._ttl_h = ttl_h
        self._failed = False

    def save(self, rows: Sequence[Any], now: datetime | None = None) -> None:
        """Keeps the rows. That it cannot be written holds nothing up and is logged once."""
        kept = {"timestamp": (now or datetime.now(timezone.utc)).isoformat(), "stations": rows}
        try:
            write_whole(self._path, json.dumps(kept, indent=2) + "\n")
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.error("the station list cannot be kept in %s: %s", self._path, error)
            self._failed = True

    def load(self, now: datetime | None = None) -> list[Any] | None:
        """The rows, if there are any that are not too old and can be read."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            rows, stamp = kept["stations"], datetime.fromisoformat(kept["timestamp"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("the station list kept in %s cannot be read: %s", self._path, error)
            return None
        if not isinstance(rows, list):
            log.error("the station list kept in %s holds no list of stations", self._path)
            return None
        # A time without a zone is a local one.
        age_h = ((now or datetime.now(timezone.utc)) - stamp.astimezone(timezone.utc)).total_seconds() / 3600
        if age_h > self._ttl_h:
            log.error("the station list in %s is %.1f h old; CACHE_TTL_HOURS is %g", self._path, age_h, self._ttl_h)
            return None
        log.info("the station list in %s is %.1f min old and has %d rows", self._path, age_h * 60, len(rows))
        return rows
