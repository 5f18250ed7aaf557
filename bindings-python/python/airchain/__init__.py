"""airchain: the engine that puts radio on air.

>>> import airchain
>>> with airchain.Host() as host:
...     station = host.add_station("wgmr.yaml")
...     for event in station.events():
...         print(event)

Units stand in the names of arguments. Audio is float32 of shape (channels, frames) with full scale 1.0. Errors are
:class:`airchain.Error` and its subclasses. What airchain logs goes to the logger ``airchain``.
"""

from ._airchain import __version__
from ._analysis import Analysis, analyze, analyze_many
from ._errors import (
    AnalysisError,
    CacheError,
    CommandError,
    ConfigError,
    Error,
    ForkError,
    ItemError,
    RenderError,
    StoppedError,
    WriteTimeout,
)
from ._events import (
    AsyncEvents,
    BufferHealth,
    CommandDone,
    CommandFailed,
    Dropout,
    Event,
    Events,
    Fault,
    ItemEnded,
    ItemUnused,
    Loudness,
    Missed,
    NowPlaying,
    OutputHealth,
    PriorityChanged,
    ScheduleDropped,
    SilenceDetected,
    SilenceEnded,
    SourceFailed,
)
from ._host import Host
from ._items import TIERS, Item, Metadata, Tier
from ._manager import Asked
from ._pcm import Pcm, PcmSource, PcmTap
from ._render import Render, render
from ._station import Station
from ._telemetry import (
    Buffer,
    Counts,
    CpuTime,
    HostTelemetry,
    InputStatus,
    Levels,
    LiveStatus,
    Lost,
    OnAir,
    OutputStatus,
    Process,
    Queue,
    Telemetry,
)

__all__ = [
    "TIERS",
    "Analysis",
    "AnalysisError",
    "Asked",
    "AsyncEvents",
    "Buffer",
    "BufferHealth",
    "CacheError",
    "CommandDone",
    "CommandError",
    "CommandFailed",
    "ConfigError",
    "Counts",
    "CpuTime",
    "Dropout",
    "Error",
    "Event",
    "Events",
    "Fault",
    "ForkError",
    "Host",
    "HostTelemetry",
    "Item",
    "ItemEnded",
    "ItemError",
    "ItemUnused",
    "Levels",
    "LiveStatus",
    "Lost",
    "Loudness",
    "Metadata",
    "Missed",
    "NowPlaying",
    "OnAir",
    "InputStatus",
    "OutputHealth",
    "OutputStatus",
    "Pcm",
    "PcmSource",
    "PcmTap",
    "PriorityChanged",
    "Process",
    "Queue",
    "Render",
    "RenderError",
    "ScheduleDropped",
    "SilenceDetected",
    "SilenceEnded",
    "SourceFailed",
    "Station",
    "StoppedError",
    "Telemetry",
    "Tier",
    "WriteTimeout",
    "__version__",
    "analyze",
    "analyze_many",
    "render",
]
