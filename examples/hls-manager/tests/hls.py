"""HLS as a player sees it, and what must never happen in it."""

from __future__ import annotations

import re
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

RATE_HZ = 44_100
#: Renditions, and where their media playlists are below a station's folder.
RENDITIONS = {"he-aac": "", "aac": "aac/"}


@dataclass(frozen=True)
class Segment:
    sequence: int
    name: str
    date: datetime
    duration_s: float
    discontinuity: bool

    @property
    def end(self) -> datetime:
        return self.date + timedelta(seconds=self.duration_s)


@dataclass(frozen=True)
class Playlist:
    segments: list[Segment]
    ended: bool

    @classmethod
    def read(cls, text: str) -> Playlist:
        """Reads a media playlist, and asserts what every one of these must have."""
        lines = text.splitlines()
        assert lines[0] == "#EXTM3U" and any(line.startswith("#EXT-X-TARGETDURATION:") for line in lines)
        (first,) = re.findall(r"^#EXT-X-MEDIA-SEQUENCE:(\d+)$", text, re.MULTILINE)
        segments, date, duration, discontinuity = [], None, None, False
        for line in lines:
            tag, _, value = line.partition(":")
            if tag == "#EXT-X-PROGRAM-DATE-TIME":
                date = datetime.fromisoformat(value.replace("Z", "+00:00"))
            elif tag == "#EXTINF":
                duration = float(value.rstrip(","))
            elif tag == "#EXT-X-DISCONTINUITY":
                discontinuity = True
            elif line and not line.startswith("#"):
                assert date is not None and duration is not None, f"{line} has no date or no duration"
                segments.append(Segment(int(first) + len(segments), line, date, duration, discontinuity))
                date, duration, discontinuity = None, None, False
        return cls(segments, "#EXT-X-ENDLIST" in lines)


@dataclass
class Watch:
    """Reads a media playlist again and again, on a thread of its own, and keeps what it ever said. ``stop`` asserts
    that numbers only grew, that what was published never changed, and that the playlist was never ended."""

    path: Path
    seen: dict[int, Segment] = field(default_factory=dict)
    problems: set[str] = field(default_factory=set)
    may_end: bool = False

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._newest = -1
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """How many segments have been published while it watched."""
        return len(self.seen)

    @property
    def segments(self) -> list[Segment]:
        return [self.seen[sequence] for sequence in sorted(self.seen)]

    def stop(self) -> list[Segment]:
        """Ends watching; all segments ever published, none missing."""
        self._stopping.set()
        self._thread.join(20)
        assert not self.problems, self.problems
        segments = self.segments
        sequences = [segment.sequence for segment in segments]
        assert sequences == list(range(sequences[0], sequences[-1] + 1)), "segments are missing"
        names = [segment.name for segment in segments]
        assert len(set(names)) == len(names), "a name came twice"
        dates = [segment.date for segment in segments]
        assert dates == sorted(dates), "dates go back"
        return segments

    def _run(self) -> None:
        last = False
        while not last:
            # Once more at the end, for what came just before.
            last = self._stopping.wait(0.02)
            try:
                self._look(self.path.read_text())
            except FileNotFoundError:
                continue
            except Exception as problem:
                # Else the thread would end, and see nothing.
                self.problems.add(f"unreadable: {problem!r}")

    def _look(self, text: str) -> None:
        playlist = Playlist.read(text)
        if playlist.ended and not self.may_end:
            self.problems.add("it was ended")
        newest = playlist.segments[-1].sequence if playlist.segments else self._newest
        if newest < self._newest:
            self.problems.add(f"sequence {self._newest} was followed by {newest}")
        self._newest = newest
        for segment in playlist.segments:
            before = self.seen.setdefault(segment.sequence, segment)
            if before != segment:
                self.problems.add(f"{before} became {segment}")


def assert_gapless(segments: list[Segment]) -> None:
    """Each segment begins where the one before ends, and none says that it does not."""
    for before, after in zip(segments, segments[1:]):
        gap_s = (after.date - before.end).total_seconds()
        assert abs(gap_s) < 0.005 and not after.discontinuity, f"{gap_s} s between {before} and {after}"


def decoded(data: bytes) -> np.ndarray:
    """Transport stream to its first channel, float32 at 44 100 Hz."""
    command = ["ffmpeg", "-loglevel", "error", "-f", "mpegts", "-i", "pipe:"]
    command += ["-map", "0:a", "-ac", "1", "-ar", str(RATE_HZ), "-f", "f32le", "pipe:"]
    return np.frombuffer(subprocess.run(command, input=data, capture_output=True, check=True).stdout, np.float32)


def levels_db(audio: np.ndarray, block_s: float = 0.1) -> np.ndarray:
    """RMS of each block, in dBFS."""
    block = round(block_s * RATE_HZ)
    blocks = audio[: len(audio) // block * block].reshape(-1, block)
    return 20 * np.log10(np.sqrt(np.mean(blocks.astype(np.float64) ** 2, axis=1)) + 1e-9)


def sounding(audio: np.ndarray) -> np.ndarray:
    """Audio without the silence that it begins with."""
    return audio[int(np.argmax(np.abs(audio) > 0.01)) :]


def strongest_hz(audio: np.ndarray) -> float:
    """The strongest frequency of some audio."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum) * RATE_HZ / len(audio))


def timed_titles(data: bytes) -> str:
    """The timed metadata of a transport stream, as ffmpeg finds it, as text."""
    command = ["ffmpeg", "-loglevel", "error", "-f", "mpegts", "-i", "pipe:"]
    command += ["-map", "0:d", "-c", "copy", "-f", "data", "pipe:"]
    tags = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    return tags.decode("utf-8", "replace")
