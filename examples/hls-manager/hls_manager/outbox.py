"""Batches of listening events on their way to GraphQL: sent in order, kept while they cannot be, never lost unsaid."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .graphql import GraphQL, GraphQLError
from .log_tail import Place

log = logging.getLogger(__name__)

MUTATION = """
mutation SubmitListeningEvents($events: [ListeningEventInput!]!) {
  submit_listening_events(events: $events) {
    __typename
    ... on SubmitListeningEventsResponse { success message processed_count }
    ... on OperationInfo { messages { code field kind message } }
  }
}
"""

#: Events in one mutation.
_AT_ONCE = 500
#: Events that wait at most; the oldest batch goes when there are more.
_MAX_WAITING = 100_000
#: How often a batch is refused before it is given up. What is not answered, or with an error of the
#: server, is not refused.
_MAX_REFUSALS = 5
_MAX_PAUSE_S = 300.0


@dataclass
class _Batch:
    events: Sequence[dict[str, Any]]
    done_to: Place | None
    """The place in the access log that is done with when this batch is."""
    refusals: int = 0


class Outbox:
    """``done`` is told the place in the log up to which nothing is left to be sent."""

    def __init__(
        self,
        graphql: GraphQL,
        done: Callable[[Place], None],
        *,
        pause_s: float = 10.0,
        max_waiting: int = _MAX_WAITING,
    ) -> None:
        self._graphql = graphql
        self._done = done
        self._least_pause_s = pause_s
        self._max_waiting = max_waiting
        self._batches: deque[_Batch] = deque()
        self._pause_s = pause_s
        self._not_before = 0.0
        self.sent = 0
        """Events that the server took."""
        self.failures = 0
        """Mutations that failed."""
        self.dropped = 0
        """Events that were given up."""

    @property
    def waiting(self) -> int:
        """Events that wait to be sent."""
        return sum(len(batch.events) for batch in self._batches)

    def put(self, events: Sequence[dict[str, Any]], done_to: Place | None) -> None:
        """Takes events, and the place in the log behind their lines."""
        for start in range(0, max(1, len(events)), _AT_ONCE):
            self._batches.append(_Batch(events[start : start + _AT_ONCE], None))
        self._batches[-1].done_to = done_to
        waiting = self.waiting
        while waiting > self._max_waiting and len(self._batches) > 1:
            oldest = self._batches[0]
            waiting -= len(oldest.events)
            self._give_up(oldest, f"more than {self._max_waiting} events wait")

    def send(
        self, *, timeout_s: float = 30.0, at_once: bool = False, enough: Callable[[], bool] = lambda: False
    ) -> None:
        """Sends what waits, up to the first batch that fails, or before which ``enough`` is true; after a failure not
        before a pause has passed, which grows with each, unless ``at_once``."""
        if time.monotonic() < self._not_before and not at_once:
            return
        while self._batches and not enough():
            batch = self._batches[0]
            try:
                if batch.events:
                    self._submit(batch.events, timeout_s)
                    self.sent += len(batch.events)
            except GraphQLError as error:
                self.failures += 1
                batch.refusals += error.refused
                if batch.refusals >= _MAX_REFUSALS:
                    self._give_up(batch, f"refused {batch.refusals} times: {error}")
                    continue
                self._not_before = time.monotonic() + self._pause_s
                log.error("%d listening events wait, next try in %.0f s: %s", self.waiting, self._pause_s, error)
                self._pause_s = min(self._pause_s * 2, _MAX_PAUSE_S)
                return
            self._pause_s = self._least_pause_s
            self._leave(batch)

    def _submit(self, events: Sequence[dict[str, Any]], timeout_s: float) -> None:
        answer = self._graphql.ask(MUTATION, {"events": events}, timeout_s=timeout_s).get("submit_listening_events")
        if not isinstance(answer, dict):
            raise GraphQLError("the answer says nothing of the events")
        if answer.get("__typename") == "OperationInfo":
            said = [f"{each.get('kind')}: {each.get('message')}" for each in answer.get("messages") or []]
            raise GraphQLError("; ".join(said) or "refused without a reason", refused=True)
        if answer.get("success") is not True:
            why = str(answer.get("message") or "refused without a reason")
            raise GraphQLError(why, refused=answer.get("success") is False)
        processed = answer.get("processed_count")
        if isinstance(processed, int) and processed < len(events):
            log.warning("the server took %d of %d listening events: %s", processed, len(events), answer.get("message"))

    def _give_up(self, batch: _Batch, why: str) -> None:
        self.dropped += len(batch.events)
        log.error("%d listening events are lost: %s", len(batch.events), why)
        self._leave(batch)

    def _leave(self, batch: _Batch) -> None:
        self._batches.remove(batch)
        if batch.done_to is not None:
            self._done(batch.done_to)
