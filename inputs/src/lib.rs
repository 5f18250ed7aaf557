//! Turns the world into sources: files through decoder and resampler into a deck's ring, and lists of files.

pub mod file;
pub mod playlist;

pub use file::{FeedConfig, FileFeed, InputError, Opened, Pump};
pub use playlist::{PlaylistError, expand};
