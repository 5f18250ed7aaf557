"""Figures of a station on air."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from ._events import _read
from ._items import Item

T = TypeVar("T")


def _fill(kind: type[T], data: Mapping[str, Any]) -> T:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    known = {name: value for name, value in data.items() if name in names}
    if "more" in names:
        known["more"] = {name: value for name, value in data.items() if name not in names}
    return kind(**known)


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels of the programme, by the standards that ``docs/metering.md`` names. What there is none of is None."""

    peak_dbfs: tuple[float | None, float | None] = (None, None)
    """Sample peak of left and right over the last 100 ms."""
    rms_dbfs: tuple[float | None, float | None] = (None, None)
    """RMS of left and right over the last 100 ms; a full-scale sine is -3.01."""
    true_peak_dbtp: tuple[float | None, float | None] = (None, None)
    """True peak of left and right over the last 100 ms."""
    max_true_peak_dbtp: tuple[float | None, float | None] = (None, None)
    """The greatest true peak of left and right since the start or the last reset."""
    correlation: float | None = None
    """Of left and right over the last 400 ms: 1 for mono, -1 for opposite phase."""
    momentary_lufs: float | None = None
    """Loudness of the last 400 ms."""
    short_term_lufs: float | None = None
    """Loudness of the last 3 s."""
    max_momentary_lufs: float | None = None
    max_short_term_lufs: float | None = None
    integrated_lufs: float | None = None
    """Gated loudness since the start or the last reset."""
    loudness_range_lu: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """An output and how it does."""

    id: str
    kind: str
    """icecast, hls, recording, http, ..."""
    target: str
    """Where it goes, without secrets."""
    health: str | None = None
    """up, degraded or down; None until its encoder runs."""
    bytes: int | None = None
    packets: int | None = None
    dropped_frames: int | None = None
    reconnects: int | None = None
    queued_s: float | None = None
    """Audio that waits to be sent, in seconds."""
    last_error: str | None = None
    listeners: int | None = None
    """Who listens to it now, where it is a mount of a built-in listener."""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InputStatus:
    """An input and how it does."""

    id: str
    """Its name as a live source."""
    kind: str
    """webstream."""
    state: str
    """connecting, streaming, stalled, waiting (for the next try) or ended."""
    state_for_s: float
    url: str
    """What it listens to or tries, without secrets."""
    url_index: int
    """Which of its URLs that is; 0 is the best."""
    bytes: int
    connects: int
    """Connections that brought audio."""
    failures: int
    last_error: str | None
    content_type: str | None
    title: str | None
    """The latest, as the server sent it."""
    filling: bool
    """It gathers audio before it is heard: at the start, or after it ran dry."""
    buffered_s: float | None
    """Audio that waits, in seconds; None until its bit rate is known."""
    codec: str | None
    sample_rate_hz: int | None
    channels: int | None
    bitrate_kbps: float | None
    """As measured."""
    clock_ppm: float
    """By how many parts in a million it is played faster than it comes, to keep what waits at its length."""
    damage: str | None
    """What was wrong with its audio last."""
    joins: int
    """Joins of one connection's audio to the next one's."""
    station: Mapping[str, Any] = field(default_factory=dict)
    """What the server says of the station: name, description, genre, homepage, bitrate_kbps."""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnAir:
    """An item that is on air, or was."""

    tier: str
    item: Item
    duration_s: float | None
    """Its length, where known."""
    started: datetime
    """When it became audible."""
    frame: int
    """Frame of the programme at which it did."""

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> OnAir:
        started = _read("utc", data["started"])
        return cls(data["tier"], Item._of(data["item"]), data["duration_s"], started, data["frame"])


