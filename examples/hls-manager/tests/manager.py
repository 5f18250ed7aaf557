"""The service as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from backend import API_KEY, Backend
from hls import Watch
from peers import Process, fetch, free_port
from waiting import until

PROJECT = Path(__file__).parents[1]


class Manager:
    """Runs ``python -m hls_manager``, as often as is asked, with its files below ``folder``."""

    def __init__(self, folder: Path, backend: Backend, **environment: str) -> None:
        self.folder = folder
        self.health_port = free_port()
        self._environment = {
            "GRAPHQL_ENDPOINT": backend.url,
            "STREAMING_POD_API_KEY": API_KEY,
            "STREAM_REFRESH_INTERVAL": "1",
            "BATCH_INTERVAL_SECONDS": "1",
            "SEGMENT_DURATION": "2",
            "NGINX_LOG_PATH": str(folder / "access.log"),
            "DATA_DIR": str(folder / "data"),
            "LOG_DIR": str(folder / "logs"),
            "HEALTH_LISTEN": f"127.0.0.1:{self.health_port}",
            **environment,
        }
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def set(self, **environment: str) -> None:
        """Gives it other settings from its next start on."""
        self._environment.update(environment)

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        for _ in range(5):
            self._process = self._run("manager.out")
            until("the manager", lambda: self.process.listens_at(self.health_port) or not self.process.is_running())
            if self.process.is_running():
                until("its answer", self._answers)
                return
            assert "in use" in self.process.said, self.process.said
            self.health_port = free_port()
            self.set(HEALTH_LISTEN=f"127.0.0.1:{self.health_port}")
        raise AssertionError(self.process.said)

    def stop(self) -> None:
        """Ends it cleanly."""
        assert self.process.stop() == 0, self.process.said

    def kill(self) -> None:
        self.process.stop(signal.SIGKILL)

    def close(self) -> None:
        if self._process is not None and self._process.is_running():
            self.kill()

    def get(self, path: str) -> tuple[int, Any]:
        status, _, body = fetch(f"http://127.0.0.1:{self.health_port}{path}")
        return status, json.loads(body)

    def well(self) -> bool:
        return self.get("/health")[0] == 200

    def health_check(self, *options: str) -> int:
        """The exit status of the command of that name."""
        return self._run("health_check.out", "health_check", *options).wait()

    def fails(self) -> int:
        """Starts it where it cannot run; its exit status."""
        self._process = self._run("manager.out")
        return self._process.wait()

    def stream(self, slug: str) -> dict[str, Any]:
        """How the stream of a station does."""
        stations = self.get("/health")[1]["stations"]
        return dict(stations.get(slug, {}).get("stream", {}))

    def station(self, slug: str) -> Path:
        """A station's folder."""
        return self.folder / "data" / "hls" / slug

    def log(self, slug: str) -> str:
        path = self.folder / "logs" / f"{slug}.log"
        return path.read_text() if path.exists() else ""

    def watch(self, slug: str, rendition: str = "aac/", *, may_end: bool = False) -> Watch:
        return Watch(self.station(slug) / rendition / "live.m3u8", may_end=may_end)

    def segments(self, watch: Watch, first: int = 0, last: int | None = None) -> bytes:
        """The segments that a watch has seen, in one stretch."""
        chosen = watch.segments[first:last]
        return b"".join((watch.path.parent / segment.name).read_bytes() for segment in chosen)

    def _run(self, output: str, *arguments: str) -> Process:
        self.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "hls_manager", *arguments]
        return Process(command, self.folder / output, cwd=PROJECT, env={**os.environ, **self._environment})

    def _answers(self) -> bool:
        try:
            return bool(self.get("/health"))
        except OSError:
            return False
