"""Inputs: a station that is relayed by another."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import airchain
from conftest import Declared, Tone, hz_of, listened


def until(so: Callable[[], bool]) -> None:
    """Waits for something, which by far is there before this gives up."""
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_station_is_relayed(host: airchain.Host, tone: Tone, declared: Declared) -> None:
    address = host.listen("127.0.0.1:0")
    http = {"type": "http", "listen": address, "format": "mp3", "path": "/live.mp3"}
    upstream = host.add_station(
        declared(tone(1000, 120), id="upstream", mounts=[{"id": "m", "outputs": [http]}]),
    )
    with listened(f"http://{address}/live.mp3") as stream:
        stream.read(100)
    url = f"http://user:s3cret@{address}/live.mp3"
    input = {"type": "webstream", "id": "relay", "url": url, "buffer_sec": 1}
    relay = host.add_station(declared(failover={"fallback_tone": False}, inputs=[input]))
    for event in relay.events(timeout_s=60):
        if isinstance(event, airchain.PriorityChanged) and event.to == "live_scheduled":
            break
    else:
        pytest.fail("it was never heard")
    upstream.set_metadata(artist="Ånd", title="It's; \"on\"")
    for event in relay.events(timeout_s=60):
        if isinstance(event, airchain.NowPlaying) and event.item.metadata.title == "It's; \"on\"":
            assert event.item.metadata.artist == "Ånd"
            break
    else:
        pytest.fail("the title never came")
    with relay.pcm_tap() as tap:
        until(lambda: abs(hz_of(tap.read()[0]) - 1000) < 12)
    (status,) = relay.telemetry().inputs
    assert (status.id, status.kind, status.state, status.codec) == ("relay", "webstream", "streaming", "mp3")
    assert status.bytes > 0 and status.connects == 1 and not status.filling and "s3cret" not in str(status)
    assert status.buffered_s is not None and 0 < status.buffered_s < 30

    relay.remove_input("relay")
    assert relay.telemetry().inputs == ()


def test_what_cannot_be_an_input_is_refused_by_name(host: airchain.Host, declared: Declared) -> None:
    station = host.add_station(declared())
    good = {"type": "webstream", "id": "a", "url": "http://127.0.0.1:1/"}
    for wrong, named in (
        ({**good, "url": "rtsp://x:s3cret@127.0.0.1/"}, "url"),
        ({**good, "buffer_sec": 0}, "buffer_sec"),
        ({**good, "bufer_sec": 1}, "bufer_sec"),
        ({**good, "tier": "automation"}, "tier"),
        ({**good, "type": "carrier-pigeon"}, "type"),
        ({"type": "webstream", "id": "a"}, "url"),
        ({**good, "url": "http://${HOME}/"}, "NAME"),
    ):
        with pytest.raises(airchain.Error, match=named) as refused:
            station.add_input(wrong)
        assert "s3cret" not in str(refused.value)
    station.add_input(good)
    with pytest.raises(airchain.Error, match='"a" is not accepted'):
        station.add_input(good)
    station.remove_input("a")
    station.add_input(good)
    with pytest.raises(airchain.Error, match="url"):
        station.set_input_urls("a", [])
    with pytest.raises(TypeError, match="urls"):
        station.set_input_urls("a", "http://127.0.0.1:1/")
    with pytest.raises(airchain.Error, match="nobody"):
        station.remove_input("nobody")
    until(lambda: bool(station.telemetry().inputs[0].last_error))
    assert "refuses" in str(station.telemetry().inputs[0].last_error)
