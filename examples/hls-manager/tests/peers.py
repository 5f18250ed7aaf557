"""What stands around the manager: the processes nginx, icecast2 and ffmpeg, each on ports of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path
from urllib.parse import quote

from waiting import until

NGINX_CONF = Path(__file__).parents[1] / "nginx" / "nginx.conf"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class _Kept(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def fetch(url: str, *, method: str = "GET", **headers: str) -> tuple[int, HTTPMessage, bytes]:
    """Status, headers and body, without following redirects."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=named)
    try:
        with urllib.request.build_opener(_Kept).open(request, timeout=20) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


class Process:
    """A process that ends with the test, with its output in a file."""

    def __init__(self, command: list[str], output: Path, **options: object) -> None:
        self.output = output
        with open(output, "ab") as out:
            self._process = subprocess.Popen(  # type: ignore[call-overload]
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options
            )

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._process.poll() is None

    def listens_at(self, port: int) -> bool:
        """Whether it, and not another, listens there."""
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        sockets = {f"socket:[{row[9]}]" for row in map(str.split, table) if row[1].endswith(f":{port:04X}")}
        try:
            return any(os.readlink(file) in sockets for file in Path(f"/proc/{self.pid}/fd").iterdir())
        except OSError:
            return False  # It ended, or closed one just now.

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 30) -> int:
        return int(self._process.wait(timeout_s))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; its exit status."""
        if self.is_running():
            self.send(number)
        return self.wait()


class Server(Process):
    """A process that listens at a port of its own; if another was quicker to take that, at the next."""

    def __init__(self, name: str, command: Callable[[int], list[str]], output: Path) -> None:
        for _ in range(5):
            self.port = free_port()
            output.unlink(missing_ok=True)
            super().__init__(command(self.port), output)
            try:
                until(name, lambda: self.listens_at(self.port) or not self.is_running() or "in use" in self.said)
            except BaseException:
                self.stop(signal.SIGKILL)
                raise
            if self.listens_at(self.port):
                return
            self.stop(signal.SIGKILL)
        raise AssertionError(f"{name} does not start: {self.said}")


class Nginx(Server):
    """nginx with the configuration that is deployed, but for its ports and folders."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        (self.data / "hls").mkdir(parents=True, exist_ok=True)
        (folder / "nginx").mkdir(exist_ok=True)
        self.access_log = folder / "access.log"
        self._folder = folder
        super().__init__("nginx", self._command, folder / "nginx.out")

    def _command(self, port: int) -> list[str]:
        text = NGINX_CONF.read_text()
        for deployed, here in (
            ("listen 8080 reuseport", f"listen 127.0.0.1:{port}"),
            ("worker_processes auto", "daemon off; worker_processes 1"),
            ("/tmp/nginx_session_access.log", str(self.access_log)),
            ("/tmp/data", str(self.data)),
            ("/tmp/nginx", str(self._folder / "nginx" / "nginx")),
        ):
            assert deployed in text, f"nginx.conf has no {deployed}"
            text = text.replace(deployed, here)
        # Started by root, workers would not be allowed to read the test's folder.
        (self._folder / "nginx.conf").write_text("user root;\n" + text)
        return ["nginx", "-c", str(self._folder / "nginx.conf"), "-p", str(self._folder)]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


_ICECAST = """<icecast>
  <limits><sources>20</sources><burst-size>65536</burst-size></limits>
  <authentication><source-password>hackme</source-password><admin-user>admin</admin-user>
    <admin-password>hackme</admin-password></authentication>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths><logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>
    <adminroot>/usr/share/icecast2/admin</adminroot></paths>
  <logging><errorlog>error.log</errorlog><accesslog>access.log</accesslog></logging>
  <security><chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>
</icecast>"""


class Icecast(Server):
    """icecast2, and the sources that send to it."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o777)
        self._folder = folder
        self._sources: list[Process] = []
        super().__init__("icecast2", self._command, folder / "icecast.out")

    def _command(self, port: int) -> list[str]:
        (self._folder / "icecast.xml").write_text(_ICECAST.format(port=port, folder=self._folder))
        return ["icecast2", "-c", str(self._folder / "icecast.xml")]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        for source in self._sources:
            source.stop()
        return super().stop(number)

    def url(self, mount: str) -> str:
        return f"http://127.0.0.1:{self.port}/{mount}"

    def source(self, mount: str, hz: float) -> Process:
        """ffmpeg, sending a tone as MP3 in real time; returns when listeners can have it."""
        target = f"icecast://source:hackme@127.0.0.1:{self.port}/{mount}"
        tone = ["-re", "-f", "lavfi", "-i", f"sine=frequency={hz}:sample_rate=44100"]
        coded = ["-ac", "2", "-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg", "-f", "mp3"]
        command = ["ffmpeg", "-loglevel", "error", *tone, *coded, target]
        source = Process(command, self._folder / f"{mount}.out")
        self._sources.append(source)
        until(f"the source of {mount}", lambda: re.search(rf'"listenurl":"[^"]*/{re.escape(mount)}"', self._status()))
        return source

    def title(self, mount: str, title: str) -> None:
        """Tells the mount's listeners a title."""
        path = f"/admin/metadata?mode=updinfo&mount=/{mount}&song={quote(title)}"
        password = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        password.add_password(None, f"http://127.0.0.1:{self.port}", "admin", "hackme")
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(password))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            assert b"successful" in answer.read()

    def _status(self) -> str:
        return fetch(self.url("status-json.xsl"))[2].decode()
