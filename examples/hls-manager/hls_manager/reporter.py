"""What happens on the stations, into their log files."""

from __future__ import annotations

import logging
import threading

import airchain

from .on_air import OnAir, Running

log = logging.getLogger(__name__)

#: How often the stations are asked what has happened.
_EVERY_S = 0.25
#: Events of one station in a row, before the others have their turn.
_AT_ONCE = 200


class Reporter:
    """One thread for all stations."""

    def __init__(self, on_air: OnAir) -> None:
        self._on_air = on_air
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        last = False
        while not last:
            last = self._stopping.wait(_EVERY_S)
            for running in self._on_air.running:
                try:
                    _report(running)
                except airchain.Error:
                    pass  # It was closed just now.
                except Exception:
                    log.exception("%s: its events cannot be read", running.station.slug)


def _report(running: Running) -> None:
    for _ in range(_AT_ONCE):
        event = running.events.get(0)
        if event is None:
            return
        said = describe(event)
        if said is not None:
            running.log.log(*said)


def describe(event: airchain.Event) -> tuple[int, str] | None:
    """A level and a line; None for what is of no interest here."""
    if isinstance(event, airchain.NowPlaying):
        about = event.item.metadata
        title = " - ".join(part for part in (about.artist, about.title) if part)
        return (logging.INFO, f"now playing: {title}") if title and event.tier != "fallback" else None
    if isinstance(event, airchain.PriorityChanged):
        if event.to in (None, "fallback"):
            return logging.WARNING, f"the stream is away: {event.to or 'silence'} is on air"
        return logging.INFO, "the stream is on air"
    if isinstance(event, airchain.OutputHealth):
        level = logging.INFO if event.health == "up" else logging.WARNING
        return level, f"output {event.output} is {event.health}" + (f": {event.reason}" if event.reason else "")
    if isinstance(event, airchain.SourceFailed):
        return logging.WARNING, f"source: {event.error}"
    if isinstance(event, airchain.SilenceDetected):
        return logging.WARNING, "silence on the stream" if event.source else "silence"
    if isinstance(event, airchain.SilenceEnded):
        return logging.INFO, "the silence is over"
    if isinstance(event, airchain.Dropout):
        return logging.WARNING, f"dropout: {event.frames} frames were not there in time"
    if isinstance(event, airchain.Missed):
        return logging.WARNING, f"nothing was rendered for {event.ms} ms: {event.reason}"
    if isinstance(event, airchain.CommandFailed):
        return logging.WARNING, f"{event.command}: {event.error}"
    return None
