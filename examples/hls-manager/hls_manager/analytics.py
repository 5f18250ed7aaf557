"""From the access log to GraphQL, in batches, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time

from .access_log import read_line
from .graphql import GraphQL
from .log_tail import LogTail, Place
from .outbox import Outbox
from .sessions import Sessions
from .settings import Settings

log = logging.getLogger(__name__)

#: For how long the last batches are sent when the service ends, and how long each of them may take. What it
#: does not get through is read again by the next process.
_LAST_TIMEOUT_S = 3.0


class Analytics:
    """Reads the log and submits what it says every ``BATCH_INTERVAL_SECONDS``."""

    def __init__(self, settings: Settings) -> None:
        self._interval_s = settings.batch_interval_s
        self._most_bytes = int(settings.access_log_max_mb * 1_000_000)
        self._tail = LogTail(settings.access_log, settings.data_dir / "access_log_place.json")
        self._sessions = Sessions(settings.session_timeout_min)
        # The server wants the key in a header of its own; the superuser's key wins over the token.
        graphql = GraphQL(
            settings.graphql_endpoint,
            bearer=settings.admin_api_key or settings.graphql_token,
            headers={"X-Streaming-Api-Key": settings.pod_api_key} if settings.pod_api_key else {},
        )
        self.outbox = Outbox(graphql, self._keep, pause_s=self._interval_s)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="analytics", daemon=True)

    @property
    def unattributed(self) -> int:
        """Accesses that belonged to no session."""
        return self._sessions.unattributed

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Tells it to send what can be sent at once, and to end. Returns at once."""
        self._stopping.set()

    def stop(self, timeout_s: float = _LAST_TIMEOUT_S * 2) -> None:
        """Ends, and waits for that; what is not through after ``timeout_s`` is read again by the next process."""
        self.end()
        if self._thread.is_alive():
            self._thread.join(max(0.0, timeout_s))

    def _run(self) -> None:
        last = False
        while not last:
            last = self._stopping.wait(self._interval_s)
            try:
                self._batch(last)
            except Exception:
                log.exception("a batch of listening events failed")
        self._tail.close()

    def _batch(self, last: bool) -> None:
        lines = self._tail.read()
        accesses = [access for line in lines if (access := read_line(line)) is not None]
        if lines:
            self.outbox.put(self._sessions.sum_up(accesses), self._tail.place)
        if last:
            end = time.monotonic() + _LAST_TIMEOUT_S
            self.outbox.send(timeout_s=_LAST_TIMEOUT_S, at_once=True, enough=lambda: time.monotonic() > end)
        else:
            self.outbox.send(enough=self._stopping.is_set)
            if self._most_bytes:
                self._tail.truncate(self._most_bytes)

    def _keep(self, place: Place) -> None:
        try:
            self._tail.keep(place)
        except OSError as error:
            log.error("the place in the access log cannot be kept, lines may be sent twice: %s", error)
