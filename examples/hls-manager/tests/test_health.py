"""Health from outside: pages, the command of containers, and a station that is stuck."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from backend import Backend, row
from hls_manager.status import _Kept
from manager import Manager
from peers import Icecast, fetch
from waiting import until


def test_a_station_that_is_stuck_is_told_of_until_it_goes_on(
    manager: Manager, backend: Backend, icecast: Icecast
) -> None:
    manager.set(PLAYLIST_MAX_AGE_SECONDS="6", START_GRACE_SECONDS="3")
    source = icecast.source("tone", 440)
    backend.rows = [row("stuck", icecast.url("tone")), row("fine", icecast.url("tone"), id=2)]
    assert manager.health_check() == 1
    manager.start()
    until("all is well", manager.well)
    assert manager.health_check() == 0 and manager.health_check("--all") == 0

    # Its folder is taken away: it cannot publish.
    folder = manager.station("stuck")
    shutil.rmtree(folder)
    folder.write_text("in the way")
    until("it is told of", lambda: not manager.well())
    status, answer = manager.get("/health")
    assert status == 503 and answer["stations"]["fine"]["ok"] and not answer["stations"]["stuck"]["ok"]
    assert [why.partition(":")[0] for why in answer["reasons"]] == ["stuck"]
    assert manager.health_check("--all") == 1 and "stuck" in (manager.folder / "health_check.out").read_text()
    # The others are no reason to start everything anew.
    assert manager.health_check() == 0 and manager.get("/live")[0] == 200

    folder.unlink()
    until("all is well again", manager.well)
    text = fetch(f"http://127.0.0.1:{manager.health_port}/metrics")[2].decode()
    assert "hls_manager_stations 2\n" in text and "hls_manager_stations_well 2\n" in text
    assert fetch(f"http://127.0.0.1:{manager.health_port}/nowhere")[0] == 404
    manager.stop()
    source.stop()


def test_many_probes_cost_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [0.0], list[float]()

    def look() -> float:
        looks.append(now[0])
        return now[0]

    monkeypatch.setattr("hls_manager.status.time", SimpleNamespace(monotonic=lambda: now[0]))
    kept, got = _Kept(look), list[float]()
    for now[0] in (0.0, 1.0, 1.9, 2.0, 3.9, 60.0):
        got.append(kept())
    assert got == [0, 0, 0, 2, 2, 60] and looks == [0, 2, 60]


def test_without_stations_it_is_not_well(manager: Manager, backend: Backend) -> None:
    manager.set(START_GRACE_SECONDS="1")
    manager.start()
    assert manager.get("/health")[0] == 503 and manager.get("/health")[1]["reasons"] == ["no station is on air"]
    until("not alive", lambda: manager.get("/live")[0] == 503)
    assert manager.health_check() == 1
    manager.stop()


def test_what_cannot_be_is_said_at_the_start(manager: Manager, backend: Backend) -> None:
    manager.start()
    second = Manager(manager.folder / "second", backend, HEALTH_LISTEN=f"127.0.0.1:{manager.health_port}")
    assert second.fails() == 1 and "cannot start" in second.process.said
    second.set(STREAM_REFRESH_INTERVAL="0")
    assert second.fails() == 2 and "STREAM_REFRESH_INTERVAL: '0' is not accepted" in second.process.said
    manager.stop()
