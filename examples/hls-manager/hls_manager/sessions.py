"""Listener sessions: what was fetched in a stretch of time, as one event per session and station.

A session is the ``s`` of a playlist's URL. Segments have none, so that caches keep one copy of each for everybody;
their bytes count for the session whose playlist the same client (address, user agent, station) asked for last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .access_log import Access

Client = tuple[str, str, str]


@dataclass
class _Sum:
    """What a session did at a station."""

    latest: Access
    bytes: int = 0
    requests: int = 0

    def add(self, access: Access) -> None:
        self.bytes += access.bytes
        self.requests += 1
        if access.time >= self.latest.time:
            self.latest = access


class Sessions:
    """Sums up accesses. It remembers clients for ``timeout_min`` minutes of the log's time."""

    def __init__(self, timeout_min: float) -> None:
        self._timeout = timedelta(minutes=timeout_min)
        self._clients: dict[Client, tuple[str, datetime]] = {}
        self.unattributed = 0
        """Accesses that belong to no session, since the start."""

    def sum_up(self, accesses: Iterable[Access]) -> list[dict[str, Any]]:
        """One event (a ``ListeningEventInput``) per session and station, in the order in which they came."""
        sums: dict[tuple[str, str], _Sum] = {}
        newest: datetime | None = None
        for access in accesses:
            newest = max(newest, access.time) if newest else access.time
            session = self._session(access)
            if session is None:
                self.unattributed += 1
                continue
            key = (session, access.slug)
            sums.setdefault(key, _Sum(access)).add(access)
        if newest is not None:
            self._forget(newest - self._timeout)
        return [_event(session, of) for (session, _), of in sums.items()]

    def _session(self, access: Access) -> str | None:
        client = (access.address, access.agent, access.slug)
        if access.session is not None:
            self._clients[client] = (access.session, access.time)
            return access.session
        if access.is_playlist:
            return None
        session, seen = self._clients.get(client, (None, access.time))
        return session if access.time - seen <= self._timeout else None

    def _forget(self, before: datetime) -> None:
        self._clients = {client: known for client, known in self._clients.items() if known[1] >= before}


def _event(session: str, of: _Sum) -> dict[str, Any]:
    latest = of.latest
    return {
        "anonymous_session_id": session,
        "station_slug": latest.slug,
        "ip_address": latest.address,
        "user_agent": latest.agent,
        "timestamp": latest.time.isoformat(),
        "event_type": "playlist_request" if latest.is_playlist else "segment_request",
        "bytes_transferred": of.bytes,
        "request_duration": 0.0,
        "status_code": latest.status,
        "request_count": of.requests,
        "referer": latest.referer,
    }
