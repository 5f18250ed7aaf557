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
class Telemetry:
    """A station at one moment."""

    levels: Levels
    inputs: tuple[InputStatus, ...]
    outputs: tuple[OutputStatus, ...]
    position: int
    """Frames rendered since the station started."""
    missed: int
    """Frames that were never rendered because the processor was not there in time."""
    on_air: OnAir | None
    elapsed_s: float | None
    """Seconds of the item on air that have been heard."""

    @classmethod
    def _of(cls, text: str) -> Telemetry:
        data = json.loads(text)
        levels = {name: tuple(value) if isinstance(value, list) else value for name, value in data["levels"].items()}
        return cls(
            levels=_fill(Levels, levels),
            inputs=tuple(_fill(InputStatus, status) for status in data["inputs"]),
            outputs=tuple(_fill(OutputStatus, output) for output in data["outputs"]),
            position=data["position"],
            missed=data["missed"],
            on_air=OnAir._of(data["on_air"]) if data["on_air"] else None,
            elapsed_s=data["elapsed_s"],
        )


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
