//! Faults on demand, for the tests of what stands around the codecs: a frame of one of these values makes whoever decodes or
//! encodes it fail. In builds with the feature `fault-injection` only, which nothing but tests asks for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use airchain_core::Stereo;

/// Its decoder panics.
pub const DECODER_PANICS: Stereo = [0.123_456, -0.654_321];
/// Its decoder hangs until [`release`] is called.
pub const DECODER_HANGS: Stereo = [0.123_457, -0.654_321];
/// Its decoder takes 5 s for the packet that holds it, as a disk may for a read.
pub const DECODER_IS_SLOW: Stereo = [0.123_458, -0.654_321];
/// Its encoder panics.
pub const ENCODER_PANICS: Stereo = [0.123_459, -0.654_321];

static RELEASED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Lets all decoders that hang go on, for good.
pub fn release() {
    *RELEASED.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    RELEASED.1.notify_all();
}

/// Fails as frames that were decoded ask for.
pub(crate) fn decoded(frames: &[Stereo]) {
    assert!(!frames.contains(&DECODER_PANICS), "a decoder that was asked to panic");
    if frames.contains(&DECODER_IS_SLOW) {
        std::thread::sleep(Duration::from_secs(5));
    }
    if frames.contains(&DECODER_HANGS) {
        let released = RELEASED.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(RELEASED.1.wait_while(released, |released| !*released));
    }
}

/// Fails as frames that are to be encoded ask for.
pub(crate) fn encoding(frames: &[Stereo]) {
    assert!(!frames.contains(&ENCODER_PANICS), "an encoder that was asked to panic");
}
