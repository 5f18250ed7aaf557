"""nginx with the configuration that is deployed: headers, sessions, compression, and a log that the manager reads."""

from __future__ import annotations

import gzip
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hls_manager.access_log import Access, read_line
from hls_manager.log_tail import LogTail
from peers import Nginx, fetch
from waiting import until

INDEX = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhe-aac/live.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\naac/live.m3u8\n"
NEWLINE = "/hls/radio-x/index.m3u8%0a"
LIVE = "#EXTM3U\n" + "".join(f"#EXTINF:6.000,\n1700000000000-{n}.ts\n" for n in range(65))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    nginx = Nginx(tmp_path_factory.mktemp("nginx"))
    station = nginx.data / "hls" / "radio-x"
    (station / "aac").mkdir(parents=True)
    (station / "index.m3u8").write_text(INDEX)
    (station / "aac" / "live.m3u8").write_text(LIVE)
    (station / "aac" / "1700000000000-7.ts").write_bytes(b"\x47" + bytes(187))
    (station / ".airchain.lock").write_text("")
    yield nginx
    nginx.stop()


def logged(nginx: Nginx, number: int) -> str:
    """A line of the access log, from its end."""
    return nginx.access_log.read_text().splitlines()[-number]


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({}, "http"),
        ({"X_Forwarded_Proto": "https"}, "https"),
        ({"CF_Visitor": '{"scheme":"https"}'}, "https"),
        ({"X_Forwarded_Proto": "http", "CF_Visitor": '{"scheme":"https"}'}, "http"),
        ({"X_Forwarded_Proto": "evil://x/"}, "http"),
    ],
)
def test_a_playlist_without_a_session_leads_to_one_with(nginx: Nginx, headers: dict[str, str], scheme: str) -> None:
    status, got, _ = fetch(nginx.url("/hls/radio-x/index.m3u8"), **headers)
    expected = rf"{scheme}://127\.0\.0\.1:{nginx.port}/hls/radio-x/index\.m3u8\?s=[0-9a-f]{{32}}"
    assert status == 302 and re.fullmatch(expected, got["Location"]), got["Location"]
    assert got["Cache-Control"] == "no-store, must-revalidate" and got["Access-Control-Allow-Origin"] == "*"


def test_other_parameters_come_along(nginx: Nginx) -> None:
    status, got, _ = fetch(nginx.url("/hls/radio-x/index.m3u8?ref=app&s=%22bad%22"))
    assert status == 302 and re.search(r"\?s=[0-9a-f]{32}&ref=app&s=%22bad%22$", got["Location"])
    assert fetch(got["Location"])[0] == 200


def test_a_session_is_handed_on_to_media_playlists(nginx: Nginx) -> None:
    status, got, body = fetch(nginx.url("/hls/radio-x/index.m3u8?s=abc"))
    assert status == 200 and body.decode() == INDEX.replace(".m3u8", ".m3u8?s=abc")
    assert got["Content-Type"] == "application/vnd.apple.mpegurl"
    assert got["Cache-Control"] == "no-store, must-revalidate"
    # Segments have none: caches keep one copy for everybody.
    assert fetch(nginx.url("/hls/radio-x/aac/live.m3u8?s=abc"))[2].decode() == LIVE


def test_segments_may_be_kept_and_what_is_not_there_may_not(nginx: Nginx) -> None:
    status, got, body = fetch(nginx.url("/hls/radio-x/aac/1700000000000-7.ts"))
    assert (status, len(body), got["Content-Type"]) == (200, 188, "video/mp2t")
    assert got["Cache-Control"] == "public, s-maxage=10800, max-age=10800, no-transform, immutable"
    assert got["Access-Control-Expose-Headers"] == "Content-Range, Content-Length"
    status, got, body = fetch(nginx.url("/hls/radio-x/aac/1700000000000-7.ts"), Range="bytes=0-9")
    assert (status, len(body)) == (206, 10) and "immutable" in got["Cache-Control"]
    status, got, _ = fetch(nginx.url("/hls/radio-x/aac/1700000000000-8.ts"))
    assert (status, got["Cache-Control"], got["Access-Control-Allow-Origin"]) == (404, "no-store", "*")


