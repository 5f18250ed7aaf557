"""What airchain logs, in Python's ``logging``: loggers below ``airchain``, from a thread of their own."""

from __future__ import annotations

import logging
import threading

from . import _airchain

_started = threading.Lock()


def start() -> None:
    """Starts the thread, once per process."""
    if not _started.acquire(blocking=False):
        return
    log = _airchain.capture_log()
    threading.Thread(target=_run, args=(log,), name="airchain-log", daemon=True).start()


def _run(log: _airchain.Log) -> None:
    while True:
        record = log.get(3600.0)
        if record is not None:
            level, name, message = record
            logging.getLogger(name).log(level, "%s", message)
