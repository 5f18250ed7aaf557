"""Analysis of files."""

from __future__ import annotations

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


def test_what_cannot_be_read_says_so(tmp_path: object) -> None:
    with pytest.raises(airchain.AnalysisError, match="gone.mp3") as raised:
        airchain.analyze("/nowhere/gone.mp3")
    assert raised.value.analysis.path == "/nowhere/gone.mp3"


def test_a_callback_that_raises_is_heard(tone: Tone) -> None:
    def refuse(done: int, total: int | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        airchain.analyze(tone(440, 1), progress=refuse)
