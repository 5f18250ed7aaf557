"""The stations on air: started, changed and stopped one by one, none of them touching another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import airchain

from .declaration import INPUT_ID, declare
from .folders import Folders
from .health import Limits, StationHealth, look
from .reconcile import Plan
from .settings import Settings
from .station import Station
from .station_log import StationLogs


#: How long a station that starts in vain again and again is left alone at most, in seconds.
_MAX_PAUSE_S = 3600.0


@dataclass
class Running:
    """A station on air."""

    station: Station
    handle: airchain.Station
    events: airchain.Events
    log: logging.Logger
    since: float
    """Monotonic time of its start."""
    restarts: int = 0
    """How often it was started anew before, without doing better."""


class OnAir:
    """All stations of a host. Plans are carried out on one thread; everything else may be asked from any."""

    def __init__(self, host: airchain.Host, settings: Settings, folders: Folders, logs: StationLogs) -> None:
        self._host = host
        self._settings = settings
        self._folders = folders
        self._logs = logs
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._failed: dict[str, str] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """The service ends: what a plan still has to do is left undone."""
        self._stopping.set()

    @property
    def running(self) -> list[Running]:
        """The stations on air at this moment."""
        with self._lock:
            return list(self._running.values())

    @property
    def stations(self) -> Mapping[str, Station]:
        """What is on air, by slug."""
        return {each.station.slug: each.station for each in self.running}

    @property
    def fallen(self) -> frozenset[str]:
        """Which of them fell off by a fault, or publish nothing any more, and are to be started anew."""
        now = time.monotonic()
        return frozenset(
            each.station.slug for each in self.running if each.handle.is_off or self._is_stuck(each, now - each.since)
        )

    def health(self, limits: Limits) -> list[StationHealth]:
        """How each of them is, and those that could not be started."""
        now = time.monotonic()
        on_air = [
            look(each.station.slug, self._folders.of(each.station.slug), now - each.since, limits)
            for each in self.running
        ]
        with self._lock:
            failed = dict(self._failed)
        return on_air + [StationHealth(slug, f"cannot be started: {why}", None) for slug, why in failed.items()]

    def streams(self) -> dict[str, airchain.InputStatus]:
        """How the stream of each does, by slug."""
        found = {}
        for each in self.running:
            try:
                found.update({each.station.slug: status for status in each.handle.telemetry().inputs})
            except airchain.Error:
                continue  # It was closed just now.
        return found

    def carry_out(self, plan: Plan) -> None:
        """Does what a plan says, as far as it can: what fails is logged, and planned again at the next refresh."""
        wanted = {station.slug for station in plan.start}
        with self._lock:
            forgotten = self._failed.keys() - wanted
            for slug in forgotten:
                del self._failed[slug]
        for slug in forgotten:
            self._logs.close(slug)
        steps = [(self._stop, plan.stop), (self._start, plan.start), (self._move, plan.move), (self._note, plan.note)]
        for do, stations in steps:
            for station in stations:
                if self._stopping.is_set():
                    return
                do(station)

    def _start(self, station: Station) -> None:
        slug = station.slug
        with self._lock:
            fallen = self._running.pop(slug, None)
        restarts = 0
        if fallen is not None:
            why = "it fell off the air" if fallen.handle.is_off else "it publishes nothing any more"
            fallen.log.error("%s, and is started anew", why)
            if time.monotonic() - fallen.since < 2 * self._pause_s(fallen):
                restarts = fallen.restarts + 1
            fallen.handle.close()
        log = self._logs.open(slug)
        try:
            self._folders.wanted(slug)
            handle = self._host.add_station(declare(station, self._folders.of(slug), self._settings))
        except (airchain.Error, OSError) as error:
            if self._failed.get(slug) != str(error):
                log.error("cannot be started: %s", error)
            with self._lock:
                self._failed[slug] = str(error)
            return
        log.info("started: %s (id %d)", station.title, station.id)
        running = Running(station, handle, handle.events(), log, time.monotonic(), restarts)
        with self._lock:
            self._failed.pop(slug, None)
            self._running[slug] = running

    def _is_stuck(self, running: Running, up_s: float) -> bool:
        """Whether its stream is there and yet nothing of it has been published for long. What was just started has
        time for it, and more after each start that was in vain."""
        slug, after_s = running.station.slug, self._settings.restart_after_s
        if up_s < self._pause_s(running) or look(slug, self._folders.of(slug), up_s, Limits(after_s, after_s)).is_well:
            return False
        try:
            return any(status.state == "streaming" for status in running.handle.telemetry().inputs)
        except airchain.Error:
            return False

    def _pause_s(self, running: Running) -> float:
        after_s = self._settings.restart_after_s
        return max(after_s, min(after_s * 2.0 ** min(running.restarts, 30), _MAX_PAUSE_S))

    def _stop(self, station: Station) -> None:
        slug = station.slug
        with self._lock:
            running = self._running.pop(slug, None)
        if running is None:
            return
        running.handle.close()
        running.log.info("stopped: it is no longer on the list")
        self._logs.close(slug)

    def _move(self, station: Station) -> None:
        running = self._of(station.slug)
        if running is None:
            return
        try:
            # It goes on with what it has until the new one brings audio.
            running.handle.set_input_urls(INPUT_ID, [station.stream_url])
        except airchain.Error as error:
            running.log.error("its stream cannot be changed: %s", error)
            return
        running.station = station
        running.log.info("its stream is another")

    def _note(self, station: Station) -> None:
        running = self._of(station.slug)
        if running is not None:
            running.log.info("it is called %s now (id %d)", station.title, station.id)
            running.station = station

    def _of(self, slug: str) -> Running | None:
        with self._lock:
            return self._running.get(slug)
