//! HLS playlists (RFC 8216) as a listener needs them: which variant, and which segments. No I/O.

use std::time::Duration;

use url::Url;

use crate::lists;

/// What a playlist is.
#[derive(Debug, PartialEq)]
pub(crate) enum Playlist {
    /// It names playlists: the one to listen to.
    Variant(Url),
    Media(Media),
}

/// A playlist of segments.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Media {
    /// How often a segment comes, about.
    pub(crate) target: Duration,
    /// Number of the first segment.
    pub(crate) sequence: u64,
    pub(crate) segments: Vec<Url>,
    /// No more segments will come.
    pub(crate) ended: bool,
}

/// Whether an M3U playlist is one of HLS.
pub(crate) fn is_hls(text: &str) -> bool {
    text.contains("#EXT-X-TARGETDURATION") || text.contains("#EXT-X-STREAM-INF")
}

/// Reads a playlist; the error says what it is that is not listened to.
pub(crate) fn parse(text: &str, base: &Url) -> Result<Playlist, &'static str> {
    let join = |target: &str| {
        base.join(target)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or("a URL that is none")
    };
    if text.contains("#EXT-X-STREAM-INF") {
        return Ok(Playlist::Variant(join(&variant(text).ok_or("no variant with audio of AAC or MP3")?)?));
    }
    let mut media = Media { target: Duration::from_secs(6), ..Media::default() };
    for line in lists::lines(text) {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-TARGETDURATION" => {
                let seconds: f64 = value.trim().parse().unwrap_or(6.0);
                media.target =
                    Duration::from_secs_f64(if seconds.is_finite() { seconds.clamp(0.5, 60.0) } else { 6.0 });
            }
            "#EXT-X-MEDIA-SEQUENCE" => media.sequence = value.trim().parse().unwrap_or(0),
            "#EXT-X-ENDLIST" => media.ended = true,
            "#EXT-X-KEY" if attribute(value, "METHOD") != Some("NONE") => {
                return Err("segments that are encrypted");
            }
            "#EXT-X-MAP" => return Err("segments of MP4"),
            "#EXT-X-BYTERANGE" => return Err("segments that are parts of a file"),
            _ if !line.starts_with('#') => media.segments.push(join(line)?),
            _ => {}
        }
    }
    Ok(Playlist::Media(media))
}

/// The best audio: of variants that are nothing else, the one with the highest bandwidth; else a rendition that is; else the
/// variant that costs least, for what is beside its audio is thrown away.
fn variant(text: &str) -> Option<String> {
    let (mut alone, mut mixed, mut rendition) = (None, None, None);
    let mut pending = None;
    for line in lists::lines(text) {
        if let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            pending = Some(attributes);
        } else if let Some(attributes) = line.strip_prefix("#EXT-X-MEDIA:") {
            let uri = attribute(attributes, "URI").filter(|_| attribute(attributes, "TYPE") == Some("AUDIO"));
            let preferred = attribute(attributes, "DEFAULT") == Some("YES");
            if uri.is_some() && (rendition.is_none() || preferred) {
                rendition = uri;
            }
        } else if !line.starts_with('#')
            && let Some(attributes) = pending.take()
        {
            let bandwidth: u64 = attribute(attributes, "BANDWIDTH").and_then(|b| b.parse().ok()).unwrap_or(0);
            match content(attributes) {
                Content::Audio if alone.is_none_or(|(best, _)| bandwidth > best) => {
                    alone = Some((bandwidth, line))
                }
                Content::Mixed if mixed.is_none_or(|(least, _)| bandwidth < least) => {
                    mixed = Some((bandwidth, line))
                }
                _ => {}
            }
        }
    }
    alone.map(|(_, uri)| uri).or(rendition).or(mixed.map(|(_, uri)| uri)).map(str::to_owned)
}

enum Content {
    Audio,
    Mixed,
    /// Nothing that is decoded here.
    Other,
}

