"""What the list does to the stations on air: each change touches its own station and no other."""

from __future__ import annotations

from pathlib import Path

from backend import Backend, row
from hls import Watch, assert_gapless, decoded, sounding, strongest_hz
from manager import Manager
from peers import Icecast
from waiting import until


def more(watch: Watch, count: int = 2) -> None:
    """Waits for so many more segments."""
    enough = watch.count + count
    until(f"{count} more segments in {watch.path}", lambda: watch.count >= enough)


def test_stations_come_change_and_go_while_others_go_on(manager: Manager, backend: Backend, icecast: Icecast) -> None:
    sources = [icecast.source(f"tone{hz}", hz) for hz in (440, 880)]
    low, high = icecast.url("tone440"), icecast.url("tone880")
    steady, moving, going = row("steady", low), row("moving", low, id=2), row("going", high, id=3)
    backend.rows = [steady, moving, going, row("Not A Slug", low, id=4), row("off", low, id=5, disabled=True)]
    manager.start()
    steadily, moved = manager.watch("steady"), manager.watch("moving")
    gone, late = manager.watch("going", may_end=True), manager.watch("late", may_end=True)
    for watch in (steadily, moved, gone):
        more(watch)
    assert "slug: 'Not A Slug'" in manager.process.said and not manager.station("off").exists()

    # One comes, one is called something else, one has another stream.
    steady, moving, new = {**steady, "title": "Another"}, {**moving, "stream_url": high}, row("late", low, id=6)
    backend.rows = [steady, going, moving, new]
    more(late)
    until("the other stream", lambda: manager.stream("moving").get("url") == high)
    assert "it is called Another now" in manager.log("steady")

    # One is taken off and one disabled: both are ended, and their folders stay for a while.
    backend.rows = [steady, moving, {**new, "disabled": True}]
    for watch in (gone, late):
        until("its end", lambda: "#EXT-X-ENDLIST" in watch.path.read_text())
    mark = manager.station("going") / ".removed"
    until("the mark", mark.exists)

    # A row that is broken for a moment takes nothing off the air.
    backend.rows = [{**steady, "stream_url": "nonsense"}, moving]
    backend.refreshed(3)
    more(steadily)

    # One that comes back goes on in its folder.
    backend.rows = [steady, moving, going]
    more(gone)
    assert "#EXT-X-ENDLIST" not in gone.path.read_text() and not mark.exists()

    for watch in (steadily, moved):
        assert_gapless(watch.stop())
    for watch in (gone, late):
        watch.stop()
    heard = sounding(decoded(manager.segments(moved)))
    assert abs(strongest_hz(heard[:44_100]) - 440) < 2 and abs(strongest_hz(heard[-44_100:]) - 880) < 2
    manager.stop()
    for source in sources:
        source.stop()


def test_without_graphql_the_kept_list_is_on_air(manager: Manager, backend: Backend, icecast: Icecast) -> None:
    source = icecast.source("tone", 440)
    backend.rows = kept = [row("kept", icecast.url("tone"))]
    manager.start()
    watch = manager.watch("kept")
    more(watch)

    # It goes away, and comes back with nothing: everything goes on.
    backend.stop()
    until("a failure", lambda: manager.get("/health")[1]["station_list"]["error"])
    more(watch)
    assert manager.well() and "no station list from GraphQL" in manager.process.said
    backend.rows = []
    backend.start()
    backend.refreshed(2)
    more(watch)
    assert_gapless(watch.segments)
    manager.stop()

    # A start without it.
    backend.stop()
    manager.start()
    more(watch)
    assert manager.get("/health")[1]["station_list"]["error"]
    backend.rows = kept
    backend.start()
    until("the list", lambda: manager.get("/health")[1]["station_list"]["error"] is None)
    watch.stop()
    manager.stop()
    source.stop()


def test_restarts_go_on(manager: Manager, backend: Backend, icecast: Icecast) -> None:
    """Ended by SIGTERM and by SIGKILL, as a watch over the whole time sees it: it asserts that numbers grow, names
    never come twice, and nothing published changes."""
    source = icecast.source("tone", 440)
    backend.rows = [row("steady", icecast.url("tone"))]
    watches = [manager.watch("steady"), manager.watch("steady", "")]
    for end in (manager.stop, manager.kill, manager.stop):
        manager.start()
        for watch in watches:
            more(watch, 3)
        end()
    lists = [watch.stop() for watch in watches]
    # Both renditions are cut alike, and each restart is one seam in each.
    for first, second in zip(*lists, strict=True):
        assert (first.sequence, first.date, first.discontinuity) == (second.sequence, second.date, second.discontinuity)
    assert [segment.discontinuity for segment in lists[0]].count(True) == 2
    # Everything in the playlist is there.
    folder = Path(watches[0].path).parent
    assert all((folder / segment.name).stat().st_size > 1000 for segment in lists[0])
    source.stop()
