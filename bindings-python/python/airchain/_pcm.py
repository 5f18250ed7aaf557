"""PCM into a station and out of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _airchain
from ._items import Metadata, to_json

#: Audio: float32 of shape (channels, frames), full scale 1.0.
Pcm = npt.NDArray[np.float32]

_BYTES = {"s16le": ("<i2", 2.0**15), "s32le": ("<i4", 2.0**31), "f32le": ("<f4", 1.0)}


def checked(array: object) -> Pcm:
    """``array`` if it is float32 of shape (channels, frames); a ValueError that says what it is, if not."""
    if not isinstance(array, np.ndarray):
        kind = type(array).__name__
        raise ValueError(f"array: {kind} is not accepted, give a numpy array of float32 and shape (channels, frames)")
    if array.ndim != 2 or not 1 <= array.shape[0] <= 2:
        hint = "; a row for one channel: array[numpy.newaxis]" if array.ndim == 1 else ""
        hint = "; transpose it" if array.ndim == 2 and array.shape[1] in (1, 2) else hint
        raise ValueError(f"array: its shape is {array.shape}, give (channels, frames) with 1 or 2 channels{hint}")
    if array.dtype != np.float32:
        raise ValueError(f"array: its dtype is {array.dtype}, give float32 with full scale 1.0")
    return array


def from_bytes(data: bytes, format: str, channels: int) -> Pcm:
    """Interleaved PCM as (channels, frames)."""
    if format not in _BYTES:
        raise ValueError(f"format: {format} is not accepted, give one of {', '.join(_BYTES)}")
    if channels not in (1, 2):
        raise ValueError(f"channels: {channels} is not accepted, give 1 or 2")
    dtype, full = _BYTES[format]
    frame = np.dtype(dtype).itemsize * channels
    if len(data) % frame:
        raise ValueError(f"data: {len(data)} bytes are no whole number of frames of {frame} bytes")
    samples = np.frombuffer(data, dtype=dtype).reshape(-1, channels).T
    return np.ascontiguousarray(samples / full, dtype=np.float32)


class PcmSource:
    """A live source that is written to: text-to-speech, a presenter, anything that makes PCM.

    What is written is heard on the tier that it is routed to, once half a second of it is there. Writing waits while the
    buffer is full, so a writer that is faster than real time is slowed down to it. Closing it, or leaving its ``with``
    block, plays what was written to its end and gives the tier back. It may be used from any thread.
    """

    def __init__(self, source: _airchain.PcmSource, name: str, sample_rate_hz: int) -> None:
        self._source = source
        self.name = name
        """The name by which it is routed."""
        self.sample_rate_hz = sample_rate_hz
        """Sample rate of what is written, in Hz."""

    def write(
        self,
        data: Pcm | bytes | bytearray | memoryview,
        *,
        format: str = "s16le",
        channels: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        """Writes audio: float32 of shape (channels, frames) with 1 or 2 channels and full scale 1.0; or bytes of
        interleaved ``format`` (s16le, s32le, f32le) and ``channels``.

        Raises ValueError for another shape, dtype or values that are not finite, StoppedError when the source is closed
        or the station is off, WriteTimeout when ``timeout_s`` passes first.
        """
        if isinstance(data, (bytes, bytearray, memoryview)):
            data = from_bytes(bytes(data), format, channels)
        self._source.write(checked(data), timeout_s)

    def set_metadata(
        self, *, title: str | None = None, artist: str | None = None, album: str | None = None
    ) -> None:
        """Tells listeners something else, from the next frame that is written on."""
        self._source.set_metadata(to_json(Metadata(title, artist, album)._to_dict()))

    @property
    def buffered(self) -> int:
        """Frames, at the station's rate, that wait to be heard."""
        return self._source.buffered

    @property
    def is_closed(self) -> bool:
        return self._source.is_closed

    def close(self, *, timeout_s: float | None = 5.0) -> None:
        """Signs off: what was written is played to its end. May be called again."""
        if self._source.is_closed:
            return
        try:
            self._source.flush(timeout_s)
        finally:
            self._source.close()

    def __enter__(self) -> PcmSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: Any, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._source.close()


class PcmTap:
    """The programme as PCM, as it leaves the station: a recogniser, a meter, an encoder of your own. What is not read in
    time comes out as silence, so that positions stay true. Iterating gives blocks until the station is off."""

    def __init__(self, tap: _airchain.PcmTap, sample_rate_hz: int, block: int) -> None:
        self._tap = tap
        self._block = block
        self.sample_rate_hz = sample_rate_hz
        """Sample rate in Hz."""
        self.position = 0
        """Frame of the station's output at which the last block that was read begins."""

    def read(self, frames: int | None = None, *, timeout_s: float = 1.0) -> Pcm:
        """Waits, at most ``timeout_s``, for so many frames (a block when None), and returns as many as there are of them:
        float32 of shape (2, frames). An empty array means that none came in time; no more than the tap's buffer comes at
        once."""
        if frames is not None and frames < 1:
            raise ValueError(f"frames: {frames} is not accepted, give 1 or more")
        got = self._read(frames or self._block, timeout_s)
        return np.zeros((2, 0), np.float32) if got is None else got

    def _read(self, frames: int, timeout_s: float) -> Pcm | None:
        got = self._tap.read(frames, timeout_s)
        if got is None:
            return None
        self.position, array = got
        return array

    def __iter__(self) -> Iterator[Pcm]:
        while (block := self._read(self._block, 1.0)) is not None:
            if block.shape[1]:
                yield block

    def close(self) -> None:
        """Takes it off the station. May be called again."""
        self._tap.close()

    def __enter__(self) -> PcmTap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
