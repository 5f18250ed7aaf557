//! Turns the world into sources: files through decoder and resampler into a deck's ring, lists of files, and radio
//! stations elsewhere.

pub mod file;
mod lists;
pub mod playlist;
mod text;
pub mod webstream;

pub use file::{FeedConfig, FileFeed, InputError, Opened, Pump};
pub use playlist::{PlaylistError, expand};
