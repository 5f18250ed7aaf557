"""The service's own pages: ``/health``, ``/live`` and ``/metrics``. For probes and operators, not for listeners."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import __name__ as service

#: A page: its status, its type and its text.
Page = tuple[int, str, str]


def json_page(status: int, content: Mapping[str, Any]) -> Page:
    """A page of JSON."""
    return status, "application/json", json.dumps(content, indent=2) + "\n"


class Web:
    """Serves pages at an address, each made anew for every request on a thread of its own."""

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Callable[[], Page]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            server_version = service
            timeout = 10

            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                status, kind, text = page() if page else (404, "text/plain", "there is " + ", ".join(pages) + "\n")
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass  # A probe every five seconds is no news.

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # A probe that hung up.

        self._server = Server(address, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="web", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
