//! Every field of a station file: its values, its default and what it is for; those of an output stand with it. The station
//! structs hold the same fields for programs.

use super::outputs::OUTPUTS;
use super::schema::Kind::*;
use super::schema::{Kind, NEEDED, Section, field, is, unset};

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
