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
#: Of the stream, in seconds: a connection may be away for that long before anybody hears it.
BUFFER_S = 6


def declare(station: Station, folder: Path, settings: Settings) -> dict[str, Any]:
    """The stream goes to HLS in ``folder``, as HE-AAC and in a folder below as AAC. While it is away there is silence,
    or the file that the settings name."""
    failover: dict[str, Any] = {"fallback_tone": False}
    if settings.fallback_audio is not None:
        failover["fallback_audio_path"] = literal(str(settings.fallback_audio))
    hls = {
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
    return {
        "station": {"id": station.slug, "name": literal(station.title), "sample_rate": SAMPLE_RATE_HZ},
        "inputs": [stream],
        "mounts": [{"id": "hls", "outputs": [hls]}],
        "dsp_graph": {} if settings.chain == "none" else {"preset": settings.chain},
        "failover": failover,
    }


def literal(text: str) -> str:
    """Text from elsewhere. airchain would fill in ``${NAME}`` from the environment, where this service's secrets are."""
    return text.replace("${", "$${")
