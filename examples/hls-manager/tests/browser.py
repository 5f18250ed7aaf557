"""Headless Chromium, driven through ChromeDriver by the WebDriver protocol (W3C)."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

from peers import Server
from waiting import until

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    # What is not on this machine does not resolve.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


class Browser:
    """A window, and a web server of its own for the pages in ``folder``."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(_Quiet, directory=str(folder))
        self._pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._pages.serve_forever, daemon=True).start()
        self._driver = Server("chromedriver", lambda port: ["chromedriver", f"--port={port}"], folder / "chromedriver.out")
        self._url = f"http://127.0.0.1:{self._driver.port}"
        try:
            until("chromedriver", lambda: self._call("GET", "/status")["ready"])
            options = {"args": [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]}
            wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
            self._url += f"/session/{self._call('POST', '/session', wanted)['sessionId']}"
        except BaseException:
            self._driver.stop()
            raise

    def open(self, page: str) -> None:
        """Opens a page of the folder."""
        self._call("POST", "/url", {"url": f"http://127.0.0.1:{self._pages.server_address[1]}/{page}"})

    def run(self, body: str) -> Any:
        """What a function with the given body returns in the page."""
        return self._call("POST", "/execute/sync", {"script": body, "args": []})

    def close(self) -> None:
        self._call("DELETE", "")
        self._driver.stop()
        self._pages.shutdown()
        self._pages.server_close()

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
