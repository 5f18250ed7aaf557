//! Frames of ADTS (ISO/IEC 13818-7, 6.2) and MP3 (ISO/IEC 11172-3, 2.4; 13818-3), counted from their headers alone.

/// What the frames of a run of audio say of themselves, which must be the same in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Audio {
    /// Frames times samples of each: of the AAC core, where there is more than a core.
    pub(super) samples: u64,
    /// Sample rate, of the core.
    pub(super) rate_hz: u32,
    pub(super) channels: u8,
    pub(super) is_mp3: bool,
    /// The first frame can be decoded without those before it.
    pub(super) independent: bool,
}

/// Reads frames to the end, none of which may be cut.
pub(super) fn read(data: &[u8]) -> Result<Audio, String> {
    match read_to_tag(data)? {
        (audio, []) => Ok(audio),
        _ => Err("a tag between frames".into()),
    }
}

/// Reads frames to the end, or to an ID3 tag between two, and gives what is left.
pub(super) fn read_to_tag(data: &[u8]) -> Result<(Audio, &[u8]), String> {
    let (mut audio, mut at) = (None::<Audio>, 0);
    while at < data.len() && !data[at..].starts_with(b"ID3") {
        let rest = &data[at..];
        let frame = if is_mp3(rest) { mp3(rest) } else { adts(rest) };
        let (frame, bytes) = frame.ok_or_else(|| format!("no frame of AAC or MP3 at byte {at}"))?;
        if bytes > rest.len() {
            return Err("the last frame is cut".into());
        }
        let so_far = audio.get_or_insert(Audio { samples: 0, ..frame });
        if (so_far.rate_hz, so_far.channels, so_far.is_mp3) != (frame.rate_hz, frame.channels, frame.is_mp3) {
            return Err(format!("the frame at byte {at} is of another kind than the first"));
        }
        so_far.samples += frame.samples;
        at += bytes;
    }
    let audio = audio.ok_or("there is no audio")?;
    Ok((audio, &data[at..]))
}

/// Layer III; ADTS has layer 0.
fn is_mp3(data: &[u8]) -> bool {
    data.len() >= 2 && data[0] == 0xFF && data[1] & 0xE6 == 0xE2
}

fn adts(data: &[u8]) -> Option<(Audio, usize)> {
    const RATES: [u32; 12] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
    let head = data.get(..7)?;
    // Sync word, layer 0; AAC-LC, as object types above cannot be said here; one raw data block.
    if head[0] != 0xFF || head[1] & 0xF6 != 0xF0 || head[2] >> 6 != 1 || head[6] & 3 != 0 {
        return None;
    }
    let bytes = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
    let rate_hz = *RATES.get(usize::from(head[2] >> 2 & 15))?;
    let channels = (head[2] & 1) << 2 | head[3] >> 6;
    (bytes > 7)
        .then_some((Audio { samples: 1_024, rate_hz, channels, is_mp3: false, independent: true }, bytes))
}

fn mp3(data: &[u8]) -> Option<(Audio, usize)> {
    const HIGH: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const LOW: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let head = data.get(..8)?;
    let (version, has_crc) = (head[1] >> 3 & 3, head[1] & 1 == 0);
    let shift = match version {
        3 => 0,
        2 => 1,
        0 => 2,
        _ => return None,
    };
    let rate_hz = *[44_100, 48_000, 32_000].get(usize::from(head[2] >> 2 & 3))? >> shift;
    let kbps = *if version == 3 { HIGH } else { LOW }.get(usize::from(head[2] >> 4))?;
    let samples = if version == 3 { 1_152 } else { 576 };
    let bytes = (samples / 8 * kbps * 1_000 / rate_hz + u32::from(head[2] >> 1 & 1)) as usize;
    let side = &head[if has_crc { 6 } else { 4 }..];
    // `main_data_begin` has 9 bits, 8 at the low rates.
    let independent = side[0] == 0 && (version != 3 || side[1] & 0x80 == 0);
    let channels = if head[3] >> 6 == 3 { 1 } else { 2 };
    (kbps > 0).then_some((
        Audio { samples: u64::from(samples), rate_hz, channels, is_mp3: true, independent },
        bytes,
    ))
}
