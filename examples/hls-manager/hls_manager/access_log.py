"""One line of an access log, as nginx writes it by ``nginx/nginx.conf`` and as airchain's own listener does:

``addr - user [time] "request" status bytes "referer" "agent" session_id="..." ref="..." real_ip="..." cf_ip="..."``

Of what follows the user agent any part may be missing.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime

_LINE = re.compile(
    r'(?P<addr>\S+) - \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<uri>\S+)[^"]*"'
    r" (?P<status>\d{3}) (?P<bytes>\d+|-)"
    r' "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"(?P<more>.*)'
)
_MORE = re.compile(r'(\w+)="([^"]*)"')
_PATH = re.compile(
    r"/hls/(?P<slug>[a-z0-9][a-z0-9-]*)/(?:[^/?#]+/)*[^/?#]+\.(?P<kind>m3u8|ts|aac|mp3|m4s|mp4)(?:[?#]|$)"
)
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})")
#: Whole, in part, and what the listener has already. A redirect to a session is none yet.
_SERVED = (200, 206, 304)
_MAX_SESSION = 128
_MAX_TEXT = 512


@dataclass(frozen=True)
class Access:
    """A listener fetched something of a station."""

    slug: str
    session: str | None
    """The ``s`` of the request; segments have none."""
    is_playlist: bool
    address: str
    agent: str
    referer: str | None
    time: datetime
    status: int
    bytes: int


def read_line(line: str) -> Access | None:
    """Reads a line; None for what is no GET that brought a playlist or segment, and for what cannot be read."""
    found = _LINE.fullmatch(line)
    if found is None or found["method"] != "GET" or int(found["status"]) not in _SERVED:
        return None
    path = _PATH.match(found["uri"])
    if path is None:
        return None
    try:
        time = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z")
    except ValueError:
        return None
    more = {name: _text(value) for name, value in _MORE.findall(found["more"])}
    session = more.get("session_id")
    return Access(
        slug=path["slug"],
        session=session if session and len(session) <= _MAX_SESSION else None,
        is_playlist=path["kind"] == "m3u8",
        address=_address(more, found["addr"]),
        agent=_text(found["agent"]) or "",
        referer=more.get("ref") or _text(found["referer"]),
        time=time,
        status=int(found["status"]),
        bytes=0 if found["bytes"] == "-" else int(found["bytes"]),
    )


def _text(value: str) -> str | None:
    """A value as it was before nginx escaped it; ``-`` is how it writes that there is none."""
    if value in ("", "-"):
        return None
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
    # Bytes beyond ASCII were escaped one by one.
    text = raw.encode("latin-1", "replace").decode("utf-8", "replace") if raw != value else raw
    return "".join(c for c in text if c.isprintable())[:_MAX_TEXT]


def _address(more: dict[str, str | None], peer: str) -> str:
    """The listener's: as Cloudflare says, else the first of X-Forwarded-For, else the peer's."""
    forwarded = (more.get("real_ip") or "").split(",")[0]
    for text in (more.get("cf_ip") or "", forwarded):
        try:
            return str(ipaddress.ip_address(text.strip()))
        except ValueError:
            continue
    return peer
