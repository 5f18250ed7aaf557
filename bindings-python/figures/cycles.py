"""Memory over many start/stop cycles: ``python figures/cycles.py [CYCLES]``.

Each cycle starts a station that encodes HLS and has a PCM source, a tap and a subscriber, hears a little of it and closes it.
Prints resident memory, threads and open files at ten points; nothing of it may grow.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import airchain

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def held() -> tuple[float, int, int]:
    """Resident memory in MiB, threads, open files."""
    gc.collect()
    return resident_mib(), len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def cycle(host: airchain.Host, folder: str, tone: str) -> None:
    """One station from start to stop."""
    output = {"type": "hls", "path": folder, "format": "aac", "bitrate_kbps": 64}
    config = {
        "station": {"id": "cycle"},
        "mounts": [{"id": "main", "outputs": [output]}],
        "automation": {"playlist": [tone]},
    }
    with host.add_station(config) as station:
        source = station.pcm_source(tier=None)
        with station.pcm_tap() as tap:
            next(iter(tap))
        next(iter(station.events(timeout_s=5.0)))
        station.telemetry()
        source.close()


def main() -> None:
    """Runs the cycles and prints the table."""
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    tone = str(Path(__file__).parents[2] / "demo" / "01-morning-carrier.opus")
    began = time.monotonic()
    print("| cycles | resident, MiB | threads | open files |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, airchain.Host() as host:
        for number in range(cycles + 1):
            if number % max(1, cycles // 10) == 0:
                mib, threads, files = held()
                print(f"| {number} | {mib:.1f} | {threads} | {files} |", flush=True)
            if number < cycles:
                cycle(host, folder, tone)
    print(f"\n{cycles} cycles in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
