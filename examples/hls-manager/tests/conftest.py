"""What the tests share: real peers, one of each per test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend import Backend
from manager import Manager
from peers import Icecast, Nginx


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that wait for a stream begin first, the longest of them before all."""
    items.sort(key=lambda item: ("icecast" not in getattr(item, "fixturenames", ()), "forty" not in item.name))


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.stop()


@pytest.fixture
def icecast() -> Iterator[Icecast]:
    # Started by root it becomes nobody, who cannot get into pytest's folders.
    with tempfile.TemporaryDirectory(prefix="icecast-") as folder:
        icecast = Icecast(Path(folder))
        yield icecast
        icecast.stop()


@pytest.fixture
def manager(tmp_path: Path, backend: Backend) -> Iterator[Manager]:
    """Not started yet."""
    manager = Manager(tmp_path, backend)
    yield manager
    manager.close()


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """In front of the manager."""
    nginx = Nginx(tmp_path)
    yield nginx
    nginx.stop()
