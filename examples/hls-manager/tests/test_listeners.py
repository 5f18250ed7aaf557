"""From a listener's request through nginx to the event that GraphQL gets."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest

from backend import Backend, row
from manager import Manager
from peers import Icecast, Nginx, fetch, free_port
from test_list_on_air import more
from waiting import until


def listen(server: str, agent: str) -> tuple[str, int]:
    """What a player does once: its session, and the bytes it got."""
    url = f"{server}/hls/heard/index.m3u8"
    _, headers, _ = fetch(url, User_Agent=agent)
    url = urljoin(url, headers["Location"])
    session = url.partition("?s=")[2]
    index = fetch(url, User_Agent=agent)[2]
    (media,) = [line for line in index.decode().splitlines() if line.startswith("aac/")]
    live = fetch(f"{server}/hls/heard/{media}", User_Agent=agent)[2]
    name = [line for line in live.decode().splitlines() if line.endswith(".ts")][-1]
    segment = fetch(f"{server}/hls/heard/aac/{name}", User_Agent=agent)[2]
    assert media == f"aac/live.m3u8?s={session}" and segment[0] == 0x47
    return session, len(index) + len(live) + len(segment)


@pytest.mark.parametrize("server", ["nginx", "airchain"])
def test_listeners_are_told_of(server: str, manager: Manager, nginx: Nginx, backend: Backend, icecast: Icecast) -> None:
    url = nginx.url("")
    if server == "airchain":
        address = f"127.0.0.1:{free_port()}"
        manager.set(HTTP_LISTEN=address)
        url = f"http://{address}"
    source = icecast.source("tone", 440)
    backend.rows = [row("heard", icecast.url("tone"))]
    manager.start()
    watch = manager.watch("heard")
    more(watch)
    until("both renditions", lambda: fetch(f"{url}/hls/heard/aac/live.m3u8?s=x")[0] == 200)
    until("the index", lambda: b"aac/" in fetch(f"{url}/hls/heard/index.m3u8?s=x")[2])
    listened = dict(listen(url, agent) for agent in ("vlc", "firefox"))

    def events(session: str) -> list[dict[str, Any]]:
        return [each for each in backend.events if each["anonymous_session_id"] == session]

    until("all", lambda: all(sum(each["request_count"] for each in events(session)) == 3 for session in listened))
    for session, got in listened.items():
        assert {each["station_slug"] for each in events(session)} == {"heard"}
        # nginx counts the framing of chunks too.
        assert got <= sum(each["bytes_transferred"] for each in events(session)) <= got + 200
        assert events(session)[-1]["event_type"] == "segment_request"
        assert {each["ip_address"] for each in events(session)} == {"127.0.0.1"}
    assert {each["user_agent"] for session in listened for each in events(session)} == {"vlc", "firefox"}
    watch.stop()
    manager.stop()
    source.stop()
