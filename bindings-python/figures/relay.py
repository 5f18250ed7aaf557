"""Many relayed stations in one process, beside one FFmpeg process per station for the same job, in the same run:
``python figures/relay.py [STATIONS] [SECONDS]``.

Each station listens to an MP3 stream of 128 kbit/s and writes HLS with two renditions, AAC of 64 and 128 kbit/s, segments of 6 s.
(FFmpeg's own encoder knows no HE-AAC, so the pair is Low Complexity on both sides; the last row is airchain with HE-AAC 64 for the
smaller one.) Printed are CPU seconds per station and minute, and memory: proportional set size (what is shared counts once), all
processes together, per station. Upstream and both programs share the machine; the figures are of the programs alone.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import airchain

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
#: Audio that is not measured: connecting, filling buffers, first segments.
SETTLE_S = 15.0


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_mib(pid: int) -> float:
    """Proportional set size of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(pids: list[int], stations: int, seconds: float) -> tuple[float, float, int]:
    """CPU seconds per station-minute, MiB per station, threads."""
    time.sleep(SETTLE_S)
    before, began = sum(map(cpu_s, pids)), time.monotonic()
    time.sleep(seconds)
    used, passed = sum(map(cpu_s, pids)) - before, time.monotonic() - began
    memory = sum(map(pss_mib, pids))
    threads = sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)
    return used / stations / passed * 60, memory / stations, threads


def relays(url: str, folder: str, stations: int, small: str, done: multiprocessing.synchronize.Event) -> None:
    """A process with all stations."""
    with airchain.Host() as host:
        for number in range(stations):
            renditions = [
                {"name": "low", "format": small, "bitrate_kbps": 64},
                {"name": "high", "format": "aac", "bitrate_kbps": 128},
            ]
            hls = {"type": "hls", "path": f"{folder}/{number}", "segment_duration_sec": 6, "renditions": renditions}
            host.add_station(
                {
                    "station": {"id": f"s{number}", "sample_rate": 44_100},
                    "inputs": [{"type": "webstream", "id": "upstream", "url": url}],
                    "mounts": [{"id": "hls", "outputs": [hls]}],
                }
            )
        done.wait()


def ffmpeg(url: str, folder: str) -> subprocess.Popen[bytes]:
    """A process with one station."""
    os.makedirs(folder)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-reconnect", "1", "-reconnect_streamed", "1", "-i", url]
    command += ["-map", "0:a", "-map", "0:a", "-c:a", "aac", "-b:a:0", "64k", "-b:a:1", "128k"]
    command += ["-f", "hls", "-hls_time", "6", "-hls_list_size", "65", "-hls_flags", "delete_segments+program_date_time"]
    command += ["-var_stream_map", "a:0,name:low a:1,name:high", "-master_pl_name", "index.m3u8"]
    command += ["-hls_segment_filename", f"{folder}/%v-%d.ts", f"{folder}/%v.m3u8"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def main() -> None:
    """Runs it and prints the table."""
    stations = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        mp3 = f"{folder}/programme.mp3"
        music = str(HERE.parents[1] / "demo" / "01-morning-carrier.opus")
        encode = ["ffmpeg", "-nostdin", "-v", "error", "-i", music, "-ar", "44100", "-b:a", "128k"]
        subprocess.run([*encode, "-write_xing", "0", "-id3v2_version", "0", mp3], check=True)
        upstream = subprocess.Popen(
            [sys.executable, str(HERE / "upstream.py"), mp3, "16000"], stdout=subprocess.PIPE, text=True
        )
        assert upstream.stdout is not None
        url = f"http://127.0.0.1:{upstream.stdout.readline().strip()}/live.mp3"
        spawn = multiprocessing.get_context("spawn")
        try:
            for small in ("aac", "he-aac"):
                done = spawn.Event()
                process = spawn.Process(target=relays, args=(url, f"{folder}/{small}", stations, small, done))
                process.start()
                assert process.pid is not None
                rows.append((f"airchain, {small} 64 + aac 128", 1, *measure([process.pid], stations, seconds)))
                done.set()
                process.join()
                if small == "aac":
                    processes = [ffmpeg(url, f"{folder}/ffmpeg-{number}") for number in range(stations)]
                    pids = [process.pid for process in processes]
                    rows.append(("ffmpeg, aac 64 + aac 128", stations, *measure(pids, stations, seconds)))
                    for peer in processes:
                        peer.terminate()
                        peer.wait()
        finally:
            upstream.kill()
    print(f"{stations} stations, {seconds:.0f} s each\n")
    print("| | processes | CPU s per station-minute | MiB per station | threads |\n|---|---|---|---|---|")
    for name, count, cpu, memory, threads in rows:
        print(f"| {name} | {count} | {cpu:.2f} | {memory:.1f} | {threads} |")


if __name__ == "__main__":
    main()