@dataclass(frozen=True, slots=True)
class Buffer:
    """What the source on air holds ahead, with what follows it once its end is in sight."""

    health: str
    """good, low or dry."""
    frames: int | None
    """None where all is in memory and never ends."""
    ms: float | None
    fill: float
    """The same as a share of what the ring of an item holds when it is full."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames that were not heard, and on how many occasions."""

    count: int
    frames: int


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Processor time by what it went into; of ``air`` the time of rendering by the clock, which on a busy machine is an upper
    bound, as then is ``total``."""

    air: float
    decode: float
    encode: float
    meter: float
    total: float


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits: items by tier, and requests whose time has not come."""

    emergency: int
    live_override: int
    live_scheduled: int
    automation: int
    requests: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How often things happened."""

    items_played: int = 0
    source_failures: int = 0
    tier_changes: int = 0
    emergencies: int = 0
    dead_airs: int = 0
    silences: int = 0
    schedule_drops: int = 0
    commands_done: int = 0
    commands_failed: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A station at one moment, as ``docs/telemetry.md`` says. What counts begins with the station and never goes back."""

    station: str
    """Its id."""
    name: str
    utc: datetime
    """When this was read."""
    uptime_s: float
    sample_rate_hz: int
    position: int
    """Frames rendered since the station started."""
    position_s: float
    tier: str | None
    """The tier that has the air; None is dead air."""
    on_air: OnAir | None
    elapsed_s: float | None
    """Seconds of the item on air that have been heard."""
    silent: bool
    """A silence detector has found the programme silent."""
    finished: bool
    levels: Levels
    buffer: Buffer
    underruns: Lost
    """A decoder or live source was late."""
    dropouts: Lost
    """The processor was not there in time."""
    late_blocks: int
    """Blocks more than one block late that were made good."""
    worst_block_ms: float
    cpu_share: CpuTime
    """As a share of one core over the last second."""
    cpu_s: CpuTime
    encoders: int
    """Encoders that run: one for each distinct format."""
    unencoded_frames: int
    """Frames that outputs have as silence because their encoder came too late for them; summed over encoders."""
    unmeasured_frames: int
    """Frames that came too late to be measured."""
    faults: Mapping[str, int]
    """Failures inside that were got over, by part: chain, source, engine, programme, director, decoder, disk, encoder."""
    outputs: tuple[OutputStatus, ...]
    inputs: tuple[InputStatus, ...]
    queue: Queue
    counts: Counts
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def missed(self) -> int:
        """Frames that were never rendered because the processor was not there in time."""
        return self.dropouts.frames

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Telemetry:
        levels = {name: tuple(value) if isinstance(value, list) else value for name, value in data["levels"].items()}
        return _fill(
            cls,
            {
                **data,
                "utc": _read("utc", data["utc"]),
                "on_air": OnAir._of(data["on_air"]) if data["on_air"] else None,
                "levels": _fill(Levels, levels),
                "buffer": _fill(Buffer, data["buffer"]),
                "underruns": _fill(Lost, data["underruns"]),
                "dropouts": _fill(Lost, data["dropouts"]),
                "cpu_share": _fill(CpuTime, data["cpu_share"]),
                "cpu_s": _fill(CpuTime, data["cpu_s"]),
                "outputs": tuple(_fill(OutputStatus, output) for output in data["outputs"]),
                "inputs": tuple(_fill(InputStatus, status) for status in data["inputs"]),
                "queue": _fill(Queue, data["queue"]),
                "counts": _fill(Counts, data["counts"]),
            },
        )


@dataclass(frozen=True, slots=True)
class Process:
    """What the process takes; None is what its system does not tell."""

    resident_bytes: int | None
    threads: int | None
    cpu_s: float | None
    open_files: int | None


@dataclass(frozen=True, slots=True)
class HostTelemetry:
    """All stations of a host, and the process that they are in."""

    utc: datetime
    process: Process
    stations: tuple[Telemetry, ...]

    @classmethod
    def _of(cls, text: str) -> HostTelemetry:
        data = json.loads(text)
        stations = tuple(Telemetry._of(station) for station in data["stations"])
        return cls(_read("utc", data["utc"]), _fill(Process, data["process"]), stations)


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """A live source and where it stands."""

    source: str
    tier: str | None
    """The tier it is routed to."""
    state: str
    buffered_s: float
    skipped_frames: int
    failures: int
    hold_s: float
    more: Mapping[str, Any] = field(default_factory=dict)