fn content(attributes: &str) -> Content {
    let codecs = attribute(attributes, "CODECS").unwrap_or_default();
    let mut names = codecs.split(',').map(str::trim).filter(|name| !name.is_empty());
    let is_ours = |name: &str| name.starts_with("mp4a") || name == "mp3";
    if attribute(attributes, "RESOLUTION").is_some() {
        return Content::Mixed;
    }
    match codecs {
        "" => Content::Audio,
        _ if names.clone().all(is_ours) => Content::Audio,
        _ if names.any(is_ours) => Content::Mixed,
        _ => Content::Other,
    }
}

/// The value of an attribute in a list such as `A=1,B="x,y"`, without its quotes.
fn attribute<'a>(mut list: &'a str, name: &str) -> Option<&'a str> {
    loop {
        let (key, rest) = list.split_once('=')?;
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        if key.trim() == name {
            return Some(value.trim());
        }
        list = after.trim_start_matches(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Playlist, &'static str> {
        parse(text, &Url::parse("http://h/live/index.m3u8?x=1").unwrap())
    }

    fn chosen(text: &str) -> String {
        match read(text) {
            Ok(Playlist::Variant(url)) => url.path().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_best_audio_is_chosen() {
        let audio = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.5\"\nlow.m3u8\n\
                     #EXT-X-STREAM-INF:CODECS=\"mp4a.40.2\",BANDWIDTH=128000\nhigh.m3u8\n\
                     #EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS=\"ac-3\"\nsurround.m3u8\n";
        assert_eq!(chosen(audio), "/live/high.m3u8");
        let video = "#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS=\"avc1.4d,mp4a.40.2\"\nhd.m3u8\n\
                     #EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=320x180\nsd.m3u8\n";
        assert_eq!(chosen(video), "/live/sd.m3u8");
        assert_eq!(chosen(&format!("{audio}{video}")), "/live/high.m3u8");
        let rendition = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a,b\",NAME=\"x\",DEFAULT=YES,URI=\"/a.m3u8\"\n";
        assert_eq!(chosen(&format!("{video}{rendition}")), "/a.m3u8");
        assert!(read("#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"ec-3\"\nx\n").is_err());
        assert!(read("#EXT-X-STREAM-INF:BANDWIDTH=1").is_err());
    }

    #[test]
    fn segments_are_listed_by_their_numbers() {
        let text = "#EXTM3U\r\n#EXT-X-VERSION:3\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-MEDIA-SEQUENCE:170\r\n\
                    #EXT-X-KEY:METHOD=NONE\r\n#EXTINF:4.0,\r\na.ts\r\n#EXTINF:4.0,x\r\nhttp://cdn/b.ts?y\r\n#EXT-X-ENDLIST\r\n";
        let Ok(Playlist::Media(media)) = read(text) else { panic!("no media playlist") };
        let urls: Vec<&str> = media.segments.iter().map(Url::as_str).collect();
        assert_eq!(urls, ["http://h/live/a.ts", "http://cdn/b.ts?y"]);
        assert_eq!((media.target, media.sequence, media.ended), (Duration::from_secs(4), 170, true));
    }

    #[test]
    fn what_is_not_read_is_named() {
        let with = |line: &str| read(&format!("#EXT-X-TARGETDURATION:nan\n{line}\na.ts\n"));
        assert_eq!(with("#EXT-X-KEY:METHOD=AES-128,URI=\"k\""), Err("segments that are encrypted"));
        assert_eq!(with("#EXT-X-MAP:URI=\"init.mp4\""), Err("segments of MP4"));
        assert_eq!(with("#EXT-X-BYTERANGE:100@0"), Err("segments that are parts of a file"));
        assert_eq!(with("file:///etc/passwd"), Err("a URL that is none"));
        let Ok(Playlist::Media(media)) = with("#x") else { panic!("no media playlist") };
        assert_eq!(media.target, Duration::from_secs(6));
    }
}
