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
pub(crate) fn first_chain(bytes: &[u8]) -> usize {
    pages(bytes).find(|page| page.flags & 2 != 0).map_or(bytes.len(), |page| page.begin)
}

/// Where the headers end that `bytes` begin with: the pages of granule position 0 before the first with audio. A page on
/// which no packet ends has none, which is -1.
pub(crate) fn headers(bytes: &[u8]) -> usize {
    let before_audio = pages(bytes).take_while(|page| matches!(page.granule, 0 | -1));
    before_audio.filter(|page| page.granule == 0).last().map_or(0, |page| page.end)
}

struct Page {
    begin: usize,
    end: usize,
    flags: u8,
    granule: i64,
}

/// The pages that `bytes` begin with, up to the first that is damaged or cut off.
fn pages(bytes: &[u8]) -> impl Iterator<Item = Page> {
    let page = |begin: usize| {
        let page = bytes.get(begin..).filter(|page| page.starts_with(b"OggS"))?;
        let granule = i64::from_le_bytes(page.get(6..14)?.try_into().ok()?);
        let table = page.get(27..27 + usize::from(*page.get(26)?))?;
        let end = begin + 27 + table.len() + table.iter().map(|n| usize::from(*n)).sum::<usize>();
        (end <= bytes.len()).then_some(Page { begin, end, flags: *page.get(5)?, granule })
    };
    std::iter::successors(page(0), move |last| page(last.end))
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
        let mut audio = page(0, b"audio");
        audio[6] = 1;
        let mut unended = page(0, b"part of tags");
        unended[6..14].fill(0xff);
        let head = [&new[..], &unended[..], &page(1, b"tags")[..]].concat();
        assert_eq!(headers(&head), head.len());
        assert_eq!(headers(&[&head[..], &unended[..], &audio[..], &head[..]].concat()), head.len());
        assert_eq!((headers(&audio), headers(b"")), (0, 0));
        assert!(begins_packet(&new) && !begins_packet(&page(1, b"")) && !begins_packet(b"Ogg"));
    }
}
