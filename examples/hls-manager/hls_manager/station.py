"""A station as the manager wants it on air."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Station:
    """A station to be on air. Its slug is its identity: the folder it is published in, and the path listeners open."""

    id: int
    slug: str
    title: str
    stream_url: str
