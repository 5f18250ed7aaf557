"""What becomes of a station's stream: its titles, and its breaks."""

from __future__ import annotations

import numpy as np

from backend import Backend, row
from hls import RENDITIONS, assert_gapless, decoded, levels_db, timed_titles
from manager import Manager
from peers import Icecast, Nginx, fetch
from test_list_on_air import more
from waiting import until


def test_titles_are_timed_metadata_in_every_rendition(
    manager: Manager, nginx: Nginx, backend: Backend, icecast: Icecast
) -> None:
    source = icecast.source("tone", 440)
    backend.rows = [row("titled", icecast.url("tone"))]
    manager.start()
    watches = {name: manager.watch("titled", folder) for name, folder in RENDITIONS.items()}
    for watch in watches.values():
        more(watch)
    icecast.title("tone", "Björk - Jóga")
    for watch in watches.values():
        until("its title", lambda: "Jóga" in timed_titles(manager.segments(watch)))
    icecast.title("tone", "Somebody - Second")
    until("the second title", lambda: "Second" in timed_titles(manager.segments(watches["aac"])))
    titles = timed_titles(manager.segments(watches["aac"]))
    assert titles.index("Jóga") < titles.index("Second")
    until("the log", lambda: "now playing: " in manager.log("titled") and "Second" in manager.log("titled"))

    # A player gets all of it through nginx.
    status, headers, index = fetch(nginx.url("/hls/titled/index.m3u8"))
    assert status == 302
    status, _, index = fetch(headers["Location"])
    for name, codec in (("he-aac", "mp4a.40.5"), ("aac", "mp4a.40.2")):
        assert f'CODECS="{codec}"' in index.decode(), name
    watched = watches["aac"].stop()
    assert_gapless(watched)
    status, _, segment = fetch(nginx.url(f"/hls/titled/aac/{watched[-1].name}"))
    assert status == 200 and segment[0] == 0x47 and len(segment) % 188 == 0
    watches["he-aac"].stop()
    manager.stop()
    source.stop()


def test_a_break_of_four_seconds_is_not_heard_and_one_of_forty_is_silence(
    manager: Manager, backend: Backend, icecast: Icecast
) -> None:
    sources = {name: icecast.source(name, 440) for name in ("short", "long")}
    backend.rows = [row("short", icecast.url("short")), row("long", icecast.url("long"), id=2)]
    manager.start()
    watches = {name: manager.watch(name) for name in sources}
    for name, watch in watches.items():
        # The longest that it takes to find a server again, and a little. What the station itself has ahead is not in it.
        until("a reserve", lambda: (manager.stream(name).get("buffered_s") or 0) > 8)
        more(watch)

    # Times are counted in what is published, not by a clock.
    began = {name: watch.count for name, watch in watches.items()}
    for source in sources.values():
        source.stop()
    until("four seconds", lambda: watches["short"].count >= began["short"] + 2)
    sources["short"] = icecast.source("short", 440)
    until("forty seconds", lambda: watches["long"].count >= began["long"] + 20, timeout_s=120)
    assert manager.well(), "a stream that is away is no reason to start the service anew"
    sources["long"] = icecast.source("long", 440)
    until("the stream", lambda: manager.stream("long").get("state") == "streaming", timeout_s=90)
    for watch in watches.values():
        more(watch, 5)

    # From the segment on in which the stream broke off.
    heard = {}
    for name, watch in watches.items():
        assert_gapless(watch.stop())
        heard[name] = levels_db(decoded(manager.segments(watch, began[name] - 1)))
    tone = float(np.median(heard["short"]))
    dead = heard["short"] < tone - 6
    assert not dead.any(), f"dead air of {np.sum(dead) / 10} s"
    silent = heard["long"] < -80
    assert 20 < np.sum(silent) / 10 < 60 and not silent[:20].any() and not silent[-20:].any()
    assert "the stream is away" in manager.log("long") and "the stream is away" not in manager.log("short")
    manager.stop()
    for source in sources.values():
        source.stop()
