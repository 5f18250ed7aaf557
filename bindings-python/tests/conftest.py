"""What the tests share: tones as files, and stations that play them."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import airchain

RATE = 48_000

Tone = Callable[..., str]
Declared = Callable[..., dict[str, Any]]


def sine(hz: float, seconds: float, *, rate: int = RATE, level: float = 0.25) -> airchain.Pcm:
    """A sine as float32 of shape (1, frames)."""
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)[np.newaxis]


@pytest.fixture
def tone(tmp_path: Path) -> Tone:
    """Writes a sine as a WAV file; its path."""

    def write(hz: float, seconds: float, *, rate: int = RATE) -> str:
        path = tmp_path / f"{hz:g}.wav"
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes((sine(hz, seconds, rate=rate)[0] * 32767).astype("<i2").tobytes())
        return str(path)

    return write


@pytest.fixture
def declared() -> Declared:
    """A station that plays paths, as a dict."""

    def declare(*paths: str, id: str = "test", **sections: Any) -> dict[str, Any]:
        return {"station": {"id": id}, "automation": {"playlist": list(paths), "loop": False}, **sections}

    return declare


@pytest.fixture
def quiet(tmp_path: Path) -> dict[str, Any]:
    """A section by which a station has silence for its fallback."""
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(bytes(2 * RATE))
    return {"fallback_audio_path": str(path)}


@pytest.fixture
def host() -> Iterator[airchain.Host]:
    with airchain.Host() as host:
        yield host


def listened(url: str) -> http.client.HTTPResponse:
    """A stream, as soon as it has begun: until its encoder has made something it is 503."""
    for _ in range(200):
        try:
            response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=20)
            return response
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.05)
    raise AssertionError(f"{url} does not begin")


def hz_of(audio: np.ndarray[Any, Any], rate: int = RATE) -> float:
    """The strongest frequency of one channel."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum) * rate / len(audio))
