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


@dataclass
class Running:
    """A station on air."""

    station: Station
    handle: airchain.Station
    events: airchain.Events
    log: logging.Logger
    since: float
    """Monotonic time of its start."""


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

    @property
    def running(self) -> list[Running]:
        """The stations on air at this moment."""
        with self._lock:
            return list(self._running.values())

    @property
    def stations(self) -> Mapping[str, Station]:
        """What is on air, by slug. A station that fell off by a fault is not, so that it is started anew."""
        return {each.station.slug: each.station for each in self.running if not each.handle.is_off}

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
            self._failed = {slug: why for slug, why in self._failed.items() if slug in wanted}
        for station in plan.stop:
            self._stop(station.slug)
        for station in plan.start:
            self._start(station)
        for station in plan.move:
            self._move(station)
        for station in plan.note:
            self._note(station)

    def _start(self, station: Station) -> None:
        slug = station.slug
        with self._lock:
            fallen = self._running.pop(slug, None)
        if fallen is not None:
            fallen.log.error("it fell off the air, and is started anew")
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
        running = Running(station, handle, handle.events(), log, time.monotonic())
        with self._lock:
            self._failed.pop(slug, None)
            self._running[slug] = running

    def _stop(self, slug: str) -> None:
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
