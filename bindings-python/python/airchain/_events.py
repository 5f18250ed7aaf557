"""Events of a station."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar

from . import _airchain
from ._items import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. What an airchain newer than this package tells comes as this class, with its fields in
    ``more``."""

    name: ClassVar[str] = ""

    event: str
    """Its name."""
    frame: int
    """The first frame of the programme it is true of."""
    at: float
    """The same in seconds."""
    utc: datetime | None = None
    """When that frame left the station; None in a render."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields that have no place of their own."""

    @staticmethod
    def _of(text: str) -> Event:
        data = json.loads(text)
        if "from" in data:
            data["from_"] = data.pop("from")
        kind = _KINDS.get(data.get("event", ""), Event)
        known: dict[str, Any] = {}
        for f in fields(kind):
            if f.name in data and f.name != "more":
                value = data.pop(f.name)
                known[f.name] = _read(f.name, value)
        return kind(**known, more=data)


def _read(name: str, value: Any) -> Any:
    if name == "item" and value is not None:
        return Item._of(value)
    if name == "queue" and value is not None:
        return [Item._of(item) for item in value]
    if name == "true_peak_dbtp":
        return tuple(value)
    if name == "utc":
        # Python before 3.11 reads no Z, and none reads nanoseconds.
        text = value.removesuffix("Z")
        head, _, fraction = text.partition(".")
        return datetime.fromisoformat(f"{head}.{(fraction + '000000')[:6]}+00:00")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class NowPlaying(Event):
    """An item became audible, or what is said about it changed."""

    name: ClassVar[str] = "now_playing"
    tier: str
    item: Item
    started: bool
    """True at its own start, False when it is announced again."""
    over: bool = False
    """True where it is heard over the programme, whose titles stay."""
    duration_s: float | None = None
    """Its length from cue in to cue out, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEnded(Event):
    """An item is over."""

    name: ClassVar[str] = "item_ended"
    tier: str
    item: Item
    ending: str
    """finished, skipped, stopped, stalled or preempted."""
    played_s: float
    """How much of it was heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUnused(Event):
    """An item was made ready and never heard."""

    name: ClassVar[str] = "item_unused"
    tier: str
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityChanged(Event):
    """Another tier has the air; None is dead air."""

    name: ClassVar[str] = "priority_changed"
    # "from" is a word of the language.
    from_: str | None = None
    to: str | None = None
    held: int | None = None
    """Where the tier that had it keeps an item that is not over: the frames over which that falls silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFailed(Event):
    """An item could not be played, or not whole."""

    name: ClassVar[str] = "source_failed"
    tier: str
    item: Item
    error: str
    skipped: bool
    """Whether it is not played at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Event):
    """Frames that should have been heard were not there in time."""

    name: ClassVar[str] = "dropout"
    tier: str
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed(Event):
    """Frames were never rendered; the station goes on behind them, at the right time."""

    name: ClassVar[str] = "missed"
    frames: int
    ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceDetected(Event):
    """The programme, or a live source that was routed, has been silent for the set time."""

    name: ClassVar[str] = "silence_detected"
    source: str | None = None
    """The live source; the programme when None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceEnded(Event):
    """It no longer is."""

    name: ClassVar[str] = "silence_ended"
    source: str | None = None
    """The live source; the programme when None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputHealth(Event):
    """An output changed its health."""

    name: ClassVar[str] = "output_health"
    output: str
    health: str
    """up, degraded or down."""
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferHealth(Event):
    """What the source on air holds ahead became enough, little or nothing."""

    name: ClassVar[str] = "buffer_health"
    health: str
    """good, low or dry."""
    tier: str | None = None
    """The tier on air; None is dead air."""
    frames: int | None = None
    """Frames that it holds; None where they never end."""
    ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness(Event):
    """How loud the programme is, each second, for those who ask for it. What there is none of is None."""

    name: ClassVar[str] = "loudness"
    momentary_lufs: float | None = None
    short_term_lufs: float | None = None
    integrated_lufs: float | None = None
    loudness_range_lu: float | None = None
    true_peak_dbtp: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Event):
    """A part of the station failed inside; it goes on."""

    name: ClassVar[str] = "fault"
    part: str
    """chain, source, engine, programme, director, decoder, disk or encoder."""
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDropped(Event):
    """An entry of the schedule was passed over."""

    name: ClassVar[str] = "schedule_dropped"
    item: Item
    due_s: float
    """Its time: UTC in seconds since 1970."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDone(Event):
    """A command was carried out."""

    name: ClassVar[str] = "command_done"
    command: str
    request: int
    """Its number: commands of a station count from 1."""
    id: str | None = None
    """The id of the item that it brought."""
    queue: list[Item] | None = None
    """The line-up, where that was asked for: its first 1000."""
    length: int | None = None
    """Items in the whole line-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailed(Event):
    """A command was not carried out; nothing has changed."""

    name: ClassVar[str] = "command_failed"
    command: str
    request: int
    error: str


