"""The difference between what is on air and what should be. Pure: it decides, and does nothing."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from .station import Station
from .station_list import StationList


@dataclass(frozen=True)
class Plan:
    """What is to be done, each part in the order of the slugs."""

    start: tuple[Station, ...] = ()
    """Not on air yet."""
    stop: tuple[Station, ...] = ()
    """No longer wanted."""
    move: tuple[Station, ...] = ()
    """Its stream is elsewhere: only its input changes, and its HLS goes on."""
    note: tuple[Station, ...] = ()
    """Only its title or id is another: nothing that listeners notice."""

    @property
    def parts(self) -> Mapping[str, tuple[Station, ...]]:
        """The parts by what is done to them."""
        return {"to start": self.start, "to stop": self.stop, "with another stream": self.move, "renamed": self.note}

    def __bool__(self) -> bool:
        return any(self.parts.values())


def plan(on_air: Mapping[str, Station], wanted: StationList, fallen: Container[str] = ()) -> Plan:
    """What leads from one to the other. A station whose row cannot be read just now stays as it is: a slip in an
    administrator's form does not take listeners off. Those that have fallen are started anew if they are wanted."""
    gone = [station for slug, station in on_air.items() if slug not in wanted.stations and slug not in wanted.refused]
    on = {slug: station for slug, station in on_air.items() if slug not in fallen}
    both = [(on[slug], station) for slug, station in wanted.stations.items() if slug in on]
    return Plan(
        start=_sorted(station for slug, station in wanted.stations.items() if slug not in on),
        stop=_sorted(gone),
        move=_sorted(new for old, new in both if new.stream_url != old.stream_url),
        note=_sorted(new for old, new in both if new != old and new.stream_url == old.stream_url),
    )


def _sorted(stations: Iterable[Station]) -> tuple[Station, ...]:
    return tuple(sorted(stations, key=lambda station: station.slug))