def test_playlists_are_compressed_and_segments_are_not(nginx: Nginx) -> None:
    _, got, body = fetch(nginx.url("/hls/radio-x/aac/live.m3u8?s=abc"), Accept_Encoding="gzip")
    assert got["Content-Encoding"] == "gzip" and "Accept-Encoding" in got["Vary"]
    assert gzip.decompress(body).decode() == LIVE and len(body) < len(LIVE) / 5
    _, got, _ = fetch(nginx.url("/hls/radio-x/aac/1700000000000-7.ts"), Accept_Encoding="gzip")
    assert got["Content-Encoding"] is None


@pytest.mark.parametrize("path", ["/hls/radio-x/index.m3u8", "/hls/radio-x/aac/1700000000000-7.ts", "/elsewhere"])
def test_a_preflight_is_answered(nginx: Nginx, path: str) -> None:
    status, got, _ = fetch(nginx.url(path), method="OPTIONS")
    assert (status, got["Access-Control-Allow-Methods"]) == (204, "GET, HEAD, OPTIONS")
    assert got["Access-Control-Allow-Headers"] == "Range, Content-Range, Content-Length"


@pytest.mark.parametrize(
    "path", ["/hls/radio-x/.airchain.lock", "/stations_cache.json", "/hls/", "/hls/../x.m3u8", NEWLINE]
)
def test_nothing_else_is_served(nginx: Nginx, path: str) -> None:
    assert fetch(nginx.url(path))[0] in (400, 404)


def test_its_log_is_read(nginx: Nginx) -> None:
    agent = 'Player "5" \\ ü'.encode().decode("latin-1")
    told = {"User_Agent": agent, "X_Forwarded_For": "203.0.113.9, 10.0.0.1", "Referer": "https://example.org/"}

    def access(path: str, **headers: str) -> Access | None:
        before = nginx.access_log.stat().st_size if nginx.access_log.exists() else 0
        fetch(nginx.url(path), **headers)
        until("a line", lambda: nginx.access_log.stat().st_size > before)
        return read_line(logged(nginx, 1))

    got = access("/hls/radio-x/aac/live.m3u8?s=abc", **told)
    assert got is not None and (got.slug, got.session, got.is_playlist) == ("radio-x", "abc", True)
    assert (got.agent, got.address) == ('Player "5" \\ ü', "203.0.113.9")
    # The framing of chunks counts too.
    assert (got.referer, got.status) == ("https://example.org/", 200) and len(LIVE) <= got.bytes < len(LIVE) + 50
    got = access("/hls/radio-x/aac/1700000000000-7.ts?ref=app", CF_Connecting_IP="2001:db8::1")
    assert got is not None and (got.session, got.is_playlist, got.bytes) == (None, False, 188)
    assert (got.address, got.referer) == ("2001:db8::1", "app")
    assert access("/hls/radio-x/index.m3u8") is None  # A redirect.
    assert access("/hls/radio-x/aac/none.ts") is None


def test_its_health_is_its_own(nginx: Nginx) -> None:
    status, got, body = fetch(nginx.url("/health"))
    assert (status, got["Content-Type"], body) == (200, "text/plain", b"healthy\n")
    for path in ("/live", "/metrics"):
        assert fetch(nginx.url(path))[0] == 404


def test_each_line_is_read_once_while_the_log_is_rotated(nginx: Nginx, tmp_path: Path) -> None:
    """As logrotate.conf says: renamed, and nginx told to open it anew."""
    conf = (Path(__file__).parents[1] / "nginx" / "logrotate.conf").read_text()
    assert "nocreate" in conf and "kill -USR1 $(cat /tmp/nginx.pid)" in conf

    def request(number: int) -> None:
        fetch(nginx.url(f"/hls/radio-x/aac/live.m3u8?s=line{number}"))

    tail, got = LogTail(nginx.access_log, tmp_path / "place.json"), list[str]()
    tail.read()
    request(1)
    until("the first line", lambda: got.extend(tail.read()) or got)
    nginx.access_log.rename(f"{nginx.access_log}.1")
    request(2)  # nginx still has the old file open.
    nginx.send(signal.SIGUSR1)
    until("the new log", nginx.access_log.exists)
    request(3)
    until("all lines", lambda: got.extend(tail.read()) or len(got) >= 3)
    accesses = [access for line in got if (access := read_line(line))]
    assert [access.session for access in accesses] == ["line1", "line2", "line3"]
    tail.close()
