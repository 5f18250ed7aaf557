"""Folders, station logs and health: what is on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hls_manager.folders import Folders
from hls_manager.health import Limits, is_alive, look, reasons
from hls_manager.station_log import StationLogs

LIMITS = Limits(max_age_s=60, grace_s=30)


def published(folder: Path, *, age_s: float = 0) -> Path:
    """A station's folder, as airchain leaves it."""
    for part in (folder, folder / "aac"):
        part.mkdir(parents=True)
        (part / "live.m3u8").write_text("#EXTM3U\n")
        (part / "1700000000000-1.ts").write_bytes(b"")
        aged(part / "live.m3u8", age_s)
    (folder / "index.m3u8").write_text("#EXTM3U\n")
    (folder / ".airchain.lock").write_text("")
    return folder


def aged(path: Path, age_s: float) -> None:
    os.utime(path, (time.time() - age_s,) * 2)


def test_a_removed_stations_folder_is_kept_for_a_while_and_goes(tmp_path: Path) -> None:
    folders, now = Folders(tmp_path, 990), time.time()
    folder = published(tmp_path / "x")
    folders.sweep({"x"}, now + 10_000)
    assert folder.exists() and not (folder / ".removed").exists()
    folders.sweep(set())
    folders.sweep(set(), now + 900)
    assert all(path.read_text() == "#EXTM3U\n#EXT-X-ENDLIST\n" for path in folder.rglob("live.m3u8"))
    folders.sweep(set(), now + 1000)
    assert not folder.exists()


def test_one_that_comes_back_is_kept(tmp_path: Path) -> None:
    folders, now = Folders(tmp_path, 990), time.time()
    folder = published(tmp_path / "x")
    folders.sweep(set())
    folders.wanted("x")
    folders.sweep({"x"}, now + 10_000)
    folders.sweep(set(), now + 10_000)
    assert (folder / "aac" / "live.m3u8").exists()


def test_nothing_of_others_is_removed(tmp_path: Path) -> None:
    folders, now = Folders(tmp_path, 990), time.time()
    mine, other, upper = published(tmp_path / "x"), tmp_path / "other", published(tmp_path / "UPPER")
    (mine / "notes.txt").write_text("keep")
    (other / "deep").mkdir(parents=True)
    (other / "deep" / "a.ts").write_text("")
    (tmp_path / "file").write_text("")
    for at in (now, now + 10_000, now + 20_000, now + 40_000):
        folders.sweep(set(), at)
    assert sorted(path.name for path in mine.iterdir()) == ["notes.txt"]
    assert (other / "deep" / "a.ts").exists() and (upper / "index.m3u8").exists()
    Folders(tmp_path / "nowhere", 1).sweep(set())


def test_a_station_is_well_while_its_playlists_are_young(tmp_path: Path) -> None:
    folder = published(tmp_path / "x", age_s=59)
    assert look("x", folder, 1000, LIMITS).is_well
    # All its renditions must be.
    aged(folder / "aac" / "live.m3u8", 61)
    health = look("x", folder, 1000, LIMITS)
    assert health.reason == "aac/live.m3u8 is 61 s old, 60 s are accepted" and health.playlist_age_s == 61
    # Those of the run before are no reason in the first moments.
    assert look("x", folder, 29, LIMITS).is_well
    assert not look("x", folder, 30, LIMITS).is_well


def test_without_a_playlist_it_is_well_for_a_while(tmp_path: Path) -> None:
    assert look("x", tmp_path / "x", 29, LIMITS).is_well
    assert look("x", tmp_path / "x", 31, LIMITS).reason == "no live.m3u8 31 s after its start"


@pytest.mark.parametrize("name", ["live.m3u8", "aac/live.m3u8", "index.m3u8"])
def test_each_declared_playlist_must_be_there(tmp_path: Path, name: str) -> None:
    folder = published(tmp_path / "x")
    (folder / name).unlink()
    assert look("x", folder, 29, LIMITS).is_well
    assert look("x", folder, 31, LIMITS).reason == f"no {name} 31 s after its start"


def test_what_a_rendition_left_that_is_no_longer_declared_is_no_fault(tmp_path: Path) -> None:
    folder = published(tmp_path / "x")
    (folder / "opus").mkdir()
    (folder / "opus" / "live.m3u8").write_text("#EXTM3U\n")
    aged(folder / "opus" / "live.m3u8", 10_000)
    health = look("x", folder, 1000, LIMITS)
    assert health.is_well and health.playlist_age_s is not None and health.playlist_age_s < 60


def test_a_playlist_that_is_no_text_holds_nothing_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders, now = Folders(tmp_path, 990), time.time()
    bad, good = published(tmp_path / "bad"), published(tmp_path / "good")
    (bad / "live.m3u8").write_bytes(b"\xff\xfe")
    folders.sweep(set())
    assert "is no playlist" in caplog.text
    assert all(
        path.read_text().endswith("#EXT-X-ENDLIST\n") for path in (bad / "aac/live.m3u8", good / "live.m3u8")
    )
    folders.sweep(set(), now + 1000)
    assert not bad.exists() and not good.exists()


def test_the_service_is_well_when_all_are_and_alive_when_any_is(tmp_path: Path) -> None:
    well = look("a", published(tmp_path / "a"), 1000, LIMITS)
    stale = look("b", published(tmp_path / "b", age_s=99), 1000, LIMITS)
    assert reasons([well]) == [] and is_alive([well], LIMITS, 1000)
    assert [why[:2] for why in reasons([well, stale])] == ["b:"] and is_alive([well, stale], LIMITS, 1000)
    assert not is_alive([stale], LIMITS, 1000)
    assert reasons([]) == ["no station is on air"]
    assert is_alive([], LIMITS, 10) and not is_alive([], LIMITS, 31)


def test_station_logs_are_rotated_with_one_old_file_kept(tmp_path: Path) -> None:
    logs = StationLogs(tmp_path / "logs", 0.001)
    log = logs.open("x")
    log.setLevel("INFO")
    for number in range(200):
        log.info("line %d", number)
    logs.close("x")
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["x.log", "x.log.old"]
    sizes = [path.stat().st_size for path in (tmp_path / "logs").iterdir()]
    assert max(sizes) <= 1000 and "line 199" in (tmp_path / "logs" / "x.log").read_text()
    # It goes on in the same file, and writes each line once.
    logs.open("x").info("again")
    logs.open("x").info("and again")
    logs.close("x")
    assert (tmp_path / "logs" / "x.log").read_text().count("again") == 2


def test_a_station_log_that_cannot_be_written_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    StationLogs(tmp_path / "file", 20).open("x").warning("heard")
    assert "no log file" in caplog.text and "heard" in caplog.text
