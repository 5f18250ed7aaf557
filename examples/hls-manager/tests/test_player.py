"""hls.js in a real browser, on a page of another origin, through nginx."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend import Backend, row
from browser import Browser
from manager import Manager
from peers import Icecast, Nginx
from test_list_on_air import more
from waiting import until

HLS_JS = Path(__file__).parents[3] / "target" / "hls.js" / "hls.min.js"

PAGE = """<!doctype html><audio id="audio"></audio><script src="hls.min.js"></script><script>
const audio = document.getElementById("audio"), text = new TextDecoder();
const titles = [], faults = [], urls = [];
const hls = new Hls();
hls.on(Hls.Events.FRAG_PARSING_METADATA, (_, data) => titles.push(...data.samples.map(each => text.decode(each.data))));
hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) faults.push(data.details); });
hls.on(Hls.Events.LEVEL_LOADED, (_, data) => urls.push(data.details.url));
hls.loadSource("%s");
hls.attachMedia(audio);
audio.play();
</script>"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if not HLS_JS.exists() and not os.environ.get("CI"):
        pytest.skip("there is no hls.js: `make test-manager` takes it from npm")
    (tmp_path / "pages").mkdir()
    shutil.copy(HLS_JS, tmp_path / "pages")
    browser = Browser(tmp_path / "pages")
    yield browser
    browser.close()


def test_hls_js_plays_through_a_restart(
    manager: Manager, nginx: Nginx, backend: Backend, icecast: Icecast, browser: Browser, tmp_path: Path
) -> None:
    source = icecast.source("tone", 440)
    backend.rows = [row("played", icecast.url("tone"))]
    manager.start()
    icecast.title("tone", "Somebody - Something")
    watch = manager.watch("played")
    more(watch, 4)
    (tmp_path / "pages" / "index.html").write_text(PAGE % nginx.url("/hls/played/index.m3u8"))
    browser.open("index.html")

    def played() -> float:
        assert browser.run("return faults") == []
        return float(browser.run("return audio.currentTime"))

    until("sound", lambda: played() > 1)
    until("the title", lambda: "Something" in "".join(browser.run("return titles")))
    # Every request of a media playlist has the one session.
    sessions = {url.partition("?s=")[2] for url in browser.run("return urls")}
    assert len(sessions) == 1 and len(sessions.pop()) == 32

    start = watch.count
    manager.stop()
    manager.start()
    more(watch, 4)
    # What was published after the restart is played: 2 s of each segment that came before it have gone by.
    until("sound from after the restart", lambda: played() > 2 * (start + 2))
    watch.stop()
    manager.stop()
    source.stop()
