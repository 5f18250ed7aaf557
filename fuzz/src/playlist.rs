//! Any bytes as a playlist.

use std::io::Write;

use airchain::core::item::Item;
use airchain::inputs::playlist::{self, PlaylistError};

use crate::Seed;

pub(crate) fn body(data: &[u8]) {
    for extension in ["m3u8", "pls"] {
        let Some(items) = read(data, extension) else { continue };
        assert!(!items.is_empty() && items.len() <= data.len(), "{} items", items.len());
        for item in &items {
            assert!(item.validate().is_ok(), "{item:?}");
            assert!(!item.path.contains(['\n', '\r', '\0']), "{item:?}");
            let said = [&item.metadata.title, &item.metadata.artist];
            assert!(said.into_iter().flatten().all(|text| is_one_line(text)), "{item:?}");
        }
        // Another editor's line ends, and empty lines, mean nothing.
        let windows: Vec<u8> = data
            .iter()
            .flat_map(|byte| if *byte == b'\n' { &b"\r\n\r\n"[..] } else { std::slice::from_ref(byte) })
            .copied()
            .collect();
        assert!(read(&windows, extension).is_some_and(|others| same(&items, &others)), "line ends matter");
    }
}

fn is_one_line(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(['\n', '\r'])
}

/// What is listed; the playlists differ in their own names alone, and so in nothing that is compared.
fn same(items: &[Item], others: &[Item]) -> bool {
    items.len() == others.len() && items.iter().zip(others).all(|(item, other)| item == other)
}

fn read(bytes: &[u8], extension: &str) -> Option<Vec<Item>> {
    let file = tempfile::Builder::new().suffix(&format!(".{extension}")).tempfile();
    let mut file = file.unwrap_or_else(|error| panic!("no temporary file: {error}"));
    file.write_all(bytes).unwrap_or_else(|error| panic!("no room for a file: {error}"));
    match playlist::expand(file.path()) {
        Ok(items) => Some(items),
        Err(error) => {
            assert!(error.to_string().contains(extension), "{error} does not name the file");
            assert!(!matches!(error, PlaylistError::Io { .. }), "{error}");
            None
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let seed = |name: &str, text: &str| Seed { name: name.into(), bytes: text.into() };
    vec![
        seed("plain.m3u", "a.mp3\n/music/b.flac\n\nfolder\\c.ogg\nhttp://host/d.mp3\nfile:///e%20f.mp3\n"),
        seed(
            "extended.m3u",
            "\u{feff}#EXTM3U\n#EXTINF:123,Ä - B\na.mp3\n#EXTINF:-1 logo=\"a,b\" group=\"x\",Title, with comma\nb.mp3\n",
        ),
        seed(
            "numbered.pls",
            "[playlist]\nNumberOfEntries=3\nFile1=a.mp3\nTitle1=A - B\nLength1=-1\nfile10=c.mp3\nFile2 = b.mp3\nTitle10=C\nVersion=2\n",
        ),
        Seed { name: "latin1.m3u".into(), bytes: b"#EXTINF:1,Gr\xf6\xdfe\r\ngr\xf6\xdfe.mp3\r\n".to_vec() },
        seed("nested.m3u", "other.m3u\nother.pls\n../x.m3u8\n"),
    ]
}
