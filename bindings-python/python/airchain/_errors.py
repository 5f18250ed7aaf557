"""Errors of airchain."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._analysis import Analysis


class Error(Exception):
    """Something that airchain refused or could not do. The message names the thing and says what would do."""


class ConfigError(Error, ValueError):
    """A station, output or chain is declared wrong: everything that is, one line each, with its field."""


class CommandError(Error, ValueError):
    """A command cannot be meant: the field, its value, and what would do."""


class ItemError(Error, ValueError):
    """An item cannot be meant: the field, its value, and what would do."""


class StoppedError(Error):
    """The host, station, source or tap has been closed."""


class WriteTimeout(Error, TimeoutError):
    """There was no room in time for all that was to be written. What is left goes first with the next write."""


class AnalysisError(Error):
    """A file could not be read, or not to its end."""

    analysis: Analysis | None = None
    """What could be measured; None for a folder."""


class CacheError(Error):
    """The analysis cache cannot be used: the message says why. Go on with another, or with None."""


class RenderError(Error):
    """A render cannot go on: nothing that it is to play can be opened."""


class ForkError(Error):
    """The process was forked after the host was made, and the host's threads stayed in the other one."""
