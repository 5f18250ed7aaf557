"""From the engine to asyncio: ``python figures/latency.py [SECONDS]``.

A station's title is changed at frames that are known beforehand, twenty times a second; an ``async for`` over its events
notes when it hears of each. Printed is how long after the frame left the bus that was, and how late asyncio itself wakes in the
same run.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import airchain

RATE_HZ = 48_000
EVERY_S = 0.05


def quantiles(values: list[float]) -> str:
    """Median, 95th and 99th percentile and maximum, in ms."""
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]
    return " | ".join(f"{value * 1000:.1f}" for value in (*at, ordered[-1]))


async def measure(station: airchain.Station, seconds: float) -> tuple[list[float], list[float]]:
    """Delays of events, and of asyncio's own timers."""
    events, timers = [], []
    first = station.position + RATE_HZ // 2
    count = int(seconds / EVERY_S)
    for number in range(count):
        station.request("set_metadata", metadata={"title": str(number)}, at_frame=first + int(number * EVERY_S * RATE_HZ))

    async def tick() -> None:
        while True:
            due = time.perf_counter() + 0.01
            await asyncio.sleep(0.01)
            timers.append(time.perf_counter() - due)

    ticker = asyncio.create_task(tick())
    async for event in station.events_async(timeout_s=5.0):
        heard = time.time()
        if isinstance(event, airchain.NowPlaying) and event.frame >= first:
            events.append(heard - event.utc.timestamp())
        if len(events) == count:
            break
    ticker.cancel()
    return events, timers


def main() -> None:
    """Runs it and prints the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    tone = str(Path(__file__).parents[2] / "demo" / "01-morning-carrier.opus")
    config = {"station": {"id": "latency"}, "automation": {"playlist": [tone], "loop": True}}
    with airchain.Host() as host, host.add_station(config) as station:
        events, timers = asyncio.run(measure(station, seconds))
    print("| | median | 95 % | 99 % | worst |\n|---|---|---|---|---|")
    print(f"| event at `async for` after its frame left the bus, ms | {quantiles(events)} |")
    print(f"| asyncio's own timers late, ms | {quantiles(timers)} |")
    print(f"\n{len(events)} events")


if __name__ == "__main__":
    main()
