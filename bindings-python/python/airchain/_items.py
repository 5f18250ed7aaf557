"""Items and what is said of them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, Union

from ._errors import ItemError

#: The five tiers, the winner first.
Tier: TypeAlias = Literal["emergency", "live_override", "live_scheduled", "automation", "fallback"]
TIERS: tuple[Tier, ...] = ("emergency", "live_override", "live_scheduled", "automation", "fallback")

#: A path, as every call takes it.
PathLike: TypeAlias = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What listeners are told about the audio they hear."""

    title: str | None = None
    """Title of the item."""
    artist: str | None = None
    """Performing artist."""
    album: str | None = None
    """Album or programme."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Everything else, by its own name."""

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Metadata:
        rest = dict(data)
        known = {name: rest.pop(name, None) for name in ("title", "artist", "album")}
        return cls(**known, extra=rest)

    def _to_dict(self) -> dict[str, str]:
        known = {"title": self.title, "artist": self.artist, "album": self.album}
        return {**self.extra, **{name: value for name, value in known.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to play: where it is and how it is to be played. Times are seconds of the item's own time."""

    path: str
    """A file path."""
    id: str = ""
    """Your own name for it; made up when empty."""
    cue_in_s: float | None = None
    """Where playing begins, in seconds; the start when None."""
    cue_out_s: float | None = None
    """Where playing ends, in seconds; the end when None."""
    fade_in_s: float | None = None
    """Length of the fade at its start, in seconds; the station's crossfade when None."""
    fade_out_s: float | None = None
    """Length of the fade at its end, in seconds; the station's crossfade when None."""
    curve: str | None = None
    """Shape of both fades; the station's when None."""
    gain_db: float | None = None
    """Gain in dB from -120 to 40, beside the one that levels it; 0 when None."""
    loudness_lufs: float | None = None
    """Integrated loudness of its file, for a chain that levels items; found out by the station when None."""
    true_peak_dbtp: float | None = None
    """Greatest true peak of its file, beside ``loudness_lufs``."""
    start_next_s: float | None = None
    """Where the next item starts, in seconds; worked out from the crossfade when None."""
    metadata: Metadata = Metadata()
    """What to tell listeners; read from the file's tags where silent."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a newer airchain gives to items."""

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Item:
        rest = dict(data)
        names = [f.name for f in fields(cls) if f.name not in ("metadata", "more")]
        known = {name: rest.pop(name) for name in names if name in rest}
        metadata = Metadata._of(rest.pop("metadata", {}))
        return cls(**known, metadata=metadata, more=rest)

    def _to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {"path": os.fspath(self.path), **self.more}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in ("path", "metadata", "more") and value not in (None, ""):
                data[f.name] = value
        metadata = self.metadata._to_dict()
        return {**data, "metadata": metadata} if metadata else data


def item_of(
    item: Item | Mapping[str, Any] | PathLike,
    *,
    title: str | None = None,
    artist: str | None = None,
    album: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """An item in whatever form it is given, with what is said beside it, as airchain reads it."""
    if isinstance(item, Item):
        data = item._to_dict()
    elif isinstance(item, Mapping):
        data = dict(item)
    elif isinstance(item, (str, os.PathLike)):
        data = {"path": os.fspath(item)}
    else:
        raise TypeError(f"item: {type(item).__name__} is not accepted, give a path, a mapping or an airchain.Item")
    data.update({name: value for name, value in options.items() if value is not None})
    said = {"title": title, "artist": artist, "album": album}
    said = {name: value for name, value in said.items() if value is not None}
    if said:
        data["metadata"] = {**data.get("metadata", {}), **said}
    return data


def to_json(data: Any, error: type[ValueError] = ItemError) -> str:
    """JSON of plain data; what JSON cannot say is refused by the name of its field."""
    _refuse(data, "", error)
    return json.dumps(data, allow_nan=False, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (Item, Metadata)):
        return value._to_dict()
    if isinstance(value, Mapping):
        return dict(value)
    # Numbers of numpy and the like.
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not accepted here, give plain data")


def _refuse(data: Any, name: str, error: type[ValueError]) -> None:
    if isinstance(data, float) and not math.isfinite(data):
        raise error(f"{name or 'value'}: {data} is not a finite number")
    if isinstance(data, str):
        try:
            data.encode("utf-8")
        except UnicodeEncodeError:
            raise error(f"{name or 'value'}: {data!r} is not valid Unicode") from None
    if isinstance(data, Mapping):
        for key, value in data.items():
            if not isinstance(key, str):
                raise error(f"{name or 'value'}: the key {key!r} is not a string")
            _refuse(value, f"{name}.{key}" if name else key, error)
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            _refuse(value, f"{name}[{index}]", error)
