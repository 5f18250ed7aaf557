"""Stations rendered as fast as the processor goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from . import _airchain
from ._errors import CommandError
from ._events import Event
from ._host import Config, split
from ._items import to_json
from ._pcm import Pcm

#: Frames that are rendered between two looks at what happened.
_BLOCK = 48_000


class Render:
    """A render under way. Iterating gives blocks of float32, shape (2, frames); ``events()`` what has happened so far.

    ``script`` are commands as in script files: dicts with ``at`` (seconds) or ``frame``, ``command`` and its fields. Without
    ``duration_s`` it goes on to the programme's end. ``start`` is the time of its first frame, for a station with a
    schedule.
    """

    def __init__(
        self,
        config: Config,
        *,
        duration_s: float | None = None,
        script: Iterable[Mapping[str, Any]] = (),
        start: datetime | None = None,
    ) -> None:
        if duration_s is not None and not 0 <= duration_s < 1e9:
            raise ValueError(f"duration_s: {duration_s} is not accepted, give seconds from 0 on")
        if start is not None and start.tzinfo is None:
            raise ValueError(f"start: {start} has no time zone, give one such as datetime.now(timezone.utc)")
        path, json = split(config)
        lines = "\n".join(to_json(line, CommandError) for line in script)
        nanoseconds = None if start is None else round(start.timestamp() * 1e6) * 1000
        self._render = _airchain.Render(path, json, lines, duration_s, nanoseconds)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of what it gives, in Hz."""
        return self._render.sample_rate_hz

    def read(self, frames: int = _BLOCK) -> Pcm | None:
        """The next frames, at least so many but for the last; None when it is over."""
        return self._render.read(frames)

    def __iter__(self) -> Iterator[Pcm]:
        while (block := self.read()) is not None:
            yield block

    def events(self) -> list[Event]:
        """What has happened since this was last called."""
        return [Event._of(text) for text in self._render.events()]


def render(
    config: Config,
    duration_s: float | None = None,
    *,
    script: Iterable[Mapping[str, Any]] = (),
    start: datetime | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Pcm:
    """Renders a station, from a station file or a dict of the same shape: float32 of shape (2, frames), full scale 1.0, at
    the station's rate. See :class:`Render` for the arguments and for audio that does not fit into memory."""
    render = Render(config, duration_s=duration_s, script=script, start=start)
    blocks = []
    for block in render:
        blocks.append(block)
        for event in render.events() if on_event else ():
            on_event(event)  # type: ignore[misc]
    for event in render.events() if on_event else ():
        on_event(event)  # type: ignore[misc]
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((2, 0), np.float32)
