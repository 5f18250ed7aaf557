"""``python -m hls_manager``: the service. ``python -m hls_manager health_check``: whether it does well."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

from .health_check import health_check
from .settings import Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, 1 for what failed, 2 for what cannot be meant."""
    parser = argparse.ArgumentParser(
        prog="hls_manager",
        description="Turns the radio streams that a GraphQL endpoint lists into HLS.",
        epilog="Settings are read from the environment.",
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the service (the default)")
    check = commands.add_parser("health_check", help="ask the running service: exit status 0 if it does well, else 1")
    check.add_argument("--all", action="store_true", help="whether every station is well, rather than any")
    given = parser.parse_args(arguments)
    if given.command == "health_check":
        return health_check(os.environ, all_stations=given.all)
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return run(settings)


def run(settings: Settings) -> int:
    """Runs the service until SIGTERM or SIGINT."""
    # Here, so that a health check does not load the engine.
    from .service import Service

    logging.basicConfig(level=settings.log_level, format=settings.log_format, stream=sys.stdout)
    if settings.log_level != "DEBUG":
        # What happens on stations is told by their own logs.
        logging.getLogger("airchain").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        service = Service(settings)
    except OSError as error:
        logging.getLogger(__name__).critical("cannot start: %s", error)
        return 1
    service.run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
