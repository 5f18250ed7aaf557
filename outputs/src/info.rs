//! What the table of sinks says about each: enough for config parsing, `airchain check` and the docs.

/// A kind of output, as `type:` names it in a station file.
#[derive(Clone, Copy, Debug)]
pub struct SinkInfo {
    /// The value of `type:`.
    pub name: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// Its own fields. What says how the audio is encoded (`format`, `bitrate_kbps`, `channels`, `sample_rate`) is
    /// common to all and not repeated here.
    pub fields: &'static [Field],
}

/// A field of an output.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// Whether leaving it out is an error.
    pub required: bool,
    /// What it means, its unit, its default.
    pub help: &'static str,
}

impl Field {
    /// A field that must be given.
    pub const fn required(name: &'static str, help: &'static str) -> Self {
        Self { name, required: true, help }
    }

    /// A field that has a default.
    pub const fn optional(name: &'static str, help: &'static str) -> Self {
        Self { name, required: false, help }
    }
}
