"""What is to be known of a file before it airs."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from . import _airchain
from ._errors import AnalysisError, CacheError
from ._items import PathLike
from ._telemetry import _fill

_log = logging.getLogger("airchain.analysis")


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
    intro_end_s: float | None = None
    """Where the introduction ends, where that can be told."""
    replaygain_db: float | None = None
    """Replay gain by the file's own tags, relative to -18 LUFS."""
    replaygain_album_db: float | None = None
    replaygain_peak: float | None = None
    replaygain_album_peak: float | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    """All other tags of the file."""
    error: str | None = None
    """Why the file could not be read to its end."""
    momentary: list[tuple[float, float | None]] | None = None
    """With ``series``: end of the window in seconds and LUFS, every 10 ms."""
    short_term: list[tuple[float, float | None]] | None = None
    """With ``series``: likewise."""
    waveform: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields that have no place of their own."""


def analyze(
    path: PathLike,
    *,
    series: bool = False,
    cue_lu: float | None = None,
    start_next_lu: float | None = None,
    cache: PathLike | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Analysis:
    """Measures a file in one decode.

    ``cue_lu`` is the level that counts as silence at either end, relative to the loudest 400 ms (-45), ``start_next_lu``
    the one below which the ending has faded enough, relative to the integrated loudness (-12). ``cache`` is an SQLite file
    in which results are kept by content. ``progress(frames, total)`` is called now and then; the total is None where the
    file does not say it; what it raises ends the analysis.

    Raises AnalysisError, with what could be measured in its ``analysis``, for a file that cannot be read to its end.
    """
    analyser = _airchain.Analyser(series, cue_lu, start_next_lu, cache)
    analysis = _read(analyser.analyze(path, progress))
    if analysis.error is not None:
        error = AnalysisError(analysis.error)
        error.analysis = analysis
        raise error
    return analysis


def analyze_many(
    paths: Iterable[PathLike],
    *,
    jobs: int | None = None,
    cache: PathLike | None | Literal["default"] = "default",
    cue_lu: float | None = None,
    start_next_lu: float | None = None,
) -> Iterator[Analysis]:
    """Measures files, and those in folders and playlists, ``jobs`` at a time (one per core when None), and gives them in
    their order. What cannot be read has its ``error`` set. Results are kept by content in ``cache``: an SQLite file, the
    command line's own when ``"default"``, or None. What is done when the iteration is broken off is kept.

    Raises AnalysisError for a folder or playlist that cannot be read.
    """
    try:
        path = _airchain.default_cache() if cache == "default" else cache
        analyser = _airchain.Analyser(False, cue_lu, start_next_lu, path)
    except CacheError as error:
        if cache != "default":
            raise
        # Nobody asked for that one.
        _log.warning("%s; going on without a cache", error)
        analyser = _airchain.Analyser(False, cue_lu, start_next_lu, None)
    files, problems = _airchain.files([os.fspath(path) for path in paths])
    if problems:
        raise AnalysisError("; ".join(problems))
    stop = threading.Event()

    def measure(file: Path) -> str | None:
        def watch(*_: object) -> None:
            if stop.is_set():
                raise _Stopped

        try:
            return None if stop.is_set() else analyser.analyze(file, watch)
        except _Stopped:
            return None

    with ThreadPoolExecutor(jobs or os.cpu_count(), "airchain-analyze") as pool:
        try:
            for text in pool.map(measure, files):
                if text is not None:
                    yield _read(text)
        finally:
            stop.set()


class _Stopped(Exception):
    """Nobody waits for the file any more."""


def _read(text: str) -> Analysis:
    data = json.loads(text)
    for name in ("momentary", "short_term"):
        if data.get(name) is not None:
            data[name] = [(t_s, lufs) for t_s, lufs in data[name]]
    return _fill(Analysis, data)
