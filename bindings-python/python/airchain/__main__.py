"""``python -m airchain``: play a folder, run station files, analyse files."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from dataclasses import asdict
from typing import Any

import airchain


def main(argv: list[str] | None = None) -> int:
    """Runs a command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m airchain", description="The engine that puts radio on air.")
    parser.add_argument("--version", action="version", version=airchain.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    play = commands.add_parser("play", help="put files, folders and playlists on air at an address")
    play.add_argument("paths", nargs="+", metavar="PATH")
    play.add_argument("--listen", default="127.0.0.1:8000", metavar="HOST:PORT")
    play.add_argument("--loop", action="store_true", help="begin again at the end")
    play.add_argument("--shuffle", action="store_true", help="play in random order")
    play.add_argument("--crossfade", type=float, default=0.0, metavar="SECONDS")
    play.add_argument("--name", default="airchain")
    run = commands.add_parser("run", help="put the stations of station files on air")
    run.add_argument("stations", nargs="+", metavar="STATION.yaml")
    analyze = commands.add_parser("analyze", help="measure files, one JSON object per line")
    analyze.add_argument("paths", nargs="+", metavar="FILE")
    args = parser.parse_args(argv)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        if args.command == "analyze":
            return _analyze(args.paths)
        return _air([_played(args)] if args.command == "play" else args.stations)
    except airchain.Error as error:
        print(f"airchain: {error}", file=sys.stderr)
        return 1


def _played(args: argparse.Namespace) -> dict[str, Any]:
    automation = {
        "playlist": args.paths,
        "order": "shuffle" if args.shuffle else "sequential",
        "loop": args.loop,
        "crossfade_sec": args.crossfade,
    }
    outputs = [{"type": "http", "listen": args.listen, "format": "mp3", "path": "/live.mp3"}]
    return {
        "station": {"id": "play", "name": args.name},
        "mounts": [{"id": "main", "outputs": outputs}],
        "automation": automation,
        "dsp_graph": {"nodes": [{"type": "limiter"}]},
    }


def _air(configs: list[Any]) -> int:
    # So that a supervisor's SIGTERM closes outputs cleanly, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with airchain.Host() as host:
        stations = [host.add_station(config) for config in configs]
        try:
            while not all(station.is_finished or station.is_off for station in stations):
                for station in stations:
                    for event in station.events(timeout_s=0.1):
                        _tell(station, event)
        except KeyboardInterrupt:
            pass
    return 0


def _tell(station: airchain.Station, event: airchain.Event) -> None:
    if isinstance(event, airchain.NowPlaying):
        said = event.item.metadata
        title = " - ".join(text for text in (said.artist, said.title) if text) or event.item.path
        print(f"{station.id}: {title}", flush=True)
    elif isinstance(event, airchain.SourceFailed):
        print(f"{station.id}: {event.error}", file=sys.stderr, flush=True)


def _analyze(paths: list[str]) -> int:
    status = 0
    for analysis in airchain.analyze_many(paths):
        status |= analysis.error is not None
        data = asdict(analysis)
        print(json.dumps({**data.pop("more"), **data}), flush=True)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
