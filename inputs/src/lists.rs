//! The formats of playlists: M3U, PLS, XSPF and ASX to what they name. No I/O; nothing is followed.

use std::collections::BTreeMap;

/// Bytes of a line at most; longer ones are no paths.
const MAX_LINE: usize = 4096;

/// A line of a playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// A path or URL, as it stands there.
    pub(crate) target: String,
    pub(crate) title: Option<String>,
}

impl Entry {
    fn untitled(target: &str) -> Self {
        Self { target: target.to_owned(), title: None }
    }
}

pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty() && line.len() <= MAX_LINE)
}

/// Lines that are no comments, each with the title of the `#EXTINF` before it.
pub(crate) fn m3u(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut title = None;
    for line in lines(text) {
        if let Some(info) = line.strip_prefix("#EXTINF:") {
            title = after_duration(info);
        } else if !line.starts_with('#') {
            entries.push(Entry { target: line.to_owned(), title: title.take() });
        }
    }
    entries
}

/// What follows the duration and attributes of an `#EXTINF`. A comma within quotes does not end them.
fn after_duration(info: &str) -> Option<String> {
    let mut quoted = false;
    let comma = info.find(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })?;
    let title = info[comma + 1..].trim();
    (!title.is_empty()).then(|| title.to_owned())
}

/// `FileN=` and `TitleN=`, in the order of their numbers.
pub(crate) fn pls(text: &str) -> Vec<Entry> {
    let mut targets: BTreeMap<u64, &str> = BTreeMap::new();
    let mut titles: BTreeMap<u64, &str> = BTreeMap::new();
    for (key, value) in lines(text).filter_map(|line| line.split_once('=')) {
        let key = key.trim().to_ascii_lowercase();
        let (place, number) = match (key.strip_prefix("file"), key.strip_prefix("title")) {
            (Some(number), _) => (&mut targets, number),
            (_, Some(number)) => (&mut titles, number),
            _ => continue,
        };
        if let Ok(number) = number.parse()
            && !value.trim().is_empty()
        {
            place.insert(number, value.trim());
        }
    }
    let title = |number| titles.get(number).map(|&title| title.to_owned());
    targets
        .iter()
        .map(|(number, &target)| Entry { target: target.to_owned(), title: title(number) })
        .collect()
}

/// The `<location>` of each `<track>`. One outside of tracks is the playlist's own address.
pub(crate) fn xspf(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (mut in_track, mut in_location) = (false, false);
    for Markup { name, text, .. } in markup(text) {
        match name.rsplit(':').next().unwrap_or_default() {
            "track" => in_track = true,
            "/track" => in_track = false,
            "location" => in_location = in_track,
            "" => {}
            _ => in_location = false,
        }
        if in_location && !text.is_empty() {
            entries.push(Entry::untitled(&unescape(text)));
            in_location = false;
        }
    }
    entries
}

/// The `href` of each `<ref>` and `<entryref>`.
pub(crate) fn asx(text: &str) -> Vec<Entry> {
    markup(text)
        .filter(|markup| matches!(markup.name.as_str(), "ref" | "entryref"))
        .filter_map(|markup| Some(Entry::untitled(unescape(attribute(markup.attributes, "href")?).trim())))
        .collect()
}

/// A tag and the text behind it; or text alone, with no name, from a CDATA section.
struct Markup<'a> {
    /// In lower case; an end tag's begins with `/`.
    name: String,
    attributes: &'a str,
    text: &'a str,
}

/// Walks what should be XML, as leniently as players do: these files are written by hand.
fn markup(text: &str) -> impl Iterator<Item = Markup<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.get(rest.find('<')? + 1..)?;
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = comment.find("-->").and_then(|end| comment.get(end..))?;
            } else if let Some(data) = rest.strip_prefix("![CDATA[") {
                let (text, after) = data.split_once("]]>")?;
                rest = after;
                return Some(Markup { name: String::new(), attributes: "", text: text.trim() });
            } else {
                let (tag, after) = rest.split_once('>')?;
                rest = after;
                let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
                let name = name.trim_end_matches('/').to_ascii_lowercase();
                let text = after.split('<').next().unwrap_or_default().trim();
                return Some(Markup { name, attributes, text });
            }
        }
    })
}

/// The value of an attribute, by its name in lower case.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, after) = after.get(1..)?.split_once(quote)?;
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The five entities of XML and character references.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let end = after.bytes().take(9).position(|byte| byte == b';');
        let entity = end.and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?)));
        match entity.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((char, after)) => {
                plain.push(char);
                rest = after;
            }
            // People write URLs with a bare ampersand.
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(entries: Vec<Entry>) -> Vec<String> {
        entries.into_iter().map(|entry| entry.target).collect()
    }

    #[test]
    fn titles_follow_the_attributes() {
        assert_eq!(after_duration("123,A - B").as_deref(), Some("A - B"));
        assert_eq!(after_duration("-1 logo=\"a,b\",A, B").as_deref(), Some("A, B"));
        assert_eq!(after_duration("123"), None);
    }

    #[test]
    fn pls_goes_by_its_numbers() {
        let text = "[playlist]\r\nNumberOfEntries=2\r\nFile2=http://b/\r\nTitle2=B\r\nfile1 = http://a/\r\nFilex=no\r\nFile3=\r\n";
        assert_eq!(targets(pls(text)), ["http://a/", "http://b/"]);
    }

    #[test]
    fn xspf_names_its_tracks_and_not_itself() {
        let text = "<?xml version=\"1.0\"?><!-- <track><location>http://no/</location></track> -->
            <playlist xmlns=\"http://xspf.org/ns/0/\"><location>http://itself/</location><trackList>
            <track><title>x</title><location> http://a/?x=1&amp;y=2 </location></track>
            <x:track><x:location><![CDATA[http://b/?x=1&y=2]]></x:location></x:track>
            <track><location></location><title>http://no/</title></track>
            </trackList></playlist>";
        assert_eq!(targets(xspf(text)), ["http://a/?x=1&y=2", "http://b/?x=1&y=2"]);
    }

    #[test]
    fn asx_as_it_is_written_by_hand() {
        let text = "<ASX version = \"3.0\"><Entry><REF HREF = \"http://a/?x=1&y=2\" /></Entry>
            <entryref href='b.asx'/><ref nothref=\"http://no/\"><ref href=http://unquoted/></asx>";
        assert_eq!(targets(asx(text)), ["http://a/?x=1&y=2", "b.asx"]);
    }

    #[test]
    fn broken_markup_ends_quietly() {
        for text in [
            "<",
            "<track",
            "<track><location>",
            "<!--",
            "<![CDATA[",
            "<ref href=",
            "<ref href=\"x>",
            "&#xFFFFFFFF;<>",
        ] {
            assert!(xspf(text).is_empty() && asx(text).is_empty(), "{text}");
        }
        assert_eq!(unescape("a&#65;&#x42;&nope;&amp&&;"), "aAB&nope;&amp&&;");
    }
}
