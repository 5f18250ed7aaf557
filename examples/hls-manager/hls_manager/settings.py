"""What the service is told by its environment: each variable once, with its default and what it accepts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

#: What airchain can do to the sound; ``none`` leaves it as it is.
CHAINS = ("none", "safe", "broadcast", "gentle", "speech", "loud")

#: So many segments must fit into the age that a playlist may have.
_SEGMENTS_YOUNG = 3


class SettingsError(ValueError):
    """Variables that cannot be meant, a line for each: its name, its value and what would be accepted."""


def _variable(name: str, default: str, read: Callable[[str], T], *, secret: bool = False) -> T:
    """A field that is read from a variable; an empty one counts as not given."""
    described: Any = field(repr=not secret, metadata={"name": name, "default": default, "read": read, "secret": secret})
    return described  # type: ignore[no-any-return]


def _number(least: float, most: float, unit: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g} ({unit})")
        return value

    return read


def _whole(least: int, most: int, unit: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(f"a whole number from {least} to {most} ({unit})")
        return int(text)

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        for word in words:
            if text.lower() == word.lower():
                return word
        raise ValueError(f"one of {', '.join(words)}")

    return read


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or text != text.strip() or not text.isprintable() or " " in text:
        raise ValueError("a URL such as http://web:8000/graphql/")
    return text


def _header(text: str) -> str:
    # It becomes part of a header, where line breaks end it.
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError("printable ASCII without spaces around it")
    return text


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError("an address and port such as 0.0.0.0:8081")
    return host.strip("[]"), int(port)


def _optional_address(text: str) -> str:
    if text:
        _address(text)
    return text


def _log_format(text: str) -> str:
    logging.Formatter(text)  # Its ValueError says what is wrong.
    return text


def _audio_file(text: str) -> Path | None:
    if text and not Path(text).is_file():
        raise ValueError("the path of an audio file that is there")
    return Path(text) if text else None


@dataclass(frozen=True)
class Settings:
    """The settings, read by :meth:`from_environment`. Secrets are not shown."""

    graphql_endpoint: str = _variable("GRAPHQL_ENDPOINT", "http://web:8000/graphql/", _url)
    graphql_token: str = _variable("GRAPHQL_TOKEN", "", _header, secret=True)
    admin_api_key: str = _variable("ADMIN_GRAPHQL_SUPERUSER_API_KEY", "", _header, secret=True)
    pod_api_key: str = _variable("STREAMING_POD_API_KEY", "", _header, secret=True)
    refresh_interval_s: float = _variable("STREAM_REFRESH_INTERVAL", "60", _number(1, 86_400, "seconds"))
    cache_ttl_h: float = _variable("CACHE_TTL_HOURS", "24", _number(0, 87_600, "hours"))

    segment_s: float = _variable("SEGMENT_DURATION", "6", _number(0.5, 60, "seconds"))
    list_size: int = _variable("HLS_LIST_SIZE", "65", _whole(3, 10_000, "segments"))
    retained: int = _variable("HLS_DELETE_THRESHOLD", "100", _whole(0, 100_000, "segments"))
    he_aac_kbps: int = _variable("HE_AAC_BITRATE_KBPS", "64", _whole(24, 128, "kbit/s"))
    aac_kbps: int = _variable("AAC_BITRATE_KBPS", "128", _whole(32, 320, "kbit/s"))
    chain: str = _variable("CHAIN", "safe", _one_of(*CHAINS))
    fallback_audio: Path | None = _variable("FALLBACK_AUDIO", "", _audio_file)

    http_listen: str = _variable("HTTP_LISTEN", "", _optional_address)
    access_log: Path = _variable("NGINX_LOG_PATH", "/tmp/nginx_session_access.log", Path)
    access_log_max_mb: float = _variable("ACCESS_LOG_MAX_MB", "0", _number(0, 1_000_000, "megabytes"))
    batch_interval_s: float = _variable("BATCH_INTERVAL_SECONDS", "10", _number(1, 3600, "seconds"))
    session_timeout_min: float = _variable("SESSION_TIMEOUT_MINUTES", "5", _number(1, 1440, "minutes"))

    health_address: tuple[str, int] = _variable("HEALTH_LISTEN", "0.0.0.0:8081", _address)
    playlist_max_age_s: float = _variable("PLAYLIST_MAX_AGE_SECONDS", "60", _number(1, 3600, "seconds"))
    start_grace_s: float = _variable("START_GRACE_SECONDS", "30", _number(0, 3600, "seconds"))
    restart_after_s: float = _variable("RESTART_AFTER_SECONDS", "180", _number(1, 86_400, "seconds"))

    data_dir: Path = _variable("DATA_DIR", "/tmp/data", Path)
    log_dir: Path = _variable("LOG_DIR", "/tmp/logs", Path)
    max_log_mb: float = _variable("MAX_LOG_SIZE_MB", "20", _number(0.001, 10_000, "megabytes"))
    log_level: str = _variable("LOG_LEVEL", "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
    log_format: str = _variable("LOG_FORMAT", "%(asctime)s - %(name)s - %(levelname)s - %(message)s", _log_format)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Reads them all; a SettingsError names every variable that is wrong."""
        values: dict[str, Any] = {}
        problems = []
        for entry in fields(cls):
            try:
                values[entry.name] = _read(entry, environment)
            except SettingsError as error:
                problems.append(str(error))
        if not problems and values["segment_s"] * _SEGMENTS_YOUNG > values["playlist_max_age_s"]:
            # A playlist is written once per segment: it would be too old again and again.
            most = values["playlist_max_age_s"] / _SEGMENTS_YOUNG
            problems.append(
                f"SEGMENT_DURATION: {values['segment_s']:g} is not accepted, give at most {most:g} (a third of"
                f" PLAYLIST_MAX_AGE_SECONDS), or a greater PLAYLIST_MAX_AGE_SECONDS"
            )
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**values)

    @property
    def hls_dir(self) -> Path:
        """Folder of the stations' folders."""
        return self.data_dir / "hls"

    @property
    def kept_s(self) -> float:
        """How long a segment can be fetched after it was made."""
        return self.segment_s * (self.list_size + self.retained)


def read_variable(field_name: str, environment: Mapping[str, str]) -> Any:
    """One setting by itself, for who has no business with the others. Raises SettingsError."""
    (entry,) = [entry for entry in fields(Settings) if entry.name == field_name]
    return _read(entry, environment)


def _read(entry: Field[Any], environment: Mapping[str, str]) -> Any:
    about = entry.metadata
    text = environment.get(about["name"], "") or about["default"]
    try:
        return about["read"](text)
    except ValueError as error:
        shown = "its value" if about["secret"] else repr(text)
        raise SettingsError(f"{about['name']}: {shown} is not accepted, give {error}") from None
