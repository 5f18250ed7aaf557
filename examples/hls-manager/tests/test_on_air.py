"""What is done with stations, on a host that only pretends: what falls is started anew, with patience."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airchain
import pytest

from hls_manager.declaration import INDEX, PLAYLISTS
from hls_manager.folders import Folders
from hls_manager.on_air import OnAir, Running
from hls_manager.reconcile import Plan, plan
from hls_manager.settings import Settings
from hls_manager.station import Station
from hls_manager.station_list import StationList
from hls_manager.station_log import StationLogs

X, Y = (Station(number, slug, slug, f"http://{slug}/") for number, slug in enumerate("xy"))


class Handle:
    """A station of the host."""

    def __init__(self) -> None:
        self.is_off = False
        self.state = "streaming"
        self.closed = False

    def events(self) -> None:
        return None

    def telemetry(self) -> Any:
        return SimpleNamespace(inputs=[SimpleNamespace(state=self.state)])

    def close(self) -> None:
        self.closed = True


class Host:
    """Takes stations, or does not."""

    def __init__(self) -> None:
        self.handles: list[Handle] = []
        self.refuses = False

    def add_station(self, declared: dict[str, Any]) -> Handle:
        if self.refuses:
            raise airchain.Error("there is no room")
        self.handles.append(Handle())
        return self.handles[-1]


class Stage:
    """What is tested, with its host and its folders."""

    def __init__(self, folder: Path) -> None:
        given = {"DATA_DIR": str(folder / "data"), "LOG_DIR": str(folder / "logs")}
        settings = Settings.from_environment(given)
        self.host = Host()
        self.folders = Folders(settings.hls_dir, settings.kept_s)
        logs = StationLogs(settings.log_dir, 1)
        self.on_air = OnAir(self.host, settings, self.folders, logs)  # type: ignore[arg-type]

    def refresh(self, *wanted: Station) -> None:
        listed = StationList({station.slug: station for station in wanted}, {})
        self.on_air.carry_out(plan(self.on_air.stations, listed, self.on_air.fallen))

    def published(self, slug: str, age_s: float) -> None:
        for name in (*PLAYLISTS, INDEX):
            path = self.folders.of(slug) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#EXTM3U\n")
            os.utime(path, (time.time() - age_s,) * 2)

    def up(self, slug: str, up_s: float) -> Running:
        """Has a station been up for so long."""
        (running,) = [each for each in self.on_air.running if each.station.slug == slug]
        running.since = time.monotonic() - up_s
        return running


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_what_publishes_nothing_though_its_stream_is_there_is_started_anew(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.refresh(X, Y)
    stage.published("y", 0)
    for up_s, age_s in ((1000, 170), (170, 1000)):
        stage.published("x", age_s)
        stage.up("x", up_s)
        stage.refresh(X, Y)
    assert len(stage.host.handles) == 2, "not long enough"
    stage.published("x", 200)
    stage.up("x", 200)
    stage.host.handles[0].state = "waiting"
    stage.refresh(X, Y)
    assert len(stage.host.handles) == 2, "its stream is away"
    stage.host.handles[0].state = "streaming"
    stage.refresh(X, Y)
    assert len(stage.host.handles) == 3 and "publishes nothing any more" in caplog.text
    assert [handle.closed for handle in stage.host.handles] == [True, False, False]


def test_one_that_has_no_playlist_at_all_is_too(stage: Stage) -> None:
    stage.refresh(X)
    stage.up("x", 200)
    stage.refresh(X)
    assert len(stage.host.handles) == 2


def test_each_start_in_vain_is_given_more_time(stage: Stage) -> None:
    stage.refresh(X)
    stage.published("x", 10_000)
    for pause_s in (180, 360, 720, 1440, 2880, 3600, 3600):
        handles = len(stage.host.handles)
        stage.up("x", pause_s - 5)
        stage.refresh(X)
        assert len(stage.host.handles) == handles, pause_s
        stage.up("x", pause_s + 5)
        stage.refresh(X)
        assert len(stage.host.handles) == handles + 1, pause_s
    # One that did well for long begins anew.
    stage.up("x", 100_000)
    stage.refresh(X)
    assert stage.up("x", 0).restarts == 0


def test_one_that_fell_off_is_started_anew_if_it_is_wanted(stage: Stage) -> None:
    stage.refresh(X, Y)
    for handle in stage.host.handles:
        handle.is_off = True
    stage.refresh(X)
    assert list(stage.on_air.stations) == ["x"] and len(stage.host.handles) == 3
    assert [handle.closed for handle in stage.host.handles] == [True, True, False]


def test_the_log_of_one_that_could_not_be_started_is_closed_when_it_leaves(stage: Stage) -> None:
    log = logging.getLogger("hls_manager.station.x")
    stage.host.refuses = True
    stage.refresh(X)
    assert log.handlers
    stage.refresh()
    assert not log.handlers


def test_at_the_end_nothing_more_is_started(stage: Stage) -> None:
    stage.on_air.stop()
    stage.on_air.carry_out(Plan(start=(X, Y)))
    assert not stage.host.handles
