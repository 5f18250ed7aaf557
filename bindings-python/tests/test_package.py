"""The package as such: its surface beside Rust's, its types, its log, and its end."""

from __future__ import annotations

import inspect
import json
import logging
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import airchain
from conftest import Declared, Tone, listened

ROOT = Path(__file__).parents[2]

#: What each public method of Rust is in Python.
STATION = {
    "id": "id",
    "sample_rate_hz": "sample_rate_hz",
    "latency": "latency",
    "request": "request",
    "add_input": "add_input",
    "set_input_urls": "set_input_urls",
    "remove_input": "remove_input",
    "inputs": "telemetry",
    "add_output": "add_output",
    "add_declared_output": "add_output",
    "remove_output": "remove_output",
    "change_output": "change_output",
    "change_declared_output": "change_output",
    "rename_output": "rename_output",
    "live_config": "pcm_source",  # Its fields are arguments there.
    "live_source": "pcm_source",
    "live_status": "live_status",
    "tap": "pcm_tap",
    "reports": "events",
    "reports_and_loudness": "subscribe",
    "telemetry": "telemetry",
    "telemetry_stream": "telemetry",
    "position": "position",
    "missed": "missed",
    "on_air": "on_air",
    "elapsed_s": "telemetry",
    "recent": "recent",
    "levels": "telemetry",
    "reset_loudness": "reset_loudness",
    "outputs": "telemetry",
    "faults": "telemetry",
    "is_finished": "is_finished",
    "is_off": "is_off",
    "stop": "close",
}
HOST = {"new": "__init__", "add_station": "add_station", "listener": "listen", "shutdown": "close"} | {
    name: name for name in ("telemetry", "metrics", "serve_metrics")
}
#: Rust only: the command log is a file of the command line.
RUST_ONLY = {"commands"}
#: Commands that only logs hold.
LOG_ONLY = {"Replay", "Load", "Unload", "Level", "Move"}


def methods(path: str) -> set[str]:
    """Public methods in a Rust file."""
    return set(re.findall(r"^    pub fn (\w+)", (ROOT / path).read_text(), re.MULTILINE))


def test_python_has_what_rust_has() -> None:
    for path, names, kind in (
        ("airchain/src/station.rs", STATION, airchain.Station),
        ("airchain/src/host.rs", HOST, airchain.Host),
    ):
        assert methods(path) - RUST_ONLY == set(names), f"{path} and Python's {kind.__name__} differ"
        assert all(hasattr(kind, name) for name in names.values())
    request = (ROOT / "core/src/playout/request.rs").read_text()
    body = request[request.index("pub enum Request") : request.index("/// Where an item goes among")]
    commands = set(re.findall(r"^    ([A-Z]\w+)(?: \{|\(|,)", body, re.MULTILINE)) - LOG_ONLY
    snake = {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in commands}
    assert snake and all(callable(getattr(airchain.Station, name)) for name in snake), snake


def test_python_knows_every_event_and_figure() -> None:
    report = (ROOT / "core/src/playout/report.rs").read_text()
    body = report[report.index("pub enum StationEvent") : report.index("/// The most items of a line-up")]
    events = set(re.findall(r"^    ([A-Z]\w+) \{", body, re.MULTILINE))
    assert events == {kind.__name__ for kind in airchain._events._ALL}
    for path, start, kind in (
        ("airchain/src/meter/mod.rs", "pub struct Levels", airchain.Levels),
        ("codecs/src/analyze/mod.rs", "pub struct Analysis", airchain.Analysis),
        ("core/src/item.rs", "pub struct Item {", airchain.Item),
        ("airchain/src/telemetry/mod.rs", "pub struct HostTelemetry", airchain.HostTelemetry),
        ("airchain/src/telemetry/mod.rs", "pub struct Telemetry", airchain.Telemetry),
        ("airchain/src/telemetry/mod.rs", "pub struct Buffer", airchain.Buffer),
        ("airchain/src/telemetry/mod.rs", "pub struct Lost", airchain.Lost),
        ("airchain/src/telemetry/mod.rs", "pub struct CpuTime", airchain.CpuTime),
        ("airchain/src/telemetry/mod.rs", "pub struct Queue", airchain.Queue),
        ("airchain/src/telemetry/mod.rs", "pub struct Counts", airchain.Counts),
        ("airchain/src/telemetry/process.rs", "pub struct Process", airchain.Process),
    ):
        text = (ROOT / path).read_text()
        body = text[text.index(start) :].split("\n}\n")[0]
        fields = set(re.findall(r"^    pub (\w+):", body, re.MULTILINE))
        assert fields == {f.name for f in kind.__dataclass_fields__.values()} - {"more"}, kind


