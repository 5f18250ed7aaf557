"""Waiting for what is to come about, with limits that end what hangs and measure nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, ready: Callable[[], T | None], timeout_s: float = 60.0, every_s: float = 0.05) -> T:
    """The first value of ``ready`` that is true."""
    end = time.monotonic() + timeout_s
    while not (value := ready()):
        assert time.monotonic() < end, f"{what} did not come about in {timeout_s:g} s; it is {value!r}"
        time.sleep(every_s)
    return value
