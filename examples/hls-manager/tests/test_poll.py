"""Where the list comes from: GraphQL, odd answers of it, and what was kept."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from backend import Backend, row
from hls_manager.cache import Cache
from hls_manager.graphql import GraphQL, GraphQLError
from hls_manager.poll import Poll

URL = "http://example.org/a"


def test_the_last_list_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, now = tmp_path / "deep" / "cache.json", datetime.now(timezone.utc)
    cache, rows = Cache(path, 24), [row("a", URL)]
    assert cache.load() is None and not caplog.records
    cache.save(rows, now - timedelta(hours=23))
    assert cache.load(now) == rows
    assert cache.load(now + timedelta(hours=2)) is None and "CACHE_TTL_HOURS" in caplog.text
    # As an older manager wrote it: a local time without a zone.
    path.write_text(json.dumps({"timestamp": datetime.now().isoformat(), "stations": rows}))
    assert cache.load() == rows
    for damaged in ("", "[]", "{}", '{"timestamp": "x", "stations": []}', '{"timestamp": "2026-01-01", "stations": 7}'):
        path.write_text(damaged)
        assert cache.load() is None


def test_a_cache_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache.json", 24)
    cache.save([])
    cache.save([])
    assert len(caplog.records) == 1 and "cannot be kept" in caplog.text


def test_answers_that_say_nothing_change_nothing(
    backend: Backend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    poll = Poll(GraphQL(backend.url, bearer="token"), Cache(tmp_path / "cache.json", 24))
    backend.rows = [row("a", URL), row("B", URL, id=2)]
    assert list(poll.latest().stations) == ["a"] and poll.error is None  # type: ignore[union-attr]
    assert backend.authorizations == {"Bearer token"} and "slug: 'B'" in caplog.text
    for rows in ([], [row("a", URL, disabled=True)], [row("B", URL)]):
        backend.rows = rows
        assert poll.latest() is None and "no station for HLS" in str(poll.error)
    backend.broken = True
    assert poll.latest() is None and "the database is away" in str(poll.error)
    backend.stop()
    assert poll.latest() is None and "refused" in str(poll.error)
    # The next process goes by what was kept.
    kept = Poll(GraphQL(backend.url), Cache(tmp_path / "cache.json", 24)).first()
    assert kept is not None and list(kept.stations) == ["a"]
    backend.start()
    backend.broken, backend.rows = False, [row("a", URL)]
    assert poll.latest() is not None and poll.error is None and "no longer left out" in caplog.text
    assert len([record for record in caplog.records if "slug: 'B'" in record.message]) <= 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "not a JSON object"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no data"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", "IncompleteRead|no data"),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\nbusy", "HTTP 502: busy"),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 99\r\n\r\nbusy", "HTTP 502"),
        (b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n63\r\nbusy", "HTTP 502"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/x/\r\nContent-Length: 0\r\n\r\n", "set GRAPHQL_ENDPOINT"),
        (b"SSH-2.0-x\r\n", "SSH"),
        (b"", "closed|reset"),
    ],
)
def test_odd_answers_are_errors(answer: bytes, said: str) -> None:
    with pytest.raises(GraphQLError, match=said):
        ask(lambda client: client.sendall(answer), timeout_s=10)


def test_an_error_that_never_says_what_it_is_is_one_in_time() -> None:
    def hang(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 503 Bad\r\nContent-Length: 9\r\n\r\n")
        client.recv(1)  # Until the other side hangs up.

    with pytest.raises(GraphQLError, match="HTTP 503"):
        ask(hang, timeout_s=0.5)


def test_what_was_kept_goes_on_air_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache, graphql = Cache(tmp_path / "cache.json", 24), GraphQL("http://127.0.0.1:1/")
    cache.save([row("a", URL)])

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("of a kind that nobody thought of")

    monkeypatch.setattr(graphql, "ask", fail)
    kept = Poll(graphql, cache).first()
    assert kept is not None and list(kept.stations) == ["a"] and "nobody thought of" in caplog.text


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (422, True), (401, False), (403, False), (408, False), (413, False), (429, False), (503, False)],
)
def test_only_what_is_wrong_in_itself_is_refused(status: int, refused: bool) -> None:
    with pytest.raises(GraphQLError) as raised:
        ask(lambda client: client.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status), timeout_s=10)
    assert raised.value.refused is refused


def test_an_answer_that_drips_is_given_up() -> None:
    def drip(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                client.sendall(b" ")
                time.sleep(0.02)
        except OSError:
            pass

    with pytest.raises(GraphQLError, match="in time"):
        ask(drip, timeout_s=0.5)


def ask(serve: Callable[[socket.socket], None], timeout_s: float) -> None:
    """Asks a server that does as it likes."""

    def run() -> None:
        client, _ = server.accept()
        with client:
            # All of the question: a socket closed with some of it unread is reset, and the answer may be lost with it.
            question = b""
            while not question.endswith(b'"variables": {}}'):
                question += client.recv(65_536)
            serve(client)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            GraphQL(f"http://127.0.0.1:{server.getsockname()[1]}/").ask("query { x }", timeout_s=timeout_s)
        finally:
            thread.join()
