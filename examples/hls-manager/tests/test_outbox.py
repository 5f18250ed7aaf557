"""Submitting listening events to a real GraphQL server that is there, away, or says no."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend import API_KEY, Backend
from hls_manager.access_log import read_line
from hls_manager.analytics import Analytics
from hls_manager.graphql import GraphQL
from hls_manager.log_tail import Place
from hls_manager.outbox import Outbox
from hls_manager.sessions import Sessions
from hls_manager.settings import Settings
from test_sessions import line
from waiting import until


def event(number: int) -> dict[str, Any]:
    access = read_line(line(session=f"s{number}"))
    assert access is not None
    return Sessions(5).sum_up([access])[0]


class Sender:
    """An outbox, and the places it was done with."""

    def __init__(self, backend: Backend, key: str = API_KEY, **options: Any) -> None:
        self.places: list[Place] = []
        graphql = GraphQL(backend.url, headers={"X-Streaming-Api-Key": key})
        self.outbox = Outbox(graphql, self.places.append, pause_s=0.001, **options)

    def send(self) -> None:
        self.outbox.send(at_once=True)


def test_events_arrive_to_the_field(backend: Backend) -> None:
    sender = Sender(backend)
    sender.outbox.put([event(1), event(2)], Place(1, 10))
    sender.send()
    assert backend.events == [event(1), event(2)] and sender.places == [Place(1, 10)]
    assert (sender.outbox.sent, sender.outbox.waiting) == (2, 0)
    # Lines of which nothing came are done with as well.
    sender.outbox.put([], Place(1, 20))
    sender.send()
    assert sender.places == [Place(1, 10), Place(1, 20)] and len(backend.events) == 2


def test_many_go_in_parts(backend: Backend) -> None:
    sender = Sender(backend)
    sender.outbox.put([event(number) for number in range(1200)], Place(1, 10))
    sender.send()
    assert len(backend.events) == 1200 and sender.places == [Place(1, 10)]


def test_sending_ends_between_batches(backend: Backend) -> None:
    sender = Sender(backend)
    sender.outbox.put([event(number) for number in range(1200)], Place(1, 10))
    sender.outbox.send(enough=lambda: len(backend.events) >= 500)
    assert (len(backend.events), sender.outbox.waiting, sender.places) == (500, 700, [])


def test_what_is_not_answered_is_kept(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender(backend)
    backend.stop()
    sender.outbox.put([event(1)], Place(1, 10))
    sender.outbox.put([event(2)], Place(1, 20))
    for _ in range(20):
        sender.send()
    assert (sender.outbox.waiting, sender.outbox.dropped, sender.places) == (2, 0, [])
    assert "2 listening events wait" in caplog.text
    backend.start()
    sender.send()
    assert backend.events == [event(1), event(2)] and sender.places == [Place(1, 10), Place(1, 20)]


def test_a_wrong_key_is_an_error(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender(backend, key="wrong")
    sender.outbox.put([event(1)], Place(1, 10))
    sender.send()
    assert "PERMISSION: API key" in caplog.text
    assert (sender.outbox.sent, sender.outbox.failures, sender.outbox.waiting) == (0, 1, 1)


def test_what_is_refused_again_and_again_is_given_up_aloud(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender(backend)
    backend.refused = {"s1"}
    sender.outbox.put([event(1)], Place(1, 10))
    sender.outbox.put([event(2)], Place(1, 20))
    for _ in range(4):
        sender.send()
    assert backend.events == [] and sender.outbox.waiting == 2
    sender.send()
    assert backend.events == [event(2)] and sender.outbox.dropped == 1
    assert "1 listening events are lost: refused 5 times" in caplog.text
    assert sender.places == [Place(1, 10), Place(1, 20)]


def test_errors_of_the_server_are_waited_for(backend: Backend) -> None:
    sender = Sender(backend)
    backend.broken = True
    sender.outbox.put([event(1)], Place(1, 10))
    for _ in range(20):
        sender.send()
    assert (sender.outbox.failures, sender.outbox.waiting, sender.outbox.dropped) == (20, 1, 0)
    backend.broken = False
    sender.send()
    assert backend.events == [event(1)] and sender.places == [Place(1, 10)]


def test_there_is_a_bound_to_what_waits(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender(backend, max_waiting=10)
    for number in range(8):
        sender.outbox.put([event(number), event(100 + number)], Place(1, number))
    assert sender.outbox.waiting == 10 and sender.outbox.dropped == 6
    assert caplog.text.count("2 listening events are lost: more than 10 events wait") == 3
    sender.send()
    assert [each["anonymous_session_id"] for each in backend.events[::2]] == ["s3", "s4", "s5", "s6", "s7"]
    assert sender.places[-1] == Place(1, 7)


def test_pauses_grow(backend: Backend) -> None:
    backend.broken = True
    outbox = Outbox(GraphQL(backend.url), lambda _: None, pause_s=1000)
    outbox.put([event(1)], None)
    outbox.send()
    outbox.send()
    assert outbox.failures == 1
    outbox.send(at_once=True)
    assert outbox.failures == 2


@pytest.fixture
def settings(backend: Backend, tmp_path: Path) -> Iterator[Settings]:
    given = {
        "GRAPHQL_ENDPOINT": backend.url,
        "STREAMING_POD_API_KEY": API_KEY,
        "NGINX_LOG_PATH": str(tmp_path / "access.log"),
        "DATA_DIR": str(tmp_path / "data"),
        "BATCH_INTERVAL_SECONDS": "1",
    }
    (tmp_path / "access.log").write_text("")
    yield Settings.from_environment(given)


def test_from_the_log_to_the_server_through_restarts(settings: Settings, backend: Backend) -> None:
    def write(session: str) -> None:
        with open(settings.access_log, "a") as out:
            out.write(line(session=session) + "\nnoise\n")

    def sessions() -> list[str]:
        return [each["anonymous_session_id"] for each in backend.events]

    first = Analytics(settings)
    first.start()
    until("the log is followed", lambda: first._tail.place)
    write("a")
    until("the first event", lambda: sessions() == ["a"])
    # The server is away: the service ends without a loss.
    backend.broken = True
    write("b")
    until("a failure", lambda: first.outbox.failures)
    first.stop()
    write("c")
    backend.broken = False
    second = Analytics(settings)
    second.start()
    write("d")
    until("the others", lambda: len(sessions()) == 4)
    assert sessions() == ["a", "b", "c", "d"]
    second.stop()


def test_a_log_that_was_sent_is_emptied_and_one_that_was_not_is_kept(settings: Settings, backend: Backend) -> None:
    path, text = settings.access_log, line() + "\n"
    analytics = Analytics(dataclasses.replace(settings, access_log_max_mb=len(text) / 1_000_000))
    analytics.start()
    until("the log is followed", lambda: analytics._tail.place)
    backend.broken = True
    with open(path, "a") as out:
        out.write(text * 3)
    until("two failures", lambda: analytics.outbox.failures >= 2)
    assert path.read_text() == text * 3
    backend.broken = False
    until("an empty log", lambda: path.stat().st_size == 0)
    with open(path, "a") as out:
        out.write(text)
    until("both events", lambda: [each["request_count"] for each in backend.events] == [3, 1])
    analytics.stop()
    assert path.read_text() == text


def test_without_a_key_a_refusal_is_told(
    settings: Settings, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    analytics = Analytics(dataclasses.replace(settings, pod_api_key="", admin_api_key="super"))
    analytics.start()
    until("the log is followed", lambda: analytics._tail.place)
    with open(settings.access_log, "a") as out:
        out.write(line() + "\n")
    until("a failure", lambda: analytics.outbox.failures)
    analytics.stop()
    assert "PERMISSION" in caplog.text and backend.events == []
