"""Settings: names and defaults that neighbours know, and refusals that name the variable."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hls_manager.__main__ import main
from hls_manager.settings import Settings, SettingsError

README = Path(__file__).parents[1] / "README.md"


def test_defaults_are_those_that_neighbours_know() -> None:
    settings = Settings.from_environment({})
    assert settings.graphql_endpoint == "http://web:8000/graphql/"
    assert (settings.refresh_interval_s, settings.cache_ttl_h, settings.batch_interval_s) == (60, 24, 10)
    assert (settings.max_log_mb, settings.log_level, settings.session_timeout_min) == (20, "INFO", 5)
    assert settings.access_log == Path("/tmp/nginx_session_access.log")
    assert (settings.segment_s, settings.list_size, settings.retained) == (6, 65, 100)
    assert settings.kept_s / 60 == pytest.approx(16.5)
    assert (settings.hls_dir, settings.log_dir) == (Path("/tmp/data/hls"), Path("/tmp/logs"))


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("GRAPHQL_ENDPOINT", "web:8000/graphql/", "a URL such as"),
        ("GRAPHQL_ENDPOINT", "http://", "a URL such as"),
        ("GRAPHQL_ENDPOINT", "http://web:x/", "a URL such as"),
        ("GRAPHQL_TOKEN", "a\nb", "printable ASCII"),
        ("STREAM_REFRESH_INTERVAL", "often", "a number from 1 to 86400"),
        ("STREAM_REFRESH_INTERVAL", "nan", "a number from 1 to 86400"),
        ("STREAM_REFRESH_INTERVAL", "0", "a number from 1 to 86400"),
        ("CACHE_TTL_HOURS", "-1", "a number from 0"),
        ("MAX_LOG_SIZE_MB", "0", "a number from 0.001"),
        ("BATCH_INTERVAL_SECONDS", "1e9", "a number from 1 to 3600"),
        ("HLS_LIST_SIZE", "6.5", "a whole number from 3"),
        ("HLS_LIST_SIZE", "²", "a whole number from 3"),
        ("HE_AAC_BITRATE_KBPS", "16", "a whole number from 24 to 128"),
        ("SEGMENT_DURATION", "21", "at most 20 .a third of PLAYLIST_MAX_AGE_SECONDS"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO"),
        ("LOG_FORMAT", "%(message", "ormat"),
        ("HEALTH_LISTEN", "8081", "an address and port"),
        ("HEALTH_LISTEN", "0.0.0.0:99999", "an address and port"),
        ("CHAIN", "brodcast", "one of none, safe, broadcast"),
        ("FALLBACK_AUDIO", "/nowhere.mp3", "the path of an audio file"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: str, accepted: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: .* is not accepted, give .*{accepted}"):
        Settings.from_environment({name: value})


def test_all_that_is_wrong_is_said_and_secrets_are_not() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({"CHAIN": "x", "GRAPHQL_TOKEN": "secret\n", "LOG_LEVEL": "x"})
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["GRAPHQL_TOKEN", "CHAIN", "LOG_LEVEL"]
    assert "secret" not in str(raised.value)
    keys = {"GRAPHQL_TOKEN": "aaa", "STREAMING_POD_API_KEY": "bbb", "ADMIN_GRAPHQL_SUPERUSER_API_KEY": "ccc"}
    shown = repr(Settings.from_environment(keys))
    assert not [secret for secret in keys.values() if secret in shown]


def test_a_wrong_setting_ends_the_service_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAM_REFRESH_INTERVAL", "soon")
    assert main([]) == 2 and "STREAM_REFRESH_INTERVAL: 'soon' is not accepted" in capsys.readouterr().err


def test_a_health_check_needs_its_address_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FALLBACK_AUDIO", "/nowhere.mp3")
    monkeypatch.setenv("HEALTH_LISTEN", "127.0.0.1:1")
    assert main(["health_check"]) == 1 and "http://127.0.0.1:1: " in capsys.readouterr().err
    monkeypatch.setenv("HEALTH_LISTEN", "here")
    assert main(["health_check"]) == 1 and "HEALTH_LISTEN: 'here' is not accepted" in capsys.readouterr().err


def test_the_readme_has_each_with_its_default() -> None:
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", README.read_text(), re.MULTILINE))
    described = {entry.metadata["name"]: entry.metadata["default"] for entry in fields(Settings)}
    assert table == {name: f"`{default}`" if default else "" for name, default in described.items()}
