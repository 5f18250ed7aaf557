"""Analysis of files."""

from __future__ import annotations

from pathlib import Path

import pytest

import airchain
from conftest import Tone


def test_a_tone_is_measured(tone: Tone) -> None:
    seen: list[tuple[int, int | None]] = []
    analysis = airchain.analyze(tone(997, 4), series=True, progress=lambda done, total: seen.append((done, total)))
    # A sine of -12.04 dBFS on one channel: -3.01 dB for RMS, -0.691 + 0.69 for the K-weighting at 997 Hz.
    assert analysis.integrated_lufs is not None and abs(analysis.integrated_lufs + 15.05) < 0.1
    assert analysis.duration_s == 4.0 and analysis.codec == "pcm" and analysis.error is None
    assert seen[-1] == (192_000, 192_000)
    assert analysis.momentary is not None and analysis.momentary[-1][0] == pytest.approx(4.0, abs=0.02)


def test_many_in_their_order_and_from_the_cache(tone: Tone, tmp_path: Path) -> None:
    paths = [tone(hz, 1) for hz in (440, 660, 880)]
    cache = tmp_path / "cache" / "analysis.sqlite"
    found = list(airchain.analyze_many([*paths, "/nowhere/gone.mp3", paths[0]], cache=cache, jobs=3))
    assert [analysis.path for analysis in found] == [*paths, "/nowhere/gone.mp3", paths[0]]
    assert [analysis.error is None for analysis in found] == [True, True, True, False, True]
    assert cache.exists()
    # A folder, in natural order; what is known is not decoded again.
    seen: list[tuple[int, int | None]] = []
    again = airchain.analyze(paths[1], cache=cache, progress=lambda *frames: seen.append(frames))
    assert again.integrated_lufs == found[1].integrated_lufs and not seen
    assert [a.path for a in airchain.analyze_many([tmp_path], cache=cache)] == paths


def test_many_can_be_broken_off(tone: Tone) -> None:
    paths = [tone(440, 5)] * 50
    many = airchain.analyze_many(paths, jobs=2, cache=None)
    assert next(many).error is None
    many.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("level", [float("nan"), 1.0, -1e9])
def test_levels_that_cannot_be_meant(tone: Tone, level: float) -> None:
    with pytest.raises(airchain.ConfigError, match="cue_lu"):
        airchain.analyze(tone(440, 1), cue_lu=level)


def test_a_cache_that_is_none_is_told(tone: Tone, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, whatever it may be called")
    with pytest.raises(airchain.CacheError, match="text"):
        airchain.analyze(tone(440, 1), cache=tmp_path / "text")


def test_what_cannot_be_read_says_so() -> None:
    with pytest.raises(airchain.AnalysisError, match="gone.mp3") as raised:
        airchain.analyze("/nowhere/gone.mp3")
    assert raised.value.analysis.path == "/nowhere/gone.mp3"


def test_a_callback_that_raises_is_heard(tone: Tone) -> None:
    def refuse(done: int, total: int | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        airchain.analyze(tone(440, 1), progress=refuse)
