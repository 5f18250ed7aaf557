"""Of what stands around the manager: that it comes up when another was quicker to take its port."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import peers
from peers import Icecast, Nginx, Server


@pytest.mark.parametrize("start", [Nginx, Icecast])
def test_a_port_that_another_took_is_given_up(
    start: Callable[[Path], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not in pytest's folders, for the reason that conftest.py gives.
    with socket.create_server(("127.0.0.1", 0)) as other, tempfile.TemporaryDirectory() as folder:
        taken, free = int(other.getsockname()[1]), peers.free_port()
        ports = iter((taken, free))
        monkeypatch.setattr(peers, "free_port", lambda: next(ports))
        server = start(Path(folder))
        assert server.port == free and server.listens_at(free) and not server.listens_at(taken)
        server.stop()
