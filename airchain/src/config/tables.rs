//! Every field of a station file: its values, its default and what it is for. The station structs hold the same
//! fields for programs.

use super::schema::Kind::*;
use super::schema::{Default, Field, Kind, Section};

const fn field(name: &'static str, kind: Kind, default: Default, help: &'static str) -> Field {
    Field { name, kind, default, help }
}

const NEEDED: Default = Default::Required;

const fn is(value: &'static str) -> Default {
    Default::Is(value)
}

const fn unset(meaning: &'static str) -> Default {
    Default::None(meaning)
}

pub(crate) const STATION_FILE: Section = Section {
    name: "station file",
    help: "One station.",
    fields: &[
        field("station", Section(&STATION), NEEDED, "who it is"),
        field("mounts", List(&Section(&MOUNT), 0), is(""), "groups of outputs"),
        field(
            "inputs",
            List(&Variants(INPUTS), 0),
            is(""),
            "programmes that come from elsewhere while they last",
        ),
        field("dsp_graph", Section(&DSP_GRAPH), is(""), "what is done to the sound"),
        field("failover", Section(&FAILOVER), is(""), "what happens when a source fails"),
        field(
            "priorities",
            Section(&PRIORITIES),
            is(""),
            "the ladder: the lowest number with audio is on air",
        ),
        field("automation", Section(&AUTOMATION), is(""), "what plays when nobody says otherwise"),
        field("schedule", List(&Section(&SCHEDULE), 0), is(""), "what starts, or ends, at a time"),
        field("as_run", Section(&AS_RUN), unset("no log"), "where what aired is written down"),
    ],
};

const STATION: Section = Section {
    name: "station",
    help: "Who the station is, and the format its engine runs at.",
    fields: &[
        field("id", Id, NEEDED, "short name in logs, paths and metrics"),
        field("name", Text(200), unset("the id"), "name for listeners"),
        field("timezone", Timezone, is("UTC"), "time zone of its file names and schedule"),
        field(
            "sample_rate",
            Integer { min: 8000, max: 192_000, unit: "Hz" },
            is("48000"),
            "rate of the engine",
        ),
        field("block_ms", Integer { min: 1, max: 100, unit: "ms" }, is("10"), "length of a block"),
        field(
            "journal",
            Path,
            unset("none: every start begins the programme anew"),
            "file of its own by which a restart goes on with the same item at its position",
        ),
    ],
};

const MOUNT: Section = Section {
    name: "mounts[]",
    help: "A group of outputs that listeners know by one name.",
    fields: &[
        field("id", Id, NEEDED, "short name"),
        field("name", Text(200), unset("the station's name"), "name for listeners"),
        field("outputs", List(&Variants(OUTPUTS), 0), is(""), "where the programme goes"),
    ],
};

const INPUTS: &[&Section] = &[&WEBSTREAM];

const STREAM_URL: Kind = Url(&["http", "https", "icy"]);

const WEBSTREAM: Section = Section {
    name: "webstream",
    help: "A programme that an HTTP server sends: Icecast, Shoutcast, a playlist of such, or HLS. MP3, AAC, HE-AAC, and \
           Vorbis, Opus or FLAC in Ogg. It is asked for again for as long as the station is on air.",
    fields: &[
        field("id", Id, NEEDED, "its name as a live source, for `route_live`, events and metrics"),
        field("url", STREAM_URL, NEEDED, "where it is; user and password may stand in it"),
        field("fallback_urls", List(&STREAM_URL, 0), is(""), "where else it is, best first"),
        field(
            "tier",
            Choice(&["emergency", "live_override", "live_scheduled", "none"]),
            is("live_scheduled"),
            "the tier it is heard on from the start; none: when `route_live` says so",
        ),
        field("fade_in_sec", Number { min: 0.0, max: 60.0, unit: "s" }, is("0"), "how it begins, each time"),
        field(
            "buffer_sec",
            Number { min: 0.5, max: 60.0, unit: "s" },
            is("6"),
            "audio that waits between server and air: its delay, and for how long the server may be away unheard",
        ),
        field(
            "stall_timeout_sec",
            Number { min: 0.5, max: 120.0, unit: "s" },
            is("5"),
            "a connection that brings nothing for so long is given up",
        ),
        field(
            "retry_max_sec",
            Number { min: 0.5, max: 600.0, unit: "s" },
            is("15"),
            "the longest pause between tries",
        ),
        field(
            "return_after_sec",
            Number { min: 1.0, max: 86_400.0, unit: "s" },
            is("30"),
            "while it is had from a fallback URL, how often a better one is tried",
        ),
        field(
            "silence_sec",
            Number { min: 0.0, max: 3600.0, unit: "s" },
            is("10"),
            "silent for so long it leaves the air, and its next URL is tried; 0 is never",
        ),
        field(
            "silence_threshold_db",
            Number { min: -100.0, max: 0.0, unit: "dB" },
            is("-50"),
            "level below which it is silent",
        ),
        field("titles", Switch, is("true"), "whether its titles are passed on"),
        field("user_agent", Text(200), unset("airchain/VERSION"), "who the server is told is asking"),
        field(
            "ca_file",
            Path,
            unset("the system's certificates"),
            "PEM file of certificates to trust beside these",
        ),
    ],
};

