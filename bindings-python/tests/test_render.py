"""Renders to numpy: what is heard, where, and what is said of it."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

import airchain
from conftest import RATE, Declared, Tone, hz_of


def test_the_frames_of_the_items_and_nothing_else(tone: Tone, declared: Declared) -> None:
    events: list[airchain.Event] = []
    pcm = airchain.render(declared(tone(440, 1), tone(880, 0.5)), on_event=events.append)
    assert pcm.shape == (2, RATE * 3 // 2) and pcm.dtype == np.float32
    assert abs(hz_of(pcm[0, :RATE]) - 440) < 2 and abs(hz_of(pcm[1, RATE:]) - 880) < 4
    told = [event for event in events if isinstance(event, airchain.NowPlaying) and event.tier == "automation"]
    starts = [(event.frame, event.item.path[-7:]) for event in told]
    assert starts == [(0, "440.wav"), (RATE, "880.wav")]
    assert all(event.utc is None for event in events)


def test_a_script_is_carried_out_to_the_frame(tone: Tone, declared: Declared) -> None:
    script = [
        {"at": 0.5, "command": "insert_emergency", "item": {"path": tone(1500, 0.25)}},
        {"frame": 3 * RATE // 2, "command": "fade", "gain_db": -120, "duration_s": 0.1},
    ]
    pcm = airchain.render(declared(tone(440, 3)), 2, script=script)
    assert pcm.shape == (2, 2 * RATE)
    assert abs(hz_of(pcm[0, RATE // 2 + 480 : RATE * 3 // 4]) - 1500) < 8
    assert np.abs(pcm[:, -RATE // 4 :]).max() == 0.0


def test_twice_the_same_is_the_same_bit_for_bit(tone: Tone, declared: Declared) -> None:
    config = declared(tone(440, 1), tone(660, 1), dsp_graph={"nodes": [{"type": "limiter"}]})
    assert np.array_equal(airchain.render(config), airchain.render(config))


def test_blocks_are_the_whole(tone: Tone, declared: Declared) -> None:
    config = declared(tone(440, 1.234))
    render = airchain.Render(config)
    assert render.sample_rate_hz == RATE
    blocks = list(render)
    assert np.array_equal(np.concatenate(blocks, axis=1), airchain.render(config))
    assert render.read() is None and render.read() is None


def test_a_schedule_needs_a_time_with_a_zone(tone: Tone, declared: Declared) -> None:
    with pytest.raises(ValueError, match="start: .* has no time zone"):
        airchain.render(declared(tone(440, 1)), start=datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ({"at": 1, "command": "skp"}, "skp"),
        ({"at": -1, "command": "skip"}, "at: -1"),
        ({"command": "skip"}, "neither at"),
        ({"at": 1, "command": "fade", "gain_db": float("inf")}, "gain_db: inf"),
        ({"at": 1, "command": "stop", "tier": "emergencies"}, "emergencies"),
    ],
)
def test_a_script_that_cannot_be_meant_is_refused_by_name(line: dict[str, object], named: str) -> None:
    with pytest.raises(airchain.CommandError, match=named):
        airchain.render({"station": {"id": "x"}}, 1, script=[line])


def test_a_programme_that_never_ends_needs_a_duration(tone: Tone) -> None:
    config = {"station": {"id": "x"}, "automation": {"playlist": [tone(440, 1)]}}
    with pytest.raises(airchain.ConfigError, match="duration_s: the playlist never ends"):
        airchain.render(config)
    assert airchain.render(config, 2.5).shape == (2, 120_000)


@pytest.mark.parametrize("duration", [-1.0, float("nan"), float("inf")])
def test_a_duration_that_cannot_be_meant(duration: float) -> None:
    with pytest.raises(ValueError, match="duration_s"):
        airchain.render({"station": {"id": "x"}}, duration)
