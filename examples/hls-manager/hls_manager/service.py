"""The service: its parts, in the order in which they start and stop."""

from __future__ import annotations

import logging
import threading
import time

import airchain

from .analytics import Analytics
from .cache import Cache
from .folders import Folders
from .graphql import GraphQL
from .on_air import OnAir
from .poll import Poll
from .reconcile import plan
from .reporter import Reporter
from .settings import Settings
from .station_list import StationList
from .station_log import StationLogs
from .status import Status
from .web import Web

log = logging.getLogger(__name__)

#: How long stations may take to write their last segments when the service ends, and how long after the signal last
#: events are waited for, which are sent meanwhile. Containers are killed after ten.
_DRAIN_S = 6.0
_END_S = 8.0


class Service:
    """Everything in one process. Raises OSError if it cannot write, or listen, where it should."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        settings.hls_dir.mkdir(parents=True, exist_ok=True)
        self._stopping = threading.Event()
        self._folders = Folders(settings.hls_dir, settings.kept_s)
        self._host = airchain.Host()
        logs = StationLogs(settings.log_dir, settings.max_log_mb)
        self._on_air = OnAir(self._host, settings, self._folders, logs)
        graphql = GraphQL(settings.graphql_endpoint, bearer=settings.graphql_token)
        self._poll = Poll(graphql, Cache(settings.data_dir / "stations_cache.json", settings.cache_ttl_h))
        self._analytics = Analytics(settings)
        self._reporter = Reporter(self._on_air)
        status = Status(settings, self._on_air, self._poll, self._analytics)
        self._web = Web(settings.health_address, status.pages)
        self._refresher = threading.Thread(target=self._refresh, name="refresher", daemon=True)

    def run(self, stop: threading.Event) -> None:
        """Runs until ``stop`` is set, and ends cleanly then: last segments are published, and all files stay, so that
        the next start goes on from them."""
        for part in (self._web, self._reporter, self._analytics, self._refresher):
            part.start()
        stop.wait()
        log.info("ending: %d stations go off", len(self._on_air.running))
        self._stopping.set()
        began = time.monotonic()
        # Events are sent while stations drain.
        self._on_air.stop()
        self._analytics.end()
        self._host.close(drain_s=_DRAIN_S)
        self._reporter.stop()
        self._analytics.stop(_END_S - (time.monotonic() - began))
        self._web.stop()
        log.info("ended after %.1f s", time.monotonic() - began)

    def _refresh(self) -> None:
        """The list, once at the start and then every ``STREAM_REFRESH_INTERVAL`` seconds. This thread may be waiting
        for GraphQL when the service ends; nothing waits for it."""
        ask, wanted = self._poll.first, None
        while not self._stopping.is_set():
            try:
                # Without an answer the list stays as it is, and stations that fall are started anew all the same.
                wanted = ask() or wanted
                if wanted is not None and not self._stopping.is_set():
                    self._carry_out(wanted)
            except Exception:
                log.exception("the refresh failed")
            ask = self._poll.latest
            self._stopping.wait(self._settings.refresh_interval_s)

    def _carry_out(self, wanted: StationList) -> None:
        what = plan(self._on_air.stations, wanted, self._on_air.fallen)
        if what:
            counts = [f"{len(part)} {name}" for name, part in what.parts.items() if part]
            log.info("stations: %s", ", ".join(counts))
        self._on_air.carry_out(what)
        self._folders.sweep(wanted.stations.keys() | wanted.refused.keys())
