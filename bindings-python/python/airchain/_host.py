"""A process full of stations."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Union

from . import _airchain, _logging, _manager
from ._errors import ConfigError
from ._items import Item, PathLike, to_json
from ._station import Station
from ._telemetry import HostTelemetry

#: A station's declaration: the path of a station file, or a dict of the same shape.
Config = Union[PathLike, Mapping[str, Any]]

#: Hosts that are closed when the interpreter ends.
_hosts: weakref.WeakSet[Host] = weakref.WeakSet()


class Host:
    """A fixed handful of threads that put any number of stations on air. ``close``, or leaving a ``with`` block, takes
    them all off; so does the end of the interpreter. Threads are counted by the machine's cores where they are None."""

    def __init__(
        self,
        *,
        air_threads: int | None = None,
        decode_threads: int | None = None,
        encode_threads: int | None = None,
        io_threads: int | None = None,
    ) -> None:
        _logging.start()
        self._host = _airchain.Host(air_threads, decode_threads, encode_threads, io_threads)
        _hosts.add(self)

    def add_station(
        self,
        config: Config,
        *,
        next_track: _manager.NextTrack | None = None,
        unused: Callable[[Item], None] | None = None,
        failed: Callable[[Item, str], None] | None = None,
        lead_s: float | None = None,
    ) -> Station:
        """Puts a station on air, from a station file or a dict of the same shape.

        ``next_track`` is asked for each item of the automation, ``lead_s`` seconds (20) before it is needed; ``unused``
        and ``failed`` are told of tracks that did not air. They are called on a thread of their own, one at a time, and
        may take for ever: what is on air meanwhile is the tier below.

        Raises ConfigError with everything that is wrong with the declaration.
        """
        path, json = split(config)
        station, questions = self._host.add_station(path, json, next_track is not None, lead_s)
        if questions is not None and next_track is not None:
            _manager.start(questions, station.id, next_track, unused, failed)
        return Station(station)

    def listen(self, address: str) -> str:
        """Binds the built-in listener to an address such as ``127.0.0.1:0``, for stations with ``http`` outputs there, and
        returns it with its real port."""
        return self._host.listen(address)

    def telemetry(self) -> HostTelemetry:
        """The figures of all stations on air and of the process, as of now."""
        return HostTelemetry._of(self._host.telemetry())

    def metrics(self) -> str:
        """The same in Prometheus' text exposition format, as ``/metrics`` of the listeners has it."""
        return self._host.metrics()

    def serve_metrics(self, address: str) -> str:
        """Serves ``/metrics`` to everybody who reaches an address such as ``0.0.0.0:9100``, and returns that with its real
        port. Listeners of ``http`` outputs serve it to private networks without that."""
        return self._host.serve_metrics(address)

    @property
    def is_closed(self) -> bool:
        return self._host.is_closed

    def close(self, *, drain_s: float = 5.0) -> None:
        """Takes every station off, closes every output cleanly (within ``drain_s`` for all) and ends the threads. May be
        called again."""
        self._host.close(drain_s)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: Any, __: TracebackType | None) -> None:
        self.close()


def split(config: Config) -> tuple[str | None, str | None]:
    """The path of a station file, or the JSON of a dict of its shape."""
    if isinstance(config, Mapping):
        return None, to_json(config, ConfigError)
    if isinstance(config, (str, os.PathLike)):
        return os.fspath(config), None
    raise TypeError(f"config: {type(config).__name__} is not accepted, give a path or a dict")


@atexit.register
def _close_all() -> None:
    for host in list(_hosts):
        host.close(drain_s=2.0)
