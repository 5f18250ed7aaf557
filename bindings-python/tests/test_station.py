"""Stations on air: commands, events, outputs, managers, and the end."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import airchain
from conftest import RATE, Declared, Tone, listened


def until(station: airchain.Station, kind: type[airchain.Event], timeout_s: float = 20.0) -> Any:
    """The next event of a kind."""
    end = time.monotonic() + timeout_s
    while (left := end - time.monotonic()) > 0:
        event = station.events().get(left)
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.name} within {timeout_s} s")


def test_what_happens_is_told_from_the_start(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    path = tone(440, 60)
    station = host.add_station(declared(path))
    assert (station.id, station.sample_rate_hz, station.is_off) == ("test", RATE, False)
    first = until(station, airchain.NowPlaying)
    assert first.frame == 0 and first.item.path == path and first.started
    assert abs((datetime.now(timezone.utc) - first.utc).total_seconds()) < 30
    station.queue(tone(880, 60), title="A title", artist="Somebody", gain_db=-6.0, id="mine")
    done = until(station, airchain.CommandDone)
    assert (done.command, done.request, done.id) == ("queue", 1, "mine")
    station.skip(fade_s=0.1)
    second = until(station, airchain.NowPlaying)
    assert second.item.id == "mine" and second.item.gain_db == -6.0
    assert second.item.metadata == airchain.Metadata("A title", "Somebody")
    assert station.on_air is not None and station.on_air.item.id == "mine"
    station.change_queue("list")
    assert until(station, airchain.CommandDone).length is not None


def test_every_command_is_taken(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    chain = {"nodes": [{"type": "gain"}, {"type": "limiter"}]}
    station = host.add_station(declared(tone(440, 60), dsp_graph=chain))
    other = tone(880, 60)
    until(station, airchain.NowPlaying)
    station.play(other)
    station.play(airchain.Item(other, metadata=airchain.Metadata("x")), tier="live_scheduled")
    station.queue({"path": other})
    station.insert_emergency(tone(990, 0.2))
    station.fade(gain_db=-12, duration_s=0.1)
    station.fade(gain_db=0, tier="automation")
    station.set_param("gain", "gain_db", -3.0)
    station.set_param(0, "gain_db", 0)
    station.set_metadata(title="Another", presenter="Somebody")
    station.set_chain([{"type": "limiter", "config": {"threshold_db": -3}}])
    station.set_chain(preset="loud")
    station.skip(tier="automation", wait=False)
    station.request("skip", at_s=1e6)
    names = [until(station, airchain.CommandDone).command for _ in range(12)]
    assert sorted(names) == sorted(
        ["play", "play", "queue", "insert_emergency", "fade", "fade", "set_param", "set_param", "set_metadata"]
        + ["set_chain", "set_chain", "skip"]
    )
    station.stop("live_override")
    assert until(station, airchain.CommandFailed).error == "nothing is playing there"


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda s: s.fade(gain_db=float("nan")), airchain.CommandError, "gain_db: nan"),
        (lambda s: s.fade(gain_db=99), airchain.CommandError, "gain_db: 99"),
        (lambda s: s.play(""), airchain.CommandError, "item.path"),
        (lambda s: s.play(7), TypeError, "item: int"),
        (lambda s: s.play("a.mp3", cue_in_s=-1), airchain.CommandError, "cue_in_s: -1"),
        (lambda s: s.play("a.mp3", que_in_s=1), airchain.CommandError, "que_in_s"),
        (lambda s: s.play("a.mp3", title="\ud800"), airchain.CommandError, "title"),
        (lambda s: s.stop("everything"), airchain.CommandError, "everything"),
        (lambda s: s.skip(fade_s=-1), airchain.CommandError, "fade_s: -1"),
        (lambda s: s.skip(at_s=1, at_frame=1), airchain.CommandError, "more than one"),
        (lambda s: s.skip(at_utc=datetime(2026, 1, 1)), airchain.CommandError, "time zone"),
        (lambda s: s.request("jump"), airchain.CommandError, "jump"),
        (lambda s: s.add_output({"id": "x", "type": "icecats"}), airchain.ConfigError, "icecats"),
        (lambda s: s.remove_output("nothing"), airchain.ConfigError, "nothing"),
        (lambda s: s.change_output("nothing", format="aac"), airchain.ConfigError, "nothing"),
        (lambda s: s.rename_output("nothing", "other"), airchain.ConfigError, "nothing"),
        (lambda s: s.rename_output("nothing", "a\nb"), airchain.ConfigError, "new_id"),
        (lambda s: s.pcm_tap(buffer_s=1e9), airchain.ConfigError, "buffer_s"),
        (lambda s: s.pcm_source(sample_rate_hz=1), ValueError, "sample_rate_hz: 1"),
        (lambda s: s.pcm_source(tier="nowhere"), airchain.CommandError, "tier: nowhere"),
        (lambda s: s.pcm_source(preroll_s=1e9), airchain.ConfigError, "preroll_s"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    host: airchain.Host, declared: Declared, call: Any, error: type[Exception], named: str
) -> None:
    station = host.add_station(declared())
    with pytest.raises(error, match=named):
        call(station)


def test_all_that_is_wrong_with_a_declaration_is_said(host: airchain.Host, tmp_path: Path) -> None:
    with pytest.raises(airchain.ConfigError) as raised:
        host.add_station({"station": {"id": "x", "nme": "y", "block_ms": 5000}})
    assert "station.nme: unknown field; give name" in str(raised.value) and "block_ms" in str(raised.value)
    with pytest.raises(airchain.ConfigError, match="missing.yaml"):
        host.add_station(tmp_path / "missing.yaml")
    with pytest.raises(TypeError, match="config: int"):
        host.add_station(5)  # type: ignore[arg-type]
    with pytest.raises(airchain.ConfigError, match="already a station called x"):
        host.add_station({"station": {"id": "x"}})
        host.add_station({"station": {"id": "x"}})


def test_a_station_file_and_its_listener(host: airchain.Host, tone: Tone, tmp_path: Path) -> None:
    address = host.listen("127.0.0.1:0")
    (tmp_path / "station.yaml").write_text(
        f"station: {{ id: radio, name: Radio }}\n"
        f"mounts: [{{ id: m, outputs: [{{ type: http, listen: '{address}', format: mp3, path: /live.mp3 }}] }}]\n"
        f"automation: {{ playlist: ['{tone(440, 60)}'] }}\n"
    )
    station = host.add_station(tmp_path / "station.yaml")
    with listened(f"http://{address}/live.mp3") as stream:
        assert stream.headers["Content-Type"] == "audio/mpeg" and len(stream.read(16_384)) == 16_384
    (output,) = station.telemetry().outputs
    assert output.kind == "http" and output.health == "up" and output.bytes
    station.add_output({"id": "more", "type": "http", "listen": address, "format": "flac", "path": "/more.flac"})
    with listened(f"http://{address}/more.flac") as stream:
        assert stream.read(4) == b"OggS"
    station.rename_output("more", "less", name="Less")
    with pytest.raises(airchain.ConfigError, match="bitrate_kbps"):
        station.change_output("less", bitrate_kbps=7777)
    station.change_output("less", format="aac", path="/less.aac")
    with listened(f"http://{address}/less.aac") as stream:
        assert stream.headers["Content-Type"].startswith("audio/aac") and stream.read(1) == b"\xff"
    station.remove_output("less")
    assert [status.id for status in station.telemetry().outputs] == [output.id]


def test_figures_and_metrics(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    station = host.add_station(declared(tone(440, 60)))
    station.events()
    loud = next(event for event in station.subscribe(loudness=True) if isinstance(event, airchain.Loudness))
    assert len(loud.true_peak_dbtp) == 2 and loud.utc is not None
    end = time.monotonic() + 60
    while station.telemetry().levels.short_term_lufs is None and time.monotonic() < end:
        time.sleep(0.01)
    figures = station.telemetry()
    assert (figures.station, figures.tier, figures.buffer.health) == (station.id, "automation", "good")
    assert figures.buffer.frames and figures.buffer.ms and 0 < figures.buffer.fill <= 1
    assert figures.missed == figures.dropouts.frames and figures.counts.items_played == 1
    assert figures.utc.tzinfo is not None and figures.cpu_s.total > 0 and not figures.more
    everything = host.telemetry()
    assert [each.station for each in everything.stations] == [station.id]
    assert everything.process.resident_bytes
    sample = f'airchain_tier_on_air{{station="{station.id}",tier="automation"}} 1'
    assert sample in host.metrics().splitlines()
    address = host.serve_metrics("127.0.0.1:0")
    with listened(f"http://{address}/metrics") as page:
        assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert sample in page.read().decode().splitlines()
    health = [event.health for event in station.events(timeout_s=0.1) if isinstance(event, airchain.BufferHealth)]
    assert health[0] == "good"


def test_a_callable_is_asked_for_each_track(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    paths = iter([tone(440, 0.4), "/nowhere/gone.mp3", tone(880, 0.4)])
    asked: list[airchain.Asked] = []
    failed: list[str] = []

    def next_track(question: airchain.Asked) -> str:
        asked.append(question)
        assert threading.current_thread().name == "airchain-next-test"
        if question.number == 2 and question.failures == 0:
            raise RuntimeError("the backend is away")
        return next(paths)  # StopIteration ends the automation.

    told = lambda item, error: failed.append(item.path)  # noqa: E731
    station = host.add_station(declared(), next_track=next_track, failed=told)
    heard: list[str] = []
    while len(heard) < 2:
        event = until(station, airchain.NowPlaying)
        heard += [event.item.path[-7:]] if event.tier == "automation" else []
    assert heard == ["440.wav", "880.wav"] and failed == ["/nowhere/gone.mp3"]
    assert (asked[0].number, asked[1]) == (1, airchain.Asked(2, 0))


def test_a_callable_that_exits_or_hangs_costs_nothing(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    hang = threading.Event()

    def next_track(question: airchain.Asked) -> str:
        if question.failures == 0:
            raise SystemExit(3)
        hang.wait()
        return "/nowhere"

    station = host.add_station(declared(), next_track=next_track)
    station.queue(tone(440, 60))
    until(station, airchain.NowPlaying)
    station.close()
    hang.set()


def test_events_for_asyncio(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    async def listen() -> list[str]:
        station = host.add_station(declared(tone(440, 0.3), tone(880, 0.3)))
        names = []
        async for event in station.events_async(timeout_s=20):
            names.append(event.event)
            if isinstance(event, airchain.ItemEnded) and event.item.path.endswith("880.wav"):
                break
        return names

    names = asyncio.run(listen())
    assert names.count("now_playing") == 2 and names.count("item_ended") == 2


def test_a_subscription_that_is_closed_wakes_who_waits(host: airchain.Host, declared: Declared) -> None:
    async def listen() -> list[str]:
        events = host.add_station(declared()).events_async()
        await anext(aiter(events))
        names: list[str] = []

        async def collect() -> None:
            names.extend([event.event async for event in events])

        waits = asyncio.create_task(collect())
        await asyncio.sleep(0.1)
        await events.aclose()
        await asyncio.wait_for(waits, 20)
        # And again at once.
        return names + [event.event async for event in events]

    assert "item_ended" not in asyncio.run(listen())


def test_events_end_with_the_station(host: airchain.Host, declared: Declared) -> None:
    station = host.add_station(declared())
    thread = threading.Thread(target=lambda: list(station.events()))
    thread.start()
    station.close()
    thread.join(20)
    assert not thread.is_alive() and station.is_off


def test_what_is_closed_says_so(tone: Tone, declared: Declared) -> None:
    host = airchain.Host()
    station = host.add_station(declared(tone(440, 1)))
    host.close()
    host.close()
    assert host.is_closed and station.is_off
    for call in (station.skip, station.live_status, lambda: host.add_station(declared()), station.pcm_source):
        with pytest.raises(airchain.StoppedError):
            call()


def test_many_threads_at_once(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    path = tone(440, 60)
    station = host.add_station(declared(path))
    failures: list[BaseException] = []
    station.events()

    def work() -> None:
        try:
            for _ in range(50):
                station.queue(path)
                station.telemetry()
                station.fade(gain_db=-1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert not failures and not any(thread.is_alive() for thread in threads)
    done = [until(station, airchain.CommandDone).request for _ in range(8 * 50 * 2)]
    assert sorted(done) == list(range(1, 801))


def test_nothing_keeps_a_handle_alive(declared: Declared) -> None:
    with airchain.Host() as host:
        station = host.add_station(declared(), next_track=lambda _: None)
        tap = station.pcm_tap()
        refs = [weakref.ref(thing) for thing in (host, station, tap)]
    gc.disable()
    try:
        del host, station, tap
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()


def test_a_fork_is_told_that_the_threads_stayed(host: airchain.Host, declared: Declared) -> None:
    station = host.add_station(declared())
    source, tap, events = station.pcm_source(), station.pcm_tap(), station.events()
    calls = [station.skip, station.telemetry, tap.read, events.get, lambda: source.write(bytes(9600))]
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        for call in calls:
            try:
                call()
            except airchain.ForkError as error:
                os.write(write, str(error)[:24].encode())
        host.close()
        with airchain.Host() as own:
            own.add_station(declared()).close()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "this process was forked " * len(calls)
    assert os.waitpid(pid, 0)[1] == 0
    assert not station.is_off


def test_commands_at_a_time(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    station = host.add_station(declared(tone(440, 60)))
    start = until(station, airchain.NowPlaying).utc
    station.fade(gain_db=-6, at_frame=24_000)
    station.fade(gain_db=0, at_utc=start + timedelta(seconds=1))
    frames = [until(station, airchain.CommandDone).frame for _ in range(2)]
    assert frames[0] == 24_000 and abs(frames[1] - RATE) <= 1
