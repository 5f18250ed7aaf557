"""Where the station list comes from: GraphQL, or what was kept of its last answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from .cache import Cache
from .graphql import GraphQL, GraphQLError
from .station_list import StationList, read_rows

log = logging.getLogger(__name__)

QUERY = """
query GetHLSStations {
  stations { id slug title stream_url generate_hls_stream disabled }
}
"""

#: How long the first answer is waited for before what was kept goes on air.
FIRST_TIMEOUT_S = 5.0


class Poll:
    """Asks for the list. An answer that fails, or that has no station for HLS in it, changes nothing."""

    def __init__(self, graphql: GraphQL, cache: Cache) -> None:
        self._graphql = graphql
        self._cache = cache
        self.answered_at: float | None = None
        """Monotonic time of the last answer that counted."""
        self.error: str | None = None
        """Why the last question brought nothing."""
        self.failures = 0
        """Questions that brought nothing, since the start."""
        self.refused: dict[str, str] = {}
        """Rows that were left out, and why."""

    def first(self) -> StationList | None:
        """The list to start with: GraphQL's, or the one that was kept if there is no answer soon."""
        try:
            fresh = self.latest(timeout_s=FIRST_TIMEOUT_S)
        except Exception:
            # Whatever it is, listeners get what was kept.
            log.exception("the first refresh failed")
            fresh = None
        if fresh is not None:
            return fresh
        rows = self._cache.load()
        return None if rows is None else self._read(rows)

    def latest(self, *, timeout_s: float = 30.0) -> StationList | None:
        """The list as of now; None if there is nothing to go by, so that everything stays as it is."""
        try:
            rows = self._graphql.ask(QUERY, timeout_s=timeout_s).get("stations")
            if not isinstance(rows, list):
                raise GraphQLError("the answer has no list of stations")
            wanted = self._read(rows)
            if not wanted.stations:
                raise GraphQLError(f"the answer has no station for HLS among {len(rows)} rows")
        except GraphQLError as error:
            self.failures += 1
            if self.error != str(error):
                log.error("no station list from GraphQL, everything stays as it is: %s", error)
            self.error = str(error)
            return None
        if self.error is not None:
            log.info("GraphQL answers again")
        self.error = None
        self.answered_at = time.monotonic()
        self._cache.save(rows)
        return wanted

    def _read(self, rows: Sequence[Any]) -> StationList:
        """Reads rows, and says once of each that is left out why it is."""
        wanted = read_rows(rows)
        for name, why in wanted.refused.items():
            if self.refused.get(name) != why:
                log.warning("station %s is left out: %s", name, why)
        for name in self.refused.keys() - wanted.refused.keys():
            log.info("station %s is no longer left out", name)
        self.refused = dict(wanted.refused)
        return wanted
