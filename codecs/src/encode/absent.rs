//! What stands in for a codec whose cargo feature is off.

use super::{EncodeError, Encoder, entry};
use crate::format::Format;

/// Says that the codec is not built in.
pub(super) fn check(format: &Format) -> Result<(), EncodeError> {
    Err(not_built(format))
}

/// Says that the codec is not built in.
pub(super) fn make(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    Err(not_built(format))
}

/// Says that the codec is not built in.
#[cfg(not(feature = "mp3"))]
pub(super) fn make_apart(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    Err(not_built(format))
}

fn not_built(format: &Format) -> EncodeError {
    let entry = entry(format.codec);
    EncodeError::NotBuilt { codec: entry.name(), feature: entry.feature.unwrap_or_default() }
}
