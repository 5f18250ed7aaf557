//! The fallback: audio in memory, which is heard when all else is dry. Stations that have the same share one copy of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use airchain_core::item::Item;
use airchain_core::source::{Fill, MemorySource, Source};
use airchain_core::{Frames, Stereo};
use airchain_inputs::file::{FeedConfig, FileFeed, Pump};

use crate::spec::Fallback;

/// What the fallback tone is called.
pub(crate) const TONE: &str = "fallback tone";
/// The most audio a fallback may hold: ten minutes of stereo at 48 kHz are 230 MB.
const LONGEST_S: usize = 600;

/// The fallback that `spec` names, ready to play, and what it is called. A file that cannot be read keeps no station
/// off the air.
pub(crate) fn fallback(spec: &Fallback, rate_hz: u32, looped: bool) -> Option<(Item, MemorySource)> {
    if let Fallback::File(path) = spec {
        let item = Item::file(path.display().to_string());
        match shared(Key::of(path, rate_hz), || open_whole(&item, rate_hz)) {
            Ok(audio) if looped => return Some((item, MemorySource::new(audio, true))),
            Ok(audio) => {
                // After the file there would be nothing, and nothing is what a fallback is there against.
                let (end, mut audio) = (audio.len(), audio.to_vec());
                audio.extend(tone(rate_hz));
                return Some((item, MemorySource::looped_from(audio.into(), end)));
            }
            Err(error) => tracing::warn!("fallback: {error}; a tone takes its place"),
        }
    }
    if *spec == Fallback::None {
        return None;
    }
    let audio = shared(Key { path: None, rate_hz }, || Ok(tone(rate_hz).collect()));
    audio.ok().map(|audio| (Item::file(TONE), MemorySource::new(audio, true)))
}

/// What makes two fallbacks the same audio.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// A file as it was written last; the tone where there is none.
    path: Option<(PathBuf, Option<SystemTime>)>,
    rate_hz: u32,
}

impl Key {
    fn of(path: &Path, rate_hz: u32) -> Self {
        let written = path.metadata().and_then(|metadata| metadata.modified()).ok();
        Self { path: Some((path.to_owned(), written)), rate_hz }
    }
}

/// The audio of `key`, made if no station has it.
fn shared(key: Key, make: impl FnOnce() -> Result<Vec<Stereo>, String>) -> Result<Arc<[Stereo]>, String> {
    static SHARED: Mutex<Option<HashMap<Key, Weak<[Stereo]>>>> = Mutex::new(None);
    let lock = || SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(audio) = lock().as_ref().and_then(|known| known.get(&key)).and_then(Weak::upgrade) {
        return Ok(audio);
    }
    // Unlocked: a file may hang, and that is its station's trouble alone.
    let audio: Arc<[Stereo]> = make()?.into();
    let mut known = lock();
    let known = known.get_or_insert_default();
    known.retain(|_, audio| audio.strong_count() > 0);
    known.insert(key, Arc::downgrade(&audio));
    Ok(audio)
}

/// A tone of 440 Hz that swells to -30 dBFS and back to -36 every four seconds: clearly not the programme, clearly
/// not silence, and nobody's speakers suffer.
fn tone(rate_hz: u32) -> impl Iterator<Item = Stereo> {
    use std::f64::consts::TAU;
    const LENGTH_S: u32 = 4;
    let frames = LENGTH_S * rate_hz;
    // Whole periods of both in its length, so that it loops without a seam.
    let frame = move |n: u32| {
        let t = f64::from(n) / f64::from(rate_hz);
        let swell = 0.75 - 0.25 * (TAU * t / f64::from(LENGTH_S)).cos();
        let sample = 10.0_f64.powf(-30.0 / 20.0) * swell * (TAU * 440.0 * t).sin();
        [sample as f32; 2]
    };
    (0..frames).map(frame)
}

/// Decodes a whole file into memory.
fn open_whole(item: &Item, rate_hz: u32) -> Result<Vec<Stereo>, String> {
    let config = FeedConfig { rate_hz, lookahead: Frames::from(rate_hz), head: None, after: None };
    let opened = FileFeed::open(item, &config).map_err(|error| error.to_string())?;
    let (mut feed, mut reader) = (opened.feed, opened.reader);
    let mut audio: Vec<Stereo> = Vec::new();
    let mut block = vec![[0.0; 2]; rate_hz as usize / 10];
    loop {
        while feed.pump() == Pump::Worked {}
        match reader.fill(&mut block) {
            Fill::Full => audio.extend_from_slice(&block),
            Fill::Short { frames } => audio.extend_from_slice(block.get(..frames).unwrap_or_default()),
            Fill::End { frames } => {
                audio.extend_from_slice(block.get(..frames).unwrap_or_default());
                break;
            }
        }
        if audio.len() > LONGEST_S * rate_hz as usize {
            return Err(format!("{}: longer than {LONGEST_S} s, give shorter fallback audio", item.path));
        }
    }
    if audio.is_empty() {
        return Err(format!("{}: holds no audio", item.path));
    }
    Ok(audio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_audio_is_there_once_and_goes_with_its_last_station() {
        let key = || Key { path: Some(("x".into(), None)), rate_hz: 1 };
        let first = shared(key(), || Ok(vec![[0.5; 2]])).expect("made");
        let second = shared(key(), || Err("made anew".into())).expect("there already");
        assert!(Arc::ptr_eq(&first, &second));
        let other = shared(Key { path: Some(("y".into(), None)), rate_hz: 1 }, || Ok(vec![[0.25; 2]]));
        assert_eq!(other.expect("made")[0], [0.25; 2]);
        drop((first, second));
        assert_eq!(shared(key(), || Err("gone".into())).err(), Some("gone".into()));
    }
}
