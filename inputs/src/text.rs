//! Text from outside, of whatever encoding and with whatever in it.

/// What the bytes 0x80 to 0x9F are in windows-1252; everything above is as in Latin-1. Five have no meaning.
const UPPER: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Bytes as text: UTF-8, with or without a byte order mark, or else windows-1252, which is what is meant by Latin-1.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| one(byte)).collect(),
    };
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

fn one(byte: u8) -> char {
    let upper = usize::from(byte).checked_sub(0x80).and_then(|at| UPPER.get(at));
    upper.copied().unwrap_or(char::from(byte))
}

/// Text as one line of at most `longest` characters that cannot confuse a log or a terminal: controls become spaces. `None`
/// if nothing is left.
pub(crate) fn line(text: &str, longest: usize) -> Option<String> {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    let line: String = plain.trim().chars().take(longest).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_are_read() {
        assert_eq!(decode("\u{feff}Käse €".as_bytes()), "Käse €");
        assert_eq!(decode(b"K\xE4se \x80 \x93x\x94"), "Käse € “x”");
        assert_eq!(decode(b"\x81\xFF"), "\u{81}ÿ");
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line(" a\r\nb\u{1b}[31m\0 ", 100).as_deref(), Some("a  b [31m"));
        assert_eq!(line("äöü", 2).as_deref(), Some("äö"));
        assert_eq!(line("\r\n", 9), None);
    }
}