def test_everything_public_is_documented_and_typed() -> None:
    for name in airchain.__all__:
        thing = getattr(airchain, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        assert thing.__doc__, f"{name} has no docstring"
        for attribute, method in vars(thing).items():
            if not attribute.startswith("_") and inspect.isfunction(method):
                hints = inspect.signature(method)
                assert hints.return_annotation is not inspect.Signature.empty, f"{name}.{attribute}"


def test_types_hold(tmp_path: Path) -> None:
    python = [sys.executable, "-m"]
    sources = str(ROOT / "bindings-python/python/airchain")
    for command in (["mypy", "--strict", sources], ["mypy.stubtest", "airchain._airchain"]):
        done = subprocess.run([*python, *command], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_airchain_logs_is_logged(
    host: airchain.Host, declared: Declared, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def said(text: str) -> list[str]:
        return [record.name for record in caplog.records if text in record.message]

    with caplog.at_level(logging.INFO, logger="airchain"):
        output = {"type": "recording", "path": str(tmp_path), "format": "flac"}
        host.add_station(declared(mounts=[{"id": "m", "outputs": [output]}])).queue("/nowhere/gone.mp3")
        end = time.monotonic() + 20
        while not (said("gone.mp3") and said("output is up")) and time.monotonic() < end:
            time.sleep(0.05)
    # All its crates log below the one name.
    assert said("gone.mp3") == ["airchain.desk.telling"] and said("output is up") == ["airchain.outputs.health"]


def test_the_interpreter_ends_cleanly_while_on_air(tone: Tone) -> None:
    script = f"""
import airchain
host = airchain.Host()
station = host.add_station({{"station": {{"id": "x"}}, "automation": {{"playlist": [{tone(440, 60)!r}]}}}},)
other = host.add_station({{"station": {{"id": "y"}}}}, next_track=lambda asked: None)
tap, source, events = station.pcm_tap(), station.pcm_source(), station.events()
print(next(event.event for event in events if event.event != "command_done"))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "priority_changed\n"), done.stderr
    # What airchain itself had to say is all that is there.
    assert not [line for line in done.stderr.splitlines() if "station=" not in line], done.stderr


def test_play_from_the_command_line(tone: Tone, host: airchain.Host) -> None:
    # A port that was free a moment ago.
    address = host.listen("127.0.0.1:0")
    host.close()
    command = [sys.executable, "-m", "airchain", "play", tone(440, 60), "--listen", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as played:
        try:
            assert played.stdout is not None and played.stdout.readline() == "play: 440\n"
            with listened(f"http://{address}/live.mp3") as stream:
                assert len(stream.read(8_192)) == 8_192
        finally:
            played.send_signal(signal.SIGTERM)
        assert played.wait(30) == 0


def test_analyze_from_the_command_line(tone: Tone) -> None:
    command = [sys.executable, "-m", "airchain", "analyze", tone(1000, 2), "/nowhere/gone.mp3"]
    done = subprocess.run(command, capture_output=True, text=True)
    good, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1 and good["duration_s"] == 2.0 and "gone.mp3" in bad["error"]
