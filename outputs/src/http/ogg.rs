//! What a mount has to know of Ogg pages (RFC 3533) so that listeners can join in the middle.

/// Whether a MIME type is that of an Ogg container.
pub(crate) fn is_ogg(mime: &str) -> bool {
    mime.split(';').next().is_some_and(|kind| kind.ends_with("/ogg"))
}

/// Whether an Ogg page begins a packet rather than continuing one (RFC 3533, section 6: header type flag 0x01).
pub(crate) fn begins_packet(page: &[u8]) -> bool {
    page.get(5).is_some_and(|flags| flags & 1 == 0)
}

/// Where the first page of a logical stream lies (header type flag 0x02); the end if there is none.
pub(crate) fn first_chain(pages: &[u8]) -> usize {
    let mut at = 0;
    while let Some(page) = pages.get(at..).filter(|page| page.starts_with(b"OggS")) {
        let (Some(flags), Some(segments)) = (page.get(5), page.get(26)) else {
            break;
        };
        if flags & 2 != 0 {
            return at;
        }
        let segments = usize::from(*segments);
        let Some(table) = page.get(27..27 + segments) else {
            break;
        };
        at += 27 + segments + table.iter().map(|n| usize::from(*n)).sum::<usize>();
    }
    pages.len()
}

/// A page with one packet, up to its checksum, which nothing here reads.
#[cfg(test)]
pub(crate) fn page(flags: u8, packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend([0; 20]);
    page.extend([1, u8::try_from(packet.len()).unwrap()]);
    page.extend(packet);
    page
}

/// What is in such pages.
#[cfg(test)]
pub(crate) fn contents(mut pages: &[u8]) -> String {
    let mut text = String::new();
    while !pages.is_empty() {
        let end = 28 + usize::from(pages[27]);
        text.push_str(std::str::from_utf8(&pages[28..end]).unwrap());
        pages = &pages[end..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_found_and_damage_is_survived() {
        let (old, new) = (page(4, b"end"), page(2, b"begin"));
        let both = [&old[..], &page(1, b"more")[..], &new[..]].concat();
        assert_eq!(first_chain(&both), both.len() - new.len());
        assert_eq!(first_chain(&new), 0);
        assert_eq!(first_chain(&old), old.len());
        for end in 0..old.len() {
            assert_eq!(first_chain(&old[..end]), end);
        }
        assert!(begins_packet(&new) && !begins_packet(&page(1, b"")) && !begins_packet(b"Ogg"));
    }
}
