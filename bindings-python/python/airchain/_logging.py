"""What airchain logs, in Python's ``logging``: loggers below ``airchain``, from a thread of their own."""

from __future__ import annotations

import logging
import os
import threading

from . import _airchain

_lock = threading.Lock()
_log: _airchain.Log | None = None
_process = 0


def start() -> None:
    """Starts the thread, once per process: no thread comes along with a fork."""
    global _log, _process
    with _lock:
        if _process == os.getpid():
            return
        _process = os.getpid()
        _log = _log or _airchain.capture_log()
        threading.Thread(target=_run, args=(_log,), name="airchain-log", daemon=True).start()


def _run(log: _airchain.Log) -> None:
    while True:
        record = log.get(3600.0)
        if record is not None:
            level, name, message = record
            logging.getLogger(name).log(level, "%s", message)
