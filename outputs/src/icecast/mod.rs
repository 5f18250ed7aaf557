//! Icecast source client: audio to a mount of an Icecast server.

use crate::info::{Field, SinkInfo};

/// Its line in the table of sinks.
pub const INFO: SinkInfo = SinkInfo {
    name: "icecast",
    summary: "sends to a mount of an Icecast server, with titles, and reconnects by itself",
    fields: &[
        Field::required(
            "url",
            "icecast://user:password@host:port/mount; icecast+tls:// for TLS",
        ),
        Field::optional("name", "name of the station; the station's own by default"),
        Field::optional("description", "what listeners read about it"),
        Field::optional("genre", "genre"),
        Field::optional("homepage", "address of the station's web page"),
        Field::optional("public", "list it in public directories: true or false (default)"),
        Field::optional(
            "protocol",
            "put (default), or source for servers before Icecast 2.4",
        ),
        Field::optional(
            "ca_file",
            "PEM file of certificates to trust beside the system's, for TLS",
        ),
    ],
};
