"""From lines of an access log to events."""

from __future__ import annotations

from typing import Any

import pytest

from hls_manager.access_log import read_line
from hls_manager.sessions import Sessions


def line(
    uri: str = "/hls/x/index.m3u8?s=abc",
    *,
    at: str = "28/Nov/2026:10:00:00",
    session: str = "abc",
    bytes: int = 100,
    **more: Any,
) -> str:
    """A line as nginx writes it."""
    usual = {"addr": "10.0.0.1", "method": "GET", "status": 200, "agent": "vlc", "tail": ' real_ip="203.0.113.9"'}
    of = {**usual, **more}
    return (
        f'{of["addr"]} - - [{at} +0000] "{of["method"]} {uri} HTTP/1.1" {of["status"]} {bytes} "-" "{of["agent"]}"'
        f' session_id="{session}"{of["tail"]}'
    )


def events(*lines: str, timeout_min: float = 5) -> list[dict[str, Any]]:
    return Sessions(timeout_min).sum_up(access for text in lines if (access := read_line(text)))


def test_one_event_per_session_and_station() -> None:
    got = events(
        line(bytes=1000),
        line(at="28/Nov/2026:10:00:07", bytes=1010),
        line("/hls/y/aac/live.m3u8?s=abc", bytes=5),
        line(session="other", bytes=7),
        line(at="28/Nov/2026:10:00:06", bytes=1020),
    )
    assert [(event["anonymous_session_id"], event["station_slug"]) for event in got] == [
        ("abc", "x"),
        ("abc", "y"),
        ("other", "x"),
    ]
    assert got[0] == {
        "anonymous_session_id": "abc",
        "station_slug": "x",
        "ip_address": "203.0.113.9",
        "user_agent": "vlc",
        "timestamp": "2026-11-28T10:00:07+00:00",
        "event_type": "playlist_request",
        "bytes_transferred": 3030,
        "request_duration": 0.0,
        "status_code": 200,
        "request_count": 3,
        "referer": None,
    }


def test_segments_count_for_who_asked_for_the_playlist_last() -> None:
    segment = "/hls/x/aac/1700000000000-7.ts"
    (event,) = events(line(bytes=100), line(segment, session="-", bytes=96_000, at="28/Nov/2026:10:00:02"))
    assert (event["bytes_transferred"], event["request_count"]) == (96_100, 2)
    assert event["event_type"] == "segment_request"
    # Two sessions behind one address, told apart by what they are; a station apart; too long ago.
    got = events(
        line(session="a", bytes=0),
        line(session="b", bytes=0, agent="firefox"),
        line(segment, session="-", bytes=10),
        line(segment, session="-", bytes=20, agent="firefox"),
        line(segment.replace("/x/", "/y/"), session="-", bytes=40),
        line(segment, session="-", bytes=80, at="28/Nov/2026:10:05:01"),
    )
    assert {event["anonymous_session_id"]: event["bytes_transferred"] for event in got} == {"a": 10, "b": 20}


def test_clients_are_known_from_batch_to_batch_and_forgotten() -> None:
    sessions, segment = Sessions(5), "/hls/x/1-1.ts"
    first = read_line(line())
    later = read_line(line(segment, session="-", at="28/Nov/2026:10:04:00"))
    assert first and later
    sessions.sum_up([first])
    (event,) = sessions.sum_up([later])
    assert event["anonymous_session_id"] == "abc" and sessions.unattributed == 0
    much_later = read_line(line(segment, session="-", at="28/Nov/2026:11:00:00"))
    assert much_later and sessions.sum_up([much_later]) == [] and sessions.unattributed == 1
    assert not sessions._clients


@pytest.mark.parametrize("status", [200, 206, 304])
def test_what_was_served_counts(status: int) -> None:
    assert [event["status_code"] for event in events(line(status=status))] == [status]


@pytest.mark.parametrize("session", ["-", "", "x" * 200])
def test_lines_without_a_session_are_dropped(session: str) -> None:
    assert events(line(session=session)) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        line(method="HEAD"),
        line(method="OPTIONS", status=204),
        line(status=204),
        line(status=301),
        line(status=302),
        line(status=404),
        line(status=502),
        line("/health"),
        line("/hls/x/player.html"),
        line("/hls//index.m3u8"),
        line("/hls/X/index.m3u8"),
        line("http://elsewhere/hls/x/index.m3u8"),
        line(at="30/Feb/2026:10:00:00"),
        line(at="x"),
        line()[:60],
        line().replace(" 200 ", " 2000 "),
        "\x00" * 100,
    ],
)
def test_other_lines_are_none(text: str) -> None:
    assert read_line(text) is None


@pytest.mark.parametrize(
    ("tail", "address"),
    [
        ("", "10.0.0.1"),
        (' real_ip="-"', "10.0.0.1"),
        (' real_ip="unknown, 203.0.113.9"', "10.0.0.1"),
        (' real_ip="203.0.113.9, 10.9.9.9" cf_ip="-"', "203.0.113.9"),
        (' ref="app" real_ip="203.0.113.9" cf_ip="2001:DB8::1"', "2001:db8::1"),
    ],
)
def test_the_listeners_address(tail: str, address: str) -> None:
    access = read_line(line(tail=tail))
    assert access is not None and access.address == address


def test_both_older_formats_and_what_nginx_escapes() -> None:
    old = line(agent=r"a\x22b\x5C\xC3\xBC", tail="")
    access = read_line(old)
    assert access is not None and (access.agent, access.session, access.referer) == ('a"b\\ü', "abc", None)
    assert read_line(line(bytes=0).replace(" 200 0 ", " 200 - ")).bytes == 0  # type: ignore[union-attr]
