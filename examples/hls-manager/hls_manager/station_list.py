"""Reads the rows of a station list: one that cannot be meant is left out with a reason, and the others go on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .station import Station

#: A slug names a folder and a path. It is at most as long as an id of airchain's.
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_MAX_SLUG = 64
_MAX_TITLE = 200
_MAX_URL = 2048


@dataclass(frozen=True)
class StationList:
    """What a list of rows asks for."""

    stations: Mapping[str, Station]
    """The stations that are to be on air, by slug."""
    refused: Mapping[str, str]
    """Why a row was left out, by what it is called: its slug where that can be read."""


class _Refused(ValueError):
    """Why a row is left out."""


def read_rows(rows: Sequence[Any]) -> StationList:
    """Takes the rows that ask for HLS and are not disabled. Of rows with the same slug the one with the lowest id
    counts, so that the order of the answer decides nothing."""
    stations: dict[str, Station] = {}
    refused: dict[str, str] = {}
    for place, row in enumerate(rows):
        try:
            if not isinstance(row, Mapping):
                raise _Refused(f"it is {type(row).__name__}, not an object")
            if not _flag(row, "generate_hls_stream") or _flag(row, "disabled"):
                continue
            station = _station(row)
        except _Refused as why:
            refused[_called(row, place)] = str(why)
            continue
        other = stations.get(station.slug)
        if other is not None:
            station, loser = sorted((station, other), key=lambda each: each.id)
            refused[f"{loser.slug} (id {loser.id})"] = f"the slug belongs to the station with id {station.id} already"
        stations[station.slug] = station
    return StationList(stations, refused)


def _station(row: Mapping[str, Any]) -> Station:
    slug = row.get("slug")
    if not isinstance(slug, str) or not SLUG.fullmatch(slug) or len(slug) > _MAX_SLUG:
        accepted = f"lower-case letters, digits and hyphens between them, at most {_MAX_SLUG}"
        raise _Refused(f"slug: {_shown(slug)} is not accepted, give {accepted}")
    id = row.get("id")
    if isinstance(id, str) and id.isascii() and id.isdigit():
        id = int(id)
    if not isinstance(id, int) or isinstance(id, bool):
        raise _Refused(f"id: {_shown(id)} is not accepted, give a whole number")
    return Station(id, slug, _title(row.get("title")) or slug, _url(row.get("stream_url")))


def _flag(row: Mapping[str, Any], name: str) -> bool:
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise _Refused(f"{name}: {_shown(value)} is not accepted, give true or false")
    return bool(value)


def _title(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise _Refused(f"title: {_shown(value)} is not accepted, give text")
    # One line, without what terminals and players would take for commands.
    printable = "".join(c if c.isprintable() else " " for c in value or "")
    return " ".join(printable.split())[:_MAX_TITLE]


def _url(value: Any) -> str:
    try:
        if not isinstance(value, str) or not value.isprintable() or " " in value or len(value) > _MAX_URL:
            raise ValueError
        parts = urlsplit(value)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise _Refused(f"stream_url: {_shown(value)} is not accepted, give an http or https URL") from None
    return value


def _called(row: Any, place: int) -> str:
    slug = row.get("slug") if isinstance(row, Mapping) else None
    if isinstance(slug, str) and SLUG.fullmatch(slug):
        return slug
    id = row.get("id") if isinstance(row, Mapping) else None
    return f"row {place + 1}" if id is None else f"id {_shown(id)}"


def _shown(value: Any) -> str:
    """A value for a log line: short, on one line, without passwords of URLs."""
    text = re.sub(r"//[^/@\s]*@", "//...@", repr(value))
    return text if len(text) <= 100 else text[:97] + "..."
