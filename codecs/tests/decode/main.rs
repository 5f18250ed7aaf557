//! Decoders against sample-exact references: files made by the usual encoders from synthesized tones.

mod cue;
mod damage;
mod formats;
mod gapless;
#[cfg(feature = "aac")]
mod he_aac;
mod kit;
