"""Whether listeners get something: by the age of the playlists, which are written with every segment.

A station is well while it has each playlist that it was declared with, each media playlist younger than
``PLAYLIST_MAX_AGE_SECONDS``, and for ``START_GRACE_SECONDS`` after it was started. The service

* is **well** (``/health``) when all its stations are, and there is at least one;
* is **alive** (``/live``, for containers) when any is: to start hundreds anew for the sake of one helps nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .declaration import INDEX, PLAYLISTS


@dataclass(frozen=True)
class StationHealth:
    """How a station is."""

    slug: str
    reason: str | None
    """Why it is not well; None when it is."""
    playlist_age_s: float | None
    """Age of the oldest of its media playlists; None when there is none."""

    @property
    def is_well(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class Limits:
    """When a playlist is too old, in seconds."""

    max_age_s: float
    grace_s: float


def look(slug: str, folder: Path, up_s: float, limits: Limits, now: float | None = None) -> StationHealth:
    """How a station is that was started ``up_s`` seconds ago and publishes in ``folder``."""
    now = time.time() if now is None else now
    ages = {name: max(0.0, now - at) for name in PLAYLISTS if (at := _changed(folder / name)) is not None}
    missing = [name for name in PLAYLISTS if name not in ages]
    if _changed(folder / INDEX) is None:
        missing.append(INDEX)
    oldest = max(ages, key=lambda name: ages[name], default=None)
    age_s = None if oldest is None else round(ages[oldest], 1)
    reason = None
    if up_s >= limits.grace_s:
        if missing:
            reason = f"no {missing[0]} {up_s:.0f} s after its start"
        elif age_s is not None and age_s >= limits.max_age_s:
            reason = f"{oldest} is {age_s:.0f} s old, {limits.max_age_s:g} s are accepted"
    return StationHealth(slug, reason, age_s)


def reasons(stations: Iterable[StationHealth]) -> list[str]:
    """Why the service is not well; empty when it is."""
    found = list(stations)
    if not found:
        return ["no station is on air"]
    return [f"{station.slug}: {station.reason}" for station in found if not station.is_well]


def is_alive(stations: Iterable[StationHealth], limits: Limits, up_s: float) -> bool:
    """Whether any station is well; in the first moments of the service nothing can be known yet."""
    return up_s < limits.grace_s or any(station.is_well for station in stations)


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
