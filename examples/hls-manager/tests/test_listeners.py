"""From a listener's request through nginx to the event that GraphQL gets."""

from __future__ import annotations

from backend import Backend, row
from manager import Manager
from peers import Icecast, Nginx, fetch
from test_list_on_air import more
from waiting import until


def test_listeners_are_told_of(manager: Manager, nginx: Nginx, backend: Backend, icecast: Icecast) -> None:
    source = icecast.source("tone", 440)
    backend.rows = [row("heard", icecast.url("tone"))]
    manager.start()
    watch = manager.watch("heard")
    more(watch)

    def listen(agent: str) -> tuple[str, int]:
        """What a player does once: its session, and the bytes it got."""
        _, headers, _ = fetch(nginx.url("/hls/heard/index.m3u8"), User_Agent=agent)
        session = headers["Location"].partition("?s=")[2]
        index = fetch(headers["Location"], User_Agent=agent)[2]
        (media,) = [line for line in index.decode().splitlines() if line.startswith("aac/")]
        live = fetch(nginx.url(f"/hls/heard/{media}"), User_Agent=agent)[2]
        name = [line for line in live.decode().splitlines() if line.endswith(".ts")][-1]
        segment = fetch(nginx.url(f"/hls/heard/aac/{name}"), User_Agent=agent)[2]
        assert media == f"aac/live.m3u8?s={session}" and segment
        return session, len(index) + len(live) + len(segment)

    listened = dict(listen(agent) for agent in ("vlc", "firefox"))
    sessions = {session: 0 for session in listened}

    def told() -> bool:
        of = {
            session: [each for each in backend.events if each["anonymous_session_id"] == session]
            for session in sessions
        }
        return all(sum(each["request_count"] for each in events) == 3 for events in of.values())

    until("all requests", told)
    for session, got in listened.items():
        events = [each for each in backend.events if each["anonymous_session_id"] == session]
        assert {each["station_slug"] for each in events} == {"heard"}
        # nginx counts the framing of chunks too.
        assert got <= sum(each["bytes_transferred"] for each in events) <= got + 200
        assert events[-1]["event_type"] == "segment_request" and events[-1]["ip_address"] == "127.0.0.1"
    assert {each["user_agent"] for each in backend.events} == {"vlc", "firefox"}
    watch.stop()
    manager.stop()
    source.stop()
