//! Playlists and folders as they are found in the wild.

use std::path::Path;

use airchain_inputs::playlist::{PlaylistError, expand};

fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).expect("the file can be written");
}

/// Paths of the items below `dir`.
fn names(dir: &Path, list: &str) -> Vec<String> {
    let items = expand(&dir.join(list)).expect("it is a list");
    let below =
        |path: &str| Path::new(path).strip_prefix(dir).map_or(path.to_owned(), |p| p.display().to_string());
    items.iter().map(|item| below(&item.path)).collect()
}

#[test]
fn m3u_with_all_its_trimmings() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let text = "\u{feff}#EXTM3U\r\n#EXTINF:123,Björk - Jóga\r\nsub/a.mp3\r\n\r\n# a comment\r\n/abs/b.flac\r\n\
                #EXTINF:-1,Station\r\nhttp://radio.example/live\r\nback\\slash.ogg\r\n";
    write(dir.path().join("list.m3u8"), text);
    let items = expand(&dir.path().join("list.m3u8")).expect("it is a list");
    assert_eq!(
        names(dir.path(), "list.m3u8"),
        ["sub/a.mp3", "/abs/b.flac", "http://radio.example/live", "back/slash.ogg"]
    );
    assert_eq!(items[0].metadata.artist.as_deref(), Some("Björk"));
    assert_eq!(items[0].metadata.title.as_deref(), Some("Jóga"));
    assert_eq!(items[1].metadata.title, None);
    assert_eq!(items[2].metadata.title.as_deref(), Some("Station"));
}

#[test]
fn latin_1_is_understood() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path().join("old.m3u"), b"#EXTINF:1,Caf\xe9\nM\xfcller.mp3\n");
    let items = expand(&dir.path().join("old.m3u")).expect("it is a list");
    assert_eq!(items[0].metadata.title.as_deref(), Some("Café"));
    assert!(items[0].path.ends_with("Müller.mp3"));
}

#[test]
fn pls_goes_by_its_numbers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(
        dir.path().join("list.pls"),
        "[playlist]\nFile10=c.mp3\nfile2=b.mp3\nTitle2=The Band - B\nFile1=a.mp3\nLength1=-1\nNumberOfEntries=3\nFileX=x\nVersion=2\n",
    );
    assert_eq!(names(dir.path(), "list.pls"), ["a.mp3", "b.mp3", "c.mp3"]);
    let items = expand(&dir.path().join("list.pls")).expect("it is a list");
    assert_eq!(items[1].metadata.artist.as_deref(), Some("The Band"));
}

#[test]
fn folders_are_listed_as_people_would() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let root = dir.path();
    for folder in ["music/10 last", "music/2 first/deep", "music/.hidden"] {
        std::fs::create_dir_all(root.join(folder)).expect("the folder can be made");
    }
    for file in [
        "music/10 last/z.FLAC",
        "music/2 first/deep/track 10.mp3",
        "music/2 first/deep/track 9.mp3",
        "music/2 first/cover.jpg",
        "music/.hidden/no.mp3",
        "music/.no.mp3",
        "music/list.m3u",
        "music/a.opus",
    ] {
        write(root.join(file), "x");
    }
    // Links in a circle, and to a place already listed.
    std::os::unix::fs::symlink(root.join("music"), root.join("music/2 first/circle")).expect("linked");
    std::os::unix::fs::symlink(root.join("music/10 last"), root.join("music/z again")).expect("linked");
    assert_eq!(
        names(root, "music"),
        [
            "music/2 first/deep/track 9.mp3",
            "music/2 first/deep/track 10.mp3",
            "music/10 last/z.FLAC",
            "music/a.opus"
        ]
    );
}

#[test]
fn playlists_within_playlists_are_followed_but_never_in_circles() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(dir.path().join("sub")).expect("the folder can be made");
    write(dir.path().join("a.m3u"), "1.mp3\nsub/b.m3u\n3.mp3\nmissing.m3u\n");
    write(dir.path().join("sub/b.m3u"), "2.mp3\n../a.m3u\nb.m3u\n");
    assert_eq!(
        names(dir.path(), "a.m3u"),
        ["1.mp3", "sub/2.mp3", "sub/../a.m3u", "sub/b.m3u", "3.mp3", "missing.m3u"]
    );
    // Each names the next twice: the depth bounds it before the number of items explodes.
    for n in 0..40 {
        write(dir.path().join(format!("n{n}.m3u")), format!("n{}.m3u\nn{}.m3u\n", n + 1, n + 1));
    }
    assert!(expand(&dir.path().join("n0.m3u")).expect("it is bounded").len() <= 1 << 8);
}

#[test]
fn size_and_nonsense_are_bounded() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("long.m3u");
    write(&path, "a.mp3\n".repeat(100_000));
    assert_eq!(expand(&path).expect("it is a list").len(), 100_000);
    write(&path, "a.mp3\n".repeat(300_000));
    assert!(matches!(expand(&path), Err(PlaylistError::TooMany { .. })));
    write(&path, [0u8; 1_000]);
    assert!(matches!(expand(&path), Err(PlaylistError::Nonsense { .. })));
    write(&path, "x".repeat(100_000));
    assert!(matches!(expand(&path), Err(PlaylistError::Empty { .. })));
    write(&path, "");
    assert!(matches!(expand(&path), Err(PlaylistError::Empty { .. })));
    assert!(matches!(expand(&dir.path().join("none.m3u")), Err(PlaylistError::Io { .. })));
    std::fs::create_dir(dir.path().join("empty")).expect("the folder can be made");
    assert!(matches!(expand(&dir.path().join("empty")), Err(PlaylistError::Empty { .. })));
}

#[test]
fn a_file_stands_for_itself() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path().join("song"), "x");
    assert_eq!(names(dir.path(), "song"), ["song"]);
}
