"""A callable that is asked for each track."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from . import _airchain
from ._items import Item, PathLike, item_of, to_json

_log = logging.getLogger("airchain.next_track")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for the next track."""

    number: int
    """Which one it is since the station started, from 1. One that failed is asked again under the same number."""
    failures: int
    """How many errors and unusable tracks there were in a row before it."""


#: What a callable may answer: something to play, or None for nothing at the moment (it is asked again in a second).
#: Raising StopIteration ends the automation; any other exception is logged, and it is asked again after a pause.
Answer = Union[Item, Mapping[str, Any], PathLike, None]
NextTrack = Callable[[Asked], Answer]


def start(
    questions: _airchain.Questions,
    station: str,
    next_track: NextTrack,
    unused: Callable[[Item], None] | None,
    failed: Callable[[Item, str], None] | None,
) -> None:
    """Starts the thread on which the callables are called, one call at a time."""

    def run() -> None:
        while (word := questions.get()) is not None:
            data = json.loads(word)
            if "next" in data:
                _answer(questions, station, next_track, Asked(data["next"], data["failures"]))
            elif "unused" in data and unused:
                _guard(station, lambda: unused(Item._of(data["unused"])))
            elif "failed" in data and failed:
                _guard(station, lambda: failed(Item._of(data["failed"]), data["error"]))

    threading.Thread(target=run, name=f"airchain-next-{station}", daemon=True).start()


def _answer(questions: _airchain.Questions, station: str, next_track: NextTrack, asked: Asked) -> None:
    try:
        item = next_track(asked)
        questions.answer("later" if item is None else to_json(item_of(item)))
    except StopIteration:
        questions.answer("end")
    except BaseException as error:  # Also SystemExit: a callable does not end the programme.
        _log.exception("%s: the callable for the next track failed", station)
        questions.fail(f"{type(error).__name__}: {error}")


def _guard(station: str, call: Callable[[], None]) -> None:
    try:
        call()
    except BaseException:
        _log.exception("%s: a callable failed", station)