_ALL: tuple[type[Event], ...] = (
    NowPlaying,
    ItemEnded,
    ItemUnused,
    PriorityChanged,
    SourceFailed,
    Dropout,
    Missed,
    SilenceDetected,
    SilenceEnded,
    OutputHealth,
    BufferHealth,
    Loudness,
    Fault,
    ScheduleDropped,
    CommandDone,
    CommandFailed,
)
_KINDS: dict[str, type[Event]] = {kind.name: kind for kind in _ALL}

#: How long a wait goes on before it looks whether it is still wanted.
_STRETCH_S = 0.5
#: Events that may wait to be taken.
_WAITING = 65_536


class Events:
    """A subscription to a station's events: each is given once, in order. Iterating waits for the next one and ends
    with the station. Up to 65 536 wait to be taken; later ones are lost then."""

    def __init__(self, events: _airchain.Events, timeout_s: float | None = None) -> None:
        self._events = events
        self._timeout_s = timeout_s

    def get(self, timeout_s: float | None = None) -> Event | None:
        """Waits for the next event, at most ``timeout_s``; None when none came or the station is over."""
        left = float("inf") if timeout_s is None else max(0.0, timeout_s)
        while True:
            text = self._events.get(min(left, _STRETCH_S))
            if text is None:
                return None
            if text:
                return Event._of(text)
            left -= _STRETCH_S
            if left <= 0:
                return None

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self.get(self._timeout_s)
        if event is None:
            raise StopIteration
        return event

    def __len__(self) -> int:
        """How many events wait to be taken."""
        return len(self._events)


class AsyncEvents(AsyncIterator[Event]):
    """The same for asyncio. A thread of its own waits and wakes the loop, so an event is there as soon as it happens."""

    def __init__(self, events: _airchain.Events, timeout_s: float | None) -> None:
        self._events = events
        self._timeout_s = timeout_s
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._over = False

    def __aiter__(self) -> AsyncEvents:
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        if self._thread is None:
            loop = asyncio.get_running_loop()
            pump = _pump(self._events, loop, self._queue, self._closed)
            self._thread = threading.Thread(target=pump, name="airchain-events", daemon=True)
            self._thread.start()
        try:
            event = await asyncio.wait_for(self._queue.get(), self._timeout_s)
        except asyncio.TimeoutError:
            event = None
        if event is None:
            await self.aclose()
            raise StopAsyncIteration
        return event

    async def aclose(self) -> None:
        """Ends the subscription; a task that waits for an event goes on."""
        self._over = True
        self._closed.set()
        self._queue.put_nowait(None)

    def __del__(self) -> None:
        self._closed.set()


def _pump(
    events: _airchain.Events,
    loop: asyncio.AbstractEventLoop,
    queue: asyncio.Queue[Event | None],
    closed: threading.Event,
) -> Callable[[], None]:
    # Made here, so that the thread holds nothing that would keep the subscription alive.
    def put(event: Event | None) -> None:
        if event is None or queue.qsize() < _WAITING:
            queue.put_nowait(event)

    def run() -> None:
        while not closed.is_set():
            text = events.get(_STRETCH_S)
            event = None if text is None else Event._of(text) if text else ...
            if event is ...:
                continue
            try:
                loop.call_soon_threadsafe(put, event)
            except RuntimeError:
                return  # The loop is closed.
            if event is None:
                return

    return run
