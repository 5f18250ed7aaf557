"""What is to be known of a file before it airs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _airchain
from ._errors import AnalysisError
from ._items import PathLike
from ._telemetry import _fill


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of a file. What cannot be known is None. Times are seconds after gapless trimming."""

    path: str
    codec: str | None = None
    container: str | None = None
    duration_s: float | None = None
    frames: int | None = None
    """Decoded frames after gapless trimming, at the file's own rate."""
    sample_rate_hz: int | None = None
    channels: int | None = None
    integrated_lufs: float | None = None
    """Gated loudness (ITU-R BS.1770-5)."""
    loudness_range_lu: float | None = None
    """EBU Tech 3342."""
    true_peak_dbtp: float | None = None
    sample_peak_dbfs: float | None = None
    max_momentary_lufs: float | None = None
    max_short_term_lufs: float | None = None
    cue_in_s: float | None = None
    """Where sound begins."""
    cue_out_s: float | None = None
    """Where sound ends."""
    start_next_s: float | None = None
    """Where the next item may start."""
    replaygain_db: float | None = None
    """Replay gain by the file's own tags, relative to -18 LUFS."""
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    error: str | None = None
    """Why the file could not be read to its end."""
    momentary: list[tuple[float, float | None]] | None = None
    """With ``series``: end of the window in seconds and LUFS, every 10 ms."""
    short_term: list[tuple[float, float | None]] | None = None
    """With ``series``: likewise."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields that have no place of their own."""


def analyze(
    path: PathLike,
    *,
    series: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> Analysis:
    """Measures a file in one decode. ``progress(frames, total)`` is called now and then; the total is None where the file
    does not say it. Raises AnalysisError, with what could be measured in its ``analysis``, for a file that cannot be
    read to its end."""
    data = json.loads(_airchain.analyze(os.fspath(path), series, progress))
    for name in ("momentary", "short_term"):
        if data.get(name) is not None:
            data[name] = [(t_s, lufs) for t_s, lufs in data[name]]
    analysis = _fill(Analysis, data)
    if analysis.error is not None:
        error = AnalysisError(analysis.error)
        error.analysis = analysis
        raise error
    return analysis
