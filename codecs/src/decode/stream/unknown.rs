//! What it is that came instead of audio, in words.

/// Whether all of it is text, as no audio is for long.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let printable = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C);
    bytes.len() >= 16 && bytes.iter().all(printable) && std::str::from_utf8(complete(bytes)).is_ok()
}

/// `bytes` without a character that is cut off at their end.
fn complete(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or_default(),
        _ => bytes,
    }
}

/// What the first bytes look like.
pub(super) fn describe(bytes: &[u8]) -> String {
    let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let begins = |with: &[u8]| start.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    let known: &[(&[u8], &str)] = &[
        (b"<!doctype html", "an HTML page"),
        (b"<html", "an HTML page"),
        (b"<head", "an HTML page"),
        (b"#EXTM3U", "an M3U playlist"),
        (b"[playlist]", "a PLS playlist"),
        (b"<asx", "an ASX playlist"),
        (b"<?xml", "an XML document (an XSPF playlist, perhaps)"),
        (b"http://", "an M3U playlist (a list of URLs)"),
        (b"https://", "an M3U playlist (a list of URLs)"),
        (b"HTTP/", "an HTTP answer within the answer"),
        (b"ICY ", "an ICY answer within the answer"),
        (b"{", "JSON"),
        (b"RIFF", "a RIFF file (WAVE)"),
        (b"fLaC", "FLAC in its own container"),
        (b"FLV\x01", "Flash video"),
        (b"\x1A\x45\xDF\xA3", "Matroska or WebM"),
        (b"OggS", "Ogg without a whole page"),
        (b"\x1F\x8B", "data compressed by gzip"),
        (b"\x30\x26\xB2\x75", "Windows Media"),
    ];
    if let Some((_, words)) = known.iter().find(|(with, _)| begins(with)) {
        return (*words).into();
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return "an MP4 file".into();
    }
    if bytes.len() > 376 && [0, 188, 376].iter().all(|at| bytes.get(*at) == Some(&0x47)) {
        return "an MPEG transport stream".into();
    }
    if bytes.is_empty() {
        return "nothing".into();
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return "zeros".into();
    }
    if is_text(bytes) {
        let line: String =
            String::from_utf8_lossy(start).lines().next().unwrap_or_default().chars().take(60).collect();
        return format!("text ({line:?})");
    }
    let hex: Vec<String> = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("bytes that begin with {}", hex.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_audio_is_named() {
        for (bytes, words) in [
            (&b"\n <!DOCTYPE HTML>\n<html>"[..], "an HTML page"),
            (b"#EXTM3U\n#EXTINF:-1,", "an M3U playlist"),
            (b"[Playlist]\nFile1=", "a PLS playlist"),
            (b"0000ftypM4A ", "an MP4 file"),
            (b"\0\0\0\0", "zeros"),
            (b"", "nothing"),
            (b"File not found, sorry.\nBye", "text (\"File not found, sorry.\")"),
            (b"\x01\xFF\x02", "bytes that begin with 01 ff 02"),
        ] {
            assert_eq!(describe(bytes), words);
        }
        assert!(is_text("Blåbärssylt och ä".as_bytes()) && is_text(&"Blåbärssylt ochää".as_bytes()[..18]));
        assert!(!is_text(b"\xFF\xFB\x90\x00 not text at all") && !is_text(b"short"));
    }
}
