"""What the service says of itself, for probes, operators and Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import airchain

from .analytics import Analytics
from .health import Limits, StationHealth, is_alive, reasons
from .on_air import OnAir
from .poll import Poll
from .settings import Settings
from .web import Page, json_page


T = TypeVar("T")

#: For how long what was found is not looked for again, in seconds: probes, however many, cost no more than that.
_KEPT_S = 2.0


class _Kept(Generic[T]):
    """What a function returned, for a while."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[float, T] | None = None

    def __call__(self) -> T:
        with self._lock:
            now = time.monotonic()
            if self._made is None or now - self._made[0] >= _KEPT_S:
                self._made = (now, self._make())
            return self._made[1]


class Status:
    """Makes the pages."""

    def __init__(self, settings: Settings, on_air: OnAir, poll: Poll, analytics: Analytics) -> None:
        self._poll = poll
        self._analytics = analytics
        self._limits = Limits(settings.playlist_max_age_s, settings.start_grace_s)
        self._started = time.monotonic()
        self._look = _Kept(lambda: sorted(on_air.health(self._limits), key=lambda each: each.slug))
        self._streams = _Kept(on_air.streams)
        self.pages: Mapping[str, Callable[[], Page]] = {
            "/health": self.health,
            "/live": self.live,
            "/metrics": self.metrics,
        }

    def health(self) -> Page:
        """200 when every station is well, else 503 with reasons."""
        found = self._look()
        why = reasons(found)
        streams = self._streams()
        about = {
            "status": "unwell" if why else "ok",
            "reasons": why,
            "stations": {each.slug: _station(each, streams.get(each.slug)) for each in found},
            "left_out": self._poll.refused,
            "station_list": {"age_s": self._list_age_s(), "error": self._poll.error},
        }
        return json_page(503 if why else 200, about)

    def live(self) -> Page:
        """200 when any station is well, else 503 with reasons."""
        found = self._look()
        alive = is_alive(found, self._limits, time.monotonic() - self._started)
        return json_page(200 if alive else 503, {"status": "ok" if alive else "dead", "reasons": reasons(found)})

    def metrics(self) -> Page:
        """Counters, as Prometheus reads them."""
        found, outbox = self._look(), self._analytics.outbox
        age_s = self._list_age_s()
        lines = [
            f"hls_manager_stations {len(found)}",
            f"hls_manager_stations_well {sum(each.is_well for each in found)}",
            f"hls_manager_stations_left_out {len(self._poll.refused)}",
            f"hls_manager_station_list_age_seconds {'NaN' if age_s is None else age_s}",
            f"hls_manager_station_list_failures_total {self._poll.failures}",
            f"hls_manager_listening_events_sent_total {outbox.sent}",
            f"hls_manager_listening_events_waiting {outbox.waiting}",
            f"hls_manager_listening_events_lost_total {outbox.dropped}",
            f"hls_manager_listening_submissions_failed_total {outbox.failures}",
            f"hls_manager_accesses_without_session_total {self._analytics.unattributed}",
        ]
        for each in found:
            if each.playlist_age_s is not None:
                lines.append(f'hls_manager_playlist_age_seconds{{station="{each.slug}"}} {each.playlist_age_s}')
        return 200, "text/plain; version=0.0.4", "\n".join(lines) + "\n"

    def _list_age_s(self) -> float | None:
        at = self._poll.answered_at
        return None if at is None else round(time.monotonic() - at, 1)


def _station(health: StationHealth, stream: airchain.InputStatus | None) -> dict[str, Any]:
    about: dict[str, Any] = {"ok": health.is_well, "reason": health.reason, "playlist_age_s": health.playlist_age_s}
    if stream is not None:
        # That a stream is away is no fault here: listeners get silence, and it is tried again.
        about["stream"] = {
            "state": stream.state,
            "url": stream.url,
            "title": stream.title,
            "buffered_s": stream.buffered_s,
            "error": stream.last_error,
        }
    return about
