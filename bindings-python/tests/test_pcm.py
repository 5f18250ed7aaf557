"""PCM into a station and out of it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest

import airchain
from conftest import RATE, Declared, Tone, hz_of, sine


def heard(tap: airchain.PcmTap, seconds: float) -> airchain.Pcm:
    """So much of what a tap gives."""
    blocks: list[airchain.Pcm] = []
    end = time.monotonic() + 30
    while sum(block.shape[1] for block in blocks) < seconds * RATE and time.monotonic() < end:
        blocks.append(tap.read())
    return np.concatenate(blocks, axis=1)


def test_a_tap_gives_the_programme(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    with host.add_station(declared(tone(440, 60))) as station, station.pcm_tap() as tap:
        first = tap.read()
        begin = tap.position
        audio = heard(tap, 0.5)
        assert tap.position > begin and audio.dtype == np.float32 and first.shape[0] == 2
        assert abs(hz_of(audio[0]) - 440) < 4 and abs(np.abs(audio).max() - 0.25) < 0.001
    with pytest.raises(airchain.StoppedError):
        tap.read()


def test_a_tap_ends_with_its_station(host: airchain.Host, declared: Declared) -> None:
    station = host.add_station(declared())
    tap = station.pcm_tap()
    thread = threading.Thread(target=lambda: list(tap))
    thread.start()
    station.close()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_speech_is_heard_whole_and_at_its_rate(
    host: airchain.Host, declared: Declared, quiet: dict[str, Any], rate: int
) -> None:
    station = host.add_station(declared(failover=quiet))
    with station.pcm_tap(buffer_s=10) as tap:
        with station.pcm_source(sample_rate_hz=rate, preroll_s=1.25, buffer_s=2.5) as source:
            # All at once, and more than is buffered: the writer waits.
            source.write(sine(1000, 2.5, rate=rate))
            assert [status.source for status in station.live_status()] == [source.name]
        audio = heard(tap, 4.0)
    ended = [event for event in station.events(timeout_s=0.5) if isinstance(event, airchain.ItemEnded)]
    assert [event.played_s for event in ended if event.tier == "live_override"] == [2.5]
    # From where the live fade is heard on.
    loud = np.flatnonzero(np.abs(audio[0]) > 1e-5)
    length = loud[-1] - loud[0] + 1
    assert abs(length - 2.5 * RATE) < 480, f"{length} frames of {2.5 * RATE}"
    middle = audio[0, loud[0] + 52_800 : loud[-1] - 4800]
    assert abs(hz_of(middle) - 1000) < 2 and abs(np.abs(middle).max() - 0.25) < 0.002
    assert np.abs(np.diff(middle)).max() < 0.25 * 2 * np.pi * 1000 / RATE * 1.01, "a click"


def test_bytes_and_titles(host: airchain.Host, declared: Declared) -> None:
    station = host.add_station(declared())
    with station.pcm_source(sample_rate_hz=24_000, name="host") as source:
        source.set_metadata(title="The weather")
        speech = (sine(500, 1.0, rate=24_000)[0] * 32767).astype("<i2").tobytes()
        source.write(speech)
        source.write(memoryview(speech), format="s16le", channels=1)
        titles = [e.item.metadata.title for e in station.events(timeout_s=3.0) if isinstance(e, airchain.NowPlaying)]
    assert "The weather" in titles


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (np.zeros(10, np.float32), r"its shape is \(10,\).*newaxis"),
        (np.zeros((10, 2), np.float32), r"its shape is \(10, 2\).*transpose"),
        (np.zeros((3, 10), np.float32), r"its shape is \(3, 10\)"),
        (np.zeros((1, 10, 1), np.float32), r"its shape is \(1, 10, 1\)"),
        (np.zeros((1, 10)), "its dtype is float64"),
        (np.zeros((1, 10), np.int16), "its dtype is int16"),
        (np.full((1, 10), np.nan, np.float32), "not finite"),
        (np.full((2, 10), np.inf, np.float32), "not finite"),
        ([[0.0]], "array: list"),
        (None, "array: NoneType"),
    ],
)
def test_audio_of_another_shape_is_refused(host: airchain.Host, declared: Declared, array: Any, named: str) -> None:
    source = host.add_station(declared()).pcm_source()
    with pytest.raises(ValueError, match=named):
        source.write(array)
    with pytest.raises(ValueError, match="3 bytes are no whole number"):
        source.write(b"abc")
    with pytest.raises(ValueError, match="format: mp3"):
        source.write(b"", format="mp3")


def test_arrays_of_any_layout(host: airchain.Host, declared: Declared) -> None:
    source = host.add_station(declared()).pcm_source()
    wide = np.zeros((2, 1000), np.float32)
    for array in (wide[:, ::3], np.asfortranarray(wide), wide[:, :0], wide[::-1]):
        source.write(array)


def test_a_write_that_takes_too_long(host: airchain.Host, declared: Declared) -> None:
    source = host.add_station(declared()).pcm_source(tier=None)
    with pytest.raises(airchain.WriteTimeout):
        # Nobody hears it, so there is room for the pre-roll alone.
        source.write(sine(440, 5), timeout_s=0.2)
    with pytest.raises(airchain.WriteTimeout):
        source.close(timeout_s=0.1)
    assert source.is_closed
    source.close()
    with pytest.raises(airchain.StoppedError):
        source.write(sine(440, 1))


def test_a_write_can_be_interrupted_and_holds_nobody_up(host: airchain.Host, declared: Declared) -> None:
    source = host.add_station(declared()).pcm_source(tier=None)
    waits = threading.Thread(target=lambda: pytest.raises(airchain.StoppedError, source.write, sine(440, 600)))
    waits.start()
    source.set_metadata(title="x")
    assert source.buffered >= 0 and waits.is_alive()
    handler = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            source.write(sine(440, 600))
    finally:
        signal.signal(signal.SIGALRM, handler)
    with contextlib.suppress(airchain.WriteTimeout):
        source.close(timeout_s=0.1)
    waits.join(20)
    assert not waits.is_alive()


def test_a_read_takes_no_more_than_there_can_be(host: airchain.Host, declared: Declared) -> None:
    station = host.add_station(declared())
    with station.pcm_tap(buffer_s=0.5) as tap:
        assert 0 < tap.read(10**15, timeout_s=5).shape[1] <= RATE // 2
        with pytest.raises(ValueError, match="frames: 0"):
            tap.read(0)
    for block_s in (0, -1, 0.6, float("nan")):
        with pytest.raises(ValueError, match="block_s"):
            station.pcm_tap(buffer_s=0.5, block_s=block_s)


def test_a_station_that_stops_lets_go_of_its_writers(host: airchain.Host, declared: Declared) -> None:
    station = host.add_station(declared())
    source = station.pcm_source(tier=None)
    threading.Timer(0.3, station.close).start()
    with pytest.raises(airchain.StoppedError):
        source.write(sine(440, 30), timeout_s=30)
