//! Text from anywhere made fit for a tag.

/// Longest value in bytes: no title is longer, and a tag stays small.
const MOST: usize = 1000;

/// One line without control characters (a NUL would end the value, a line break a header) and not too long.
pub(super) fn one_line(value: &str) -> String {
    let mut short: String = value.chars().filter(|c| !c.is_control()).collect();
    short.truncate(short.floor_char_boundary(MOST));
    short
}
