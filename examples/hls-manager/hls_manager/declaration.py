"""A station as airchain takes it: what a station file would say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .settings import Settings
from .station import Station

#: Nearly every stream has this rate, and what has it is not resampled.
SAMPLE_RATE_HZ = 44_100
#: The name of a station's stream among its sources.
INPUT_ID = "stream"
#: What a station publishes besides segments, below its folder: airchain names media playlists ``live.m3u8``.
INDEX = "index.m3u8"
PLAYLISTS = ("live.m3u8", "aac/live.m3u8")
#: Of the stream, in seconds. A server that is back after five is found at the try 7.5 s after the break, at the latest.
BUFFER_S = 10


def declare(station: Station, folder: Path, settings: Settings) -> dict[str, Any]:
    """The stream goes to HLS in ``folder``, as HE-AAC and in a folder below as AAC. While it is away there is silence,
    or the file that the settings name."""
    failover: dict[str, Any] = {"fallback_tone": False}
    if settings.fallback_audio is not None:
        failover["fallback_audio_path"] = literal(str(settings.fallback_audio))
    hls: dict[str, Any] = {
        "type": "hls",
        "path": literal(str(folder)),
        "segment_duration_sec": settings.segment_s,
        "playlist_size": settings.list_size,
        "retain_segments": settings.retained,
        # Players wait through a restart of the service. Who ends them is the one who knows that a station is over.
        "end_on_close": False,
        "format": "he-aac",
        "bitrate_kbps": settings.he_aac_kbps,
        "renditions": [{"name": "aac", "format": "aac", "bitrate_kbps": settings.aac_kbps}],
    }
    stream = {
        "id": INPUT_ID,
        "type": "webstream",
        "url": literal(station.stream_url),
        "tier": "live_scheduled",
        "buffer_sec": BUFFER_S,
    }
    outputs = [hls]
    if settings.http_listen:
        # The listener serves the HLS of its stations. Its own audio is what is encoded for HLS anyway.
        listener = {
            "type": "http",
            "listen": settings.http_listen,
            "path": f"/{station.slug}.aac",
            "format": "he-aac",
            "bitrate_kbps": settings.he_aac_kbps,
            "hls_sessions": True,
            "access_log": literal(str(settings.access_log)),
        }
        outputs.append(listener)
    return {
        "station": {"id": station.slug, "name": literal(station.title), "sample_rate": SAMPLE_RATE_HZ},
        "inputs": [stream],
        "mounts": [{"id": "hls", "outputs": outputs}],
        "dsp_graph": {} if settings.chain == "none" else {"preset": settings.chain},
        "failover": failover,
    }


def literal(text: str) -> str:
    """Text from elsewhere. airchain would fill in ``${NAME}`` from the environment, where secrets of this service are."""
    return text.replace("${", "$${")
