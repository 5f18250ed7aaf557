"""A station on air."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from . import _airchain
from ._errors import CommandError, ConfigError
from ._events import AsyncEvents, Events
from ._items import Item, PathLike, Tier, item_of, to_json
from ._pcm import PcmSource, PcmTap
from ._telemetry import LiveStatus, OnAir, Telemetry, _fill

_names = itertools.count(1)


class Station:
    """A station on air, from :meth:`Host.add_station`. Dropping it leaves the station on air; ``close``, or leaving a
    ``with`` block, takes it off. All of it may be used from any thread.

    Commands are carried out at the next block; with ``at_s`` or ``at_frame`` at that point of the station's time, with
    ``at_utc`` at that time. They are answered by a ``command_done`` or ``command_failed`` event. What cannot be meant is a
    CommandError at once.
    """

    def __init__(self, station: _airchain.Station) -> None:
        self._station = station
        self._events: _airchain.Events | None = None

    def __repr__(self) -> str:
        return f"<airchain.Station {self.id!r}{' (off)' if self.is_off else ''}>"

    # What it is, and where it stands.

    @property
    def id(self) -> str:
        return self._station.id

    @property
    def sample_rate_hz(self) -> int:
        return self._station.sample_rate_hz

    @property
    def latency(self) -> int:
        """Frames by which what leaves the station lags behind its programme: its chain's look-ahead."""
        return self._station.latency

    @property
    def position(self) -> int:
        """Frames rendered since the station started."""
        return self._station.position

    @property
    def missed(self) -> int:
        """Frames that were never rendered because the processor was not there in time."""
        return self._station.missed

    @property
    def is_finished(self) -> bool:
        """Whether the programme and everything asked for has been played."""
        return self._station.is_finished

    @property
    def is_off(self) -> bool:
        """Whether it has been taken off the air."""
        return self._station.is_off

    @property
    def on_air(self) -> OnAir | None:
        """What is on air."""
        return self.telemetry().on_air

    @property
    def recent(self) -> list[OnAir]:
        """What was on air before, the latest first; up to 20."""
        return [OnAir._of(before) for before in json.loads(self._station.recent())]

    def telemetry(self) -> Telemetry:
        """Levels, loudness, buffers, losses, processor time, inputs, outputs, queues and what is on air, as of now."""
        return Telemetry._of(json.loads(self._station.telemetry()))

    def reset_loudness(self) -> None:
        """Begins integrated loudness, loudness range and maxima anew."""
        self._station.reset_loudness()

    # What happens.

    def events(self, timeout_s: float | None = None) -> Events:
        """What happens, from the start of the station on: of what has happened before this is first called, the first 256
        events. The iteration ends when nothing has happened for ``timeout_s`` seconds, or with the station; called again
        it goes on where it stopped."""
        if self._events is None:
            self._events = self._station.events(False)
        return Events(self._events, timeout_s)

    def events_async(self, timeout_s: float | None = None, *, loudness: bool = False) -> AsyncEvents:
        """What happens from now on, for ``async for``: a subscription of its own. It ends as :meth:`events` does. With
        ``loudness`` there is a :class:`Loudness` each second."""
        return AsyncEvents(self._station.events(loudness), timeout_s)

    def subscribe(self, *, loudness: bool = False) -> Events:
        """What happens from now on, beside :meth:`events`: a subscription of its own. With ``loudness`` there is a
        :class:`Loudness` each second."""
        return Events(self._station.events(loudness))

    # Commands.

    def request(
        self,
        command: str,
        *,
        at_s: float | None = None,
        at_frame: int | None = None,
        at_utc: datetime | None = None,
        **fields: Any,
    ) -> None:
        """Sends any command by its name, with its fields as in scripts; those that are None are left out."""
        line = {"command": command, **{name: value for name, value in fields.items() if value is not None}}
        when = {"at": at_s, "frame": at_frame, "utc": _utc(at_utc)}
        line.update({name: value for name, value in when.items() if value is not None})
        self._station.request(to_json(line, CommandError))

    def play(
        self,
        item: Item | Mapping[str, Any] | PathLike,
        *,
        tier: Tier = "automation",
        title: str | None = None,
        artist: str | None = None,
        album: str | None = None,
        at_s: float | None = None,
        at_frame: int | None = None,
        at_utc: datetime | None = None,
        **options: Any,
    ) -> None:
        """Plays an item: on ``automation`` it starts now; on another tier when those before it are over. ``options`` are
        fields of :class:`Item` (cue_in_s, gain_db, ...)."""
        data = item_of(item, title=title, artist=artist, album=album, **options)
        self.request("play", tier=tier, item=data, at_s=at_s, at_frame=at_frame, at_utc=at_utc)

    def queue(
        self,
        item: Item | Mapping[str, Any] | PathLike,
        *,
        title: str | None = None,
        artist: str | None = None,
        album: str | None = None,
        at_s: float | None = None,
        at_frame: int | None = None,
        at_utc: datetime | None = None,
        **options: Any,
    ) -> None:
        """Puts an item behind those that were queued before it. ``options`` are fields of :class:`Item`."""
        data = item_of(item, title=title, artist=artist, album=album, **options)
        self.request("queue", item=data, at_s=at_s, at_frame=at_frame, at_utc=at_utc)

    def change_queue(self, op: str, **fields: Any) -> None:
        """Changes or lists what comes after the item on air: ``op`` is add, insert, remove, move, list or clear, with the
        fields that ``docs/control.md`` gives it."""
        if "item" in fields:
            fields["item"] = item_of(fields["item"])
        self.request("queue", op=op, **fields)

    def skip(
        self,
        *,
        fade_s: float | None = None,
        tier: Tier | None = None,
        curve: str | None = None,
        wait: bool | None = None,
        at_s: float | None = None,
        at_frame: int | None = None,
        at_utc: datetime | None = None,
    ) -> None:
        """Goes on with the next item, over a crossfade of ``fade_s`` seconds (the station's when None)."""
        when: Any = {"at_s": at_s, "at_frame": at_frame, "at_utc": at_utc}
        self.request("skip", tier=tier, fade_s=fade_s, curve=curve, wait=wait, **when)

    def stop(
        self,
        tier: Tier,
        *,
        fade_s: float = 0.0,
        curve: str | None = None,
        at_s: float | None = None,
        at_frame: int | None = None,
        at_utc: datetime | None = None,
    ) -> None:
        """Takes a tier off the air, over ``fade_s`` seconds. (:meth:`close` takes the station off.)"""
        when: Any = {"at_s": at_s, "at_frame": at_frame, "at_utc": at_utc}
        self.request("stop", tier=tier, fade_s=fade_s, curve=curve, **when)

    def fade(
        self,
        *,
        gain_db: float,
        duration_s: float = 0.0,
        tier: Tier | None = None,
        curve: str | None = None,
        at_s: float | None = None,
        at_frame: int | None = None,
        at_utc: datetime | None = None,
    ) -> None:
        """Fades the programme, or one tier, to ``gain_db`` and leaves it there. An emergency is heard all the same."""
        when: Any = {"at_s": at_s, "at_frame": at_frame, "at_utc": at_utc}
        self.request("fade", tier=tier, gain_db=gain_db, duration_s=duration_s, curve=curve, **when)

    def insert_emergency(
        self,
        item: Item | Mapping[str, Any] | PathLike,
        *,
        title: str | None = None,
        artist: str | None = None,
        album: str | None = None,
        at_s: float | None = None,
        at_frame: int | None = None,
        at_utc: datetime | None = None,
        **options: Any,
    ) -> None:
        """Plays an item over everything else, from the next block on."""
        data = item_of(item, title=title, artist=artist, album=album, **options)
        self.request("insert_emergency", item=data, at_s=at_s, at_frame=at_frame, at_utc=at_utc)

    def route_live(self, source: str, *, tier: Tier = "live_override", fade_in_s: float | None = None) -> None:
        """Lets a live source be heard on a tier as soon as its pre-roll is there."""
        self.request("route_live", source=source, tier=tier, fade_in_s=fade_in_s)

    def set_chain(
        self, nodes: Sequence[Mapping[str, Any]] | None = None, *, preset: str | None = None, **when: Any
    ) -> None:
        """Crossfades to another chain: its nodes as in a station file, ``{"type": ..., "config": {...}}``, or a preset
        (broadcast, gentle, speech, loud)."""
        self.request("set_chain", nodes=None if nodes is None else list(nodes), preset=preset, **when)

    def set_param(self, node: str | int, param: str, value: float | bool | str, **when: Any) -> None:
        """Changes a parameter of a node on air, along a ramp: ``node`` is its type or its place in the chain."""
        self.request("set_param", node=str(node), param=param, value=value, **when)

    def set_metadata(
        self,
        *,
        title: str | None = None,
        artist: str | None = None,
        album: str | None = None,
        **extra: str,
    ) -> None:
        """Tells listeners something else about the item on air."""
        said = {"title": title, "artist": artist, "album": album, **extra}
        self.request("set_metadata", metadata={name: text for name, text in said.items() if text is not None})

    # Outputs.

    def add_output(self, output: Mapping[str, Any]) -> None:
        """Adds an output, declared as in a station file with an ``id`` of its own. The others notice nothing."""
        self._station.add_output(to_json(dict(output), ConfigError))

    def remove_output(self, id: str) -> None:
        """Closes an output and takes it off. The others notice nothing."""
        self._station.remove_output(id)

    def change_output(self, id: str, **fields: Any) -> None:
        """Changes an output while it is on air: the fields that are given, as in a station file; None takes one back to its
        default. With a ``type``, the fields are the whole of another declaration. Listeners of a built-in listener stay
        connected where the path stays and the container does. The other outputs notice nothing."""
        self._station.change_output(id, to_json(fields, ConfigError))

    def rename_output(self, id: str, new_id: str, *, name: str | None = None) -> None:
        """Gives an output another id, and with ``name`` has those who come to a built-in listener from now on be told that
        name. Nothing else becomes of it."""
        self._station.rename_output(id, new_id, name)

    # Inputs.

    def add_input(self, input: Mapping[str, Any]) -> None:
        """Adds an input, declared as in a station file: ``{"type": "webstream", "id": "relay", "url": "http://..."}``. It is
        a live source; on the tier that it names, ``live_scheduled`` where it names none, it is heard once it is there."""
        self._station.add_input(to_json(dict(input), ConfigError))

    def set_input_urls(self, id: str, urls: Sequence[str]) -> None:
        """Has an input listen to other URLs, best first. It goes on with what it has until one of them brings audio."""
        if isinstance(urls, str):
            raise TypeError("urls: a string is not accepted, give a list of them")
        self._station.set_input_urls(id, list(urls))

    def remove_input(self, id: str) -> None:
        """Takes an input off. The half second of it that waits decoded is still heard."""
        self._station.remove_input(id)

    # Audio in and out.

    def pcm_source(
        self,
        *,
        tier: Tier | None = "live_override",
        sample_rate_hz: int | None = None,
        name: str | None = None,
        **config: Any,
    ) -> PcmSource:
        """Opens a live source that PCM is written to, at ``sample_rate_hz`` (the station's when None), and routes it to
        ``tier`` (None leaves that to :meth:`route_live`). ``config`` are fields of the station's live configuration, such
        as ``preroll_s`` and ``silence_s``."""
        rate = self.sample_rate_hz if sample_rate_hz is None else sample_rate_hz
        if not isinstance(rate, int) or not 8_000 <= rate <= 384_000:
            raise ValueError(f"sample_rate_hz: {rate} is not accepted, give a whole number from 8000 to 384000")
        name = name or f"pcm-{next(_names)}"
        source = self._station.pcm_source(name, rate, tier, to_json(config, ConfigError))
        return PcmSource(source, name, rate)

    def pcm_tap(self, *, buffer_s: float = 2.0, block_s: float = 0.1) -> PcmTap:
        """Taps the programme: blocks of ``block_s`` seconds, of which up to ``buffer_s`` seconds wait to be read."""
        if not 0 < block_s <= buffer_s:
            raise ValueError(f"block_s: {block_s} is not accepted, give seconds above 0 and up to buffer_s, {buffer_s}")
        return PcmTap(self._station.pcm_tap(buffer_s), self.sample_rate_hz, max(1, int(block_s * self.sample_rate_hz)))

    def live_status(self) -> list[LiveStatus]:
        """The live sources and where they stand."""
        return [_fill(LiveStatus, status) for status in json.loads(self._station.live_status())]

    # The end.

    def close(self, *, drain_s: float = 5.0) -> None:
        """Takes the station off the air and closes its outputs cleanly, waiting at most ``drain_s`` for all of them. May
        be called again."""
        self._station.close(drain_s)

    def __enter__(self) -> Station:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: Any, __: TracebackType | None) -> None:
        self.close()


def _utc(time: datetime | None) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise CommandError(f"at_utc: {time} has no time zone, give one such as datetime.now(timezone.utc)")
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