const OUTPUTS: &[&Section] = &[&ICECAST, &HLS, &RECORDING, &HTTP, &WAV, &DASH, &SRT];

// An output's encoding, with the formats that fit it.
const BITRATE: Field = field(
    "bitrate_kbps",
    Integer { min: 6, max: 1024, unit: "kbit/s" },
    unset("the format's usual: mp3, aac 128; opus 96; he-aac 64; he-aac-v2 32; vorbis has a quality instead"),
    "bit rate; lossless formats have none",
);
const MODE: Field = field(
    "mode",
    Choice(&["cbr", "abr", "vbr"]),
    unset("cbr for mp3 and aac, abr for opus, vbr for vorbis"),
    "constant, average or variable bit rate",
);
const QUALITY: Field = field(
    "quality",
    Integer { min: -1, max: 10, unit: "" },
    unset("mp3 2, aac and vorbis 4"),
    "with mode vbr: mp3 0 (best) to 9, aac 1 to 5 (best), vorbis -1 to 10 (best)",
);
const CHANNELS: Field = field("channels", Integer { min: 1, max: 2, unit: "" }, is("2"), "1 mono, 2 stereo");
const SAMPLE_RATE: Field = field(
    "sample_rate",
    Integer { min: 8000, max: 192_000, unit: "Hz" },
    unset("the station's rate, or the nearest that the format has"),
    "rate of this output",
);

const PASSTHROUGH: Field = field(
    "passthrough",
    Switch,
    is("false"),
    "mp3 and aac at the station's rate: where an item alone is on air, unchanged and in this very format, its packets are copied instead of being encoded again",
);

const STREAM_FORMATS: Kind = Choice(&["mp3", "aac", "he-aac", "he-aac-v2", "opus", "vorbis", "flac"]);
const FILE_FORMATS: Kind = Choice(&["mp3", "aac", "he-aac", "he-aac-v2", "opus", "vorbis", "flac", "wav"]);
const SEGMENT_FORMATS: Kind = Choice(&["aac", "he-aac", "he-aac-v2", "mp3", "opus", "flac"]);

