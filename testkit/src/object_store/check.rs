//! Whether what was done to a store was done in an order that players can rely on.

use std::collections::BTreeMap;

use super::Event;

/// See [`ObjectStore::check_order`](super::ObjectStore::check_order).
pub(super) fn order(events: &[Event]) -> Result<usize, String> {
    let mut files: BTreeMap<&str, &[u8]> = BTreeMap::new();
    let (mut playlists, mut told) = (0, BTreeMap::new());
    for Event { request, status } in events.iter().filter(|event| (200..300).contains(&event.status)) {
        let (path, body) = (request.path.as_str(), request.body.as_slice());
        match request.method.as_str() {
            "PUT" if path.contains(".old") => {}
            "PUT" => {
                for header in ["content-type", "cache-control"] {
                    if request.header(header).is_empty() {
                        return Err(format!("{path} was put without {header}"));
                    }
                }
                if is_playlist(path) {
                    playlists += 1;
                    let text = String::from_utf8_lossy(body);
                    for (uri, tags) in segments(&text) {
                        let segment = beside(path, uri);
                        let before = told.entry(segment.clone()).or_insert_with(|| tags.clone());
                        if *before != tags {
                            return Err(format!("{path} tells {tags:?} of {segment}, and told {before:?}"));
                        }
                    }
                    for uri in named(&text) {
                        let named = beside(path, &uri);
                        if !files.contains_key(named.as_str()) {
                            return Err(format!("{path} names {named}, which is not there"));
                        }
                    }
                } else if files.get(path).is_some_and(|there| *there != body) {
                    return Err(format!("{path} was changed"));
                }
                files.insert(path, body);
            }
            "DELETE" => {
                files.remove(path);
                for (playlist, text) in files.iter().filter(|(path, _)| is_playlist(path)) {
                    let mut named = named(&String::from_utf8_lossy(text)).into_iter();
                    if named.any(|uri| beside(playlist, &uri) == path) {
                        return Err(format!("{path} was removed while {playlist} named it ({status})"));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(playlists)
}

fn is_playlist(path: &str) -> bool {
    path.ends_with(".m3u8")
}

/// The segments of a playlist, with what it tells of each that is never to change.
fn segments(playlist: &str) -> Vec<(&str, Vec<String>)> {
    const FIXED: [&str; 4] = ["#EXTINF:", "#EXT-X-PROGRAM-DATE-TIME:", "#EXT-X-DISCONTINUITY", "#EXT-X-GAP"];
    let (mut segments, mut tags) = (Vec::new(), Vec::new());
    for line in playlist.lines().filter(|line| !line.starts_with("#EXT-X-DISCONTINUITY-SEQUENCE")) {
        if FIXED.iter().any(|tag| line.starts_with(tag)) {
            tags.push(line.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            segments.push((line, std::mem::take(&mut tags)));
        }
    }
    segments
}

/// What a playlist names, but for gaps, which are not there.
fn named(playlist: &str) -> Vec<String> {
    let (mut uris, mut gap) = (Vec::new(), false);
    for line in playlist.lines() {
        if line.starts_with("#EXT-X-GAP") {
            gap = true;
        } else if line.starts_with("#EXT-X-MAP:")
            || line.starts_with("#EXT-X-PART:") && !line.contains("GAP=YES")
        {
            let (_, uri) = line.split_once("URI=\"").unwrap_or_default();
            uris.push(uri.split('"').next().unwrap_or_default().to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            if !gap {
                uris.push(line.to_owned());
            }
            gap = false;
        }
    }
    uris
}

fn beside(playlist: &str, uri: &str) -> String {
    let folder = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{uri}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::Request;
    use super::*;

    fn event(method: &str, path: &str, body: &str) -> Event {
        let headers = ["content-type", "cache-control"].map(|name| (name.to_owned(), "x".to_owned()));
        let request = Request {
            method: method.into(),
            path: path.into(),
            headers: HashMap::from(headers),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        Event { request, status: 200 }
    }

    #[test]
    fn every_disorder_is_found() {
        let segment = event("PUT", "/a/1.ts", "one");
        let playlist = event("PUT", "/a/live.m3u8", "#EXTM3U\n#EXT-X-GAP\n0.ts\n1.ts\n");
        let dated = |date: &str| {
            let text = format!("#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:1.0,\n1.ts\n");
            event("PUT", "/a/live.m3u8", &text)
        };
        let index = event("PUT", "/index.m3u8", "#EXTM3U\na/live.m3u8\n");
        let good = [segment.clone(), playlist.clone(), index.clone()];
        assert_eq!(order(&good), Ok(2));
        let failed = Event { status: 503, ..segment.clone() };
        for (wrong, said) in [
            (vec![playlist.clone()], "not there"),
            (vec![failed, playlist.clone()], "not there"),
            (vec![index], "not there"),
            (vec![segment.clone(), playlist, event("DELETE", "/a/1.ts", "")], "removed"),
            (vec![segment.clone(), event("PUT", "/a/1.ts", "two")], "changed"),
            (vec![segment.clone(), dated("06:00"), dated("07:00")], "and told"),
            (vec![event("PUT", "/a/live.m3u8", "#EXT-X-MAP:URI=\"init.mp4\"\n")], "not there"),
            (vec![event("PUT", "/a/live.m3u8", "#EXT-X-PART:DURATION=0.3,URI=\"1.0.ts\"\n")], "not there"),
            (
                vec![Event { request: Request { headers: HashMap::new(), ..segment.request }, status: 200 }],
                "without",
            ),
        ] {
            let found = order(&wrong);
            assert!(found.as_ref().is_err_and(|why| why.contains(said)), "{found:?} instead of {said}");
        }
    }
}