const ICECAST: Section = Section {
    name: "icecast",
    help: "A source connection to an Icecast server.",
    fields: &[
        field(
            "url",
            Url(&["icecast", "icecasts", "icecast+tls", "http", "https"]),
            NEEDED,
            "icecast://user:password@host:port/mount; icecasts or icecast+tls for TLS",
        ),
        field(
            "protocol",
            Choice(&["put", "source"]),
            is("put"),
            "source is the method of servers before 2.4",
        ),
        field("name", Text(200), unset("the mount's name"), "name in the server's directory"),
        field("description", Text(500), unset("none"), "description in the server's directory"),
        field("genre", Text(200), unset("none"), "genre in the server's directory"),
        field("website", Text(500), unset("none"), "home page in the server's directory"),
        field("public", Switch, is("false"), "whether the server may list the mount publicly"),
        field("format", STREAM_FORMATS, is("mp3"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

const HLS: Section = Section {
    name: "hls",
    help: "HLS segments and playlists (RFC 8216).",
    fields: &[
        field("path", Path, NEEDED, "folder of playlists and segments"),
        field(
            "segment_duration_sec",
            Number { min: 0.5, max: 60.0, unit: "s" },
            is("6"),
            "length of a segment, to the nearest whole codec frame",
        ),
        field(
            "playlist_size",
            Integer { min: 3, max: 10_000, unit: "segments" },
            is("6"),
            "length of the live window",
        ),
        field(
            "retain_segments",
            Integer { min: 0, max: 100_000, unit: "segments" },
            is("6"),
            "segments kept after they leave the window",
        ),
        field(
            "end_on_close",
            Switch,
            is("true"),
            "whether the playlist is ended (EXT-X-ENDLIST) when the output closes; if not, players wait for the next start",
        ),
        field("container", Choice(&["ts", "fmp4", "packed"]), is("ts"), "kind of segments"),
        field("low_latency", Switch, is("false"), "low-latency HLS"),
        field(
            "renditions",
            List(&Section(&RENDITION), 0),
            is(""),
            "further encodings, cut at the same frames, each in a folder of its own below `path`; the output's own stays where it is. index.m3u8 names all, the highest bandwidth first, which players begin with",
        ),
        field(
            "store",
            Variants(&[&STORE_LOCAL, &STORE_S3]),
            unset("the folder `path`"),
            "where segments are stored",
        ),
        field("format", SEGMENT_FORMATS, is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

const RENDITION: Section = Section {
    name: "hls renditions[]",
    help: "One encoding among several of an HLS presentation.",
    fields: &[
        field(
            "name",
            Id,
            NEEDED,
            "its folder's name, not that of another or of a file (.m3u8, .ts): its playlist is `<path>/<name>/live.m3u8`",
        ),
        field("format", SEGMENT_FORMATS, is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
    ],
};

const STORE_LOCAL: Section = Section {
    name: "local",
    help: "A folder.",
    fields: &[field("path", Path, unset("the output's path"), "the folder")],
};

const STORE_S3: Section = Section {
    name: "s3",
    help: "An S3 bucket, or a server that speaks its protocol.",
    fields: &[
        field("bucket", Text(100), NEEDED, "bucket"),
        field("prefix", Text(500), is("\"\""), "put before every object's name"),
        field("region", Text(100), is("us-east-1"), "region"),
        field("endpoint", Url(&["https", "http"]), unset("Amazon's"), "server"),
        field("access_key_id", Secret, unset("AWS_ACCESS_KEY_ID"), "key id"),
        field("secret_access_key", Secret, unset("AWS_SECRET_ACCESS_KEY"), "secret key"),
    ],
};

const RECORDING: Section = Section {
    name: "recording",
    help: "Timestamped files of the programme, rotated without losing a sample.",
    fields: &[
        field("path", Path, NEEDED, "folder of the files"),
        field("rotate_minutes", Integer { min: 1, max: 1440, unit: "min" }, is("60"), "length of a file"),
        field(
            "rotation_days",
            Integer { min: 0, max: 36_500, unit: "days" },
            is("0"),
            "files older than this are removed; 0 keeps them",
        ),
        field(
            "max_size_gb",
            Number { min: 0.0, max: 1_000_000.0, unit: "GB" },
            is("0"),
            "the oldest files are removed above this total; 0 is no limit",
        ),
        field("format", FILE_FORMATS, is("mp3"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

const HTTP: Section = Section {
    name: "http",
    help: "The built-in listener: audio with ICY titles, a page with a player, and the station's HLS outputs: `/hls/ID/index.m3u8` by the station's id, a second one `/hls-2/ID/index.m3u8`.",
    fields: &[
        field(
            "listen",
            Address,
            is("127.0.0.1:8000"),
            "address and port; outputs with the same one share it",
        ),
        field("path", MountPath, unset("/live. and the format's extension"), "path of the audio"),
        field(
            "hls_sessions",
            Switch,
            is("false"),
            "HLS playlists are redirected to `?s=` with an id for each player, and carry it on, so that the access log tells listeners apart",
        ),
        field(
            "access_log",
            Path,
            unset("no log"),
            "file for a line per request to the listener, as nginx writes them, with session and X-Forwarded-For; 20 MB, one `.old` kept",
        ),
        field(
            "metrics",
            Switch,
            is("true"),
            "`/metrics` tells a Prometheus server on this machine or in a private network about all stations of the process; one false among the outputs of a listener turns it off",
        ),
        field("format", STREAM_FORMATS, is("mp3"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

const WAV: Section = Section {
    name: "wav",
    help: "One WAV file of the programme, at the station's rate.",
    fields: &[
        field("path", Path, NEEDED, "the file"),
        field(
            "sample_format",
            Choice(&["s16", "s24", "f32"]),
            is("s24"),
            "16 bits dithered, 24 bits, 32-bit float",
        ),
    ],
};

const DASH: Section = Section {
    name: "dash",
    help: "MPEG-DASH.",
    fields: &[
        field("path", Path, NEEDED, "folder of manifest and segments"),
        field(
            "segment_duration_sec",
            Number { min: 0.5, max: 60.0, unit: "s" },
            is("6"),
            "length of a segment",
        ),
        field("format", SEGMENT_FORMATS, is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
    ],
};

const SRT: Section = Section {
    name: "srt",
    help: "SRT push of MPEG-TS.",
    fields: &[
        field("url", Url(&["srt"]), NEEDED, "srt://host:port"),
        field("latency_ms", Integer { min: 20, max: 60_000, unit: "ms" }, is("200"), "the receiver's buffer"),
        field("format", Choice(&["aac", "he-aac", "he-aac-v2", "mp3"]), is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
    ],
};

pub(crate) const DSP_GRAPH: Section = Section {
    name: "dsp_graph",
    help: "What is done to the sound, in order.",
    fields: &[
        field("preset", Preset, unset("the nodes below"), "a complete chain, instead of nodes"),
        field("nodes", List(&DspNode, 0), is(""), "the chain"),
    ],
};

const FAILOVER: Section = Section {
    name: "failover",
    help: "What happens when a source fails.",
    fields: &[
        field(
            "live_timeout_sec",
            Number { min: 0.0, max: 3600.0, unit: "s" },
            is("30"),
            "how long a lost live source is waited for",
        ),
        field(
            "automation_fallback_enabled",
            Switch,
            is("true"),
            "automation always takes over from a lost live source: false is refused",
        ),
        field(
            "fallback_audio_path",
            Path,
            unset("a gentle tone, or silence"),
            "what plays when nothing else can",
        ),
        field(
            "fallback_tone",
            Switch,
            is("true"),
            "whether a gentle tone is heard where no file is; if not, silence",
        ),
        field(
            "fallback_audio_loop",
            Switch,
            is("true"),
            "whether it repeats; if not, a gentle tone follows it",
        ),
    ],
};

const PRIORITIES: Section = Section {
    name: "priorities",
    help: "The ladder. Its order is fixed; the section may be left out.",
    fields: &[
        field("emergency", Integer { min: 0, max: 0, unit: "" }, is("0"), "cuts in at the next block"),
        field("live_override", Integer { min: 1, max: 1, unit: "" }, is("1"), "fades over the programme"),
        field("live_scheduled", Integer { min: 2, max: 2, unit: "" }, is("2"), "fades over the programme"),
        field("automation", Integer { min: 3, max: 3, unit: "" }, is("3"), "waits for the natural boundary"),
        field("fallback", Integer { min: 4, max: 4, unit: "" }, is("4"), "when nothing else has audio"),
    ],
};

const AUTOMATION: Section = Section {
    name: "automation",
    help: "What plays when nobody says otherwise.",
    fields: &[
        field("playlist", List(&Source, 0), is(""), "files, folders, m3u or pls playlists, URLs"),
        field(
            "order",
            Choice(&["sequential", "shuffle"]),
            is("sequential"),
            "as listed (folders by name), or shuffled",
        ),
        field(
            "seed",
            Integer { min: 0, max: i64::MAX, unit: "" },
            unset("a new order at every start"),
            "the same seed gives the same shuffle",
        ),
        field("loop", Switch, is("true"), "whether it begins again at its end"),
        field(
            "start",
            Timestamp,
            unset("when the station starts"),
            "when the playlist began: the station joins it where it would be by now (with order sequential)",
        ),
        field(
            "crossfade_sec",
            Number { min: 0.0, max: 60.0, unit: "s" },
            is("0"),
            "overlap of items; 0 is gapless",
        ),
        field(
            "curve",
            Choice(&["equal_power", "linear", "logarithmic", "exponential", "s_curve"]),
            is("equal_power"),
            "shape of the fades",
        ),
        field(
            "item_loudness",
            Choice(&["analysis", "tags", "off"]),
            is("analysis"),
            "with a `loudness_normalize` in the chain, how it is known before an item starts how loud it is: by analysis \
             (by its tags until that is done), by ReplayGain or R128 tags, or only from what the manager says of it",
        ),
        field(
            "analysis_cache",
            Path,
            unset("airchain/analysis.sqlite among the user's caches"),
            "database in which analyses are kept; stations, and `airchain analyze`, may share it",
        ),
        field(
            "after_interruption",
            Choice(&["next", "resume", "restart"]),
            is("next"),
            "after an emergency or a live programme: the next item, the interrupted one from where it was, or from its start",
        ),
    ],
};

const SCHEDULE: Section = Section {
    name: "schedule[]",
    help: "Items on the automation at times by the station's `timezone`. A day on which the clocks are changed has each \
           time of day once: one that they leap over comes as much later, of one that they show twice it is the first. \
           The second 60 of a minute, a leap second, is the start of the next. At the same time, what is hard comes first, \
           then the order of the list. What is late when the station starts is joined where it would be by now, if it \
           is hard and was the last to begin; else it is dropped.",
    fields: &[
        field("at", Time, unset("`ends_at` is given"), "when it starts"),
        field(
            "ends_at",
            Time,
            unset("`at` is given"),
            "when it ends: it is cut in as long before as it lasts between its cue points; if that has passed, as far \
             into it as it should be",
        ),
        field("every", Choice(&["day", "hour"]), unset("what the time says"), "how often, said once more"),
        field(
            "days",
            List(&Choice(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), 0),
            is(""),
            "on which days only",
        ),
        field(
            "mode",
            Choice(&["hard", "soft", "fill"]),
            unset("hard"),
            "hard: cut in at the frame, and what runs falls; soft: after what runs then; fill: from then on items of the \
             pool, chosen so that the last ends as close before `until` as can be",
        ),
        field(
            "until",
            Time,
            unset("with soft, its next time, an hour later at most"),
            "the first such time after `at`: with fill, the time to fill to; with soft, from when on it is no longer wanted",
        ),
        field("path", Path, unset("with fill, none"), "the audio file"),
        field("pool", List(&Source, 0), is(""), "with fill: files, folders and playlists to choose from"),
        field(
            "fade_sec",
            Number { min: 0.0, max: 60.0, unit: "s" },
            unset("the crossfade"),
            "how long what runs takes to fall",
        ),
        field(
            "cue_in_sec",
            Number { min: 0.0, max: 604_800.0, unit: "s" },
            unset("its start"),
            "where it begins",
        ),
        field(
            "cue_out_sec",
            Number { min: 0.0, max: 604_800.0, unit: "s" },
            unset("its end"),
            "where it ends",
        ),
        field("gain_db", Number { min: -120.0, max: 40.0, unit: "dB" }, unset("0"), "its gain"),
        field("title", Text(500), unset("by its tags"), "what listeners read"),
        field("artist", Text(500), unset("by its tags"), "what listeners read"),
    ],
};

const AS_RUN: Section = Section {
    name: "as_run",
    help: "The as-run log: what aired, from when to when, how it ended, how loud it was.",
    fields: &[
        field(
            "path",
            Path,
            NEEDED,
            "the file; its name may hold date fields, /var/log/wgmr-%Y-%m-%d.jsonl is one a day in the station's zone",
        ),
        field(
            "format",
            Choice(&["jsonl", "sqlite"]),
            is("jsonl"),
            "one JSON object per line, or the table as_run of a database",
        ),
    ],
};
