//! Attribute lists (RFC 8216, 4.2).

use std::collections::BTreeMap;

/// The attributes of a tag by their names, quotes taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(BTreeMap<String, Value>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    text: String,
    quoted: bool,
}

impl Attributes {
    /// Reads a list, or says where it is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (mut attributes, mut rest) = (BTreeMap::new(), text);
        loop {
            let (name, behind) = rest.split_once('=').ok_or_else(|| format!("{rest:?} is no attribute"))?;
            let known = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
            if name.is_empty() || !name.bytes().all(known) {
                return Err(format!("{name:?} is no attribute name"));
            }
            let quoted = behind.starts_with('"');
            let (value, behind) = if quoted {
                let (value, behind) = behind[1..].split_once('"').ok_or("a quoted string has no end")?;
                (value, behind)
            } else {
                behind.split_at(behind.find(',').unwrap_or(behind.len()))
            };
            if !quoted && (value.is_empty() || value.contains(['"', ' ', '\t'])) {
                return Err(format!("{value:?} is no value of {name}"));
            }
            let value = Value { text: value.to_owned(), quoted };
            if attributes.insert(name.to_owned(), value).is_some() {
                return Err(format!("{name} comes twice"));
            }
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None if behind.is_empty() => return Ok(Self(attributes)),
                None => return Err(format!("{behind:?} follows a quoted string")),
            }
        }
    }

    /// A quoted string.
    pub(super) fn string(&self, name: &str) -> Option<&str> {
        self.0.get(name).filter(|value| value.quoted).map(|value| value.text.as_str())
    }

    /// An enumerated string, which has no quotes.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.0.get(name).filter(|value| !value.quoted).map(|value| value.text.as_str())
    }

    /// A decimal integer.
    pub(super) fn integer(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name).filter(|value| !value.quoted)?;
        integer(&value.text)
    }

    /// A decimal number of seconds, in microseconds.
    pub(super) fn micros(&self, name: &str) -> Option<u64> {
        micros(&self.0.get(name).filter(|value| !value.quoted)?.text)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A decimal-integer: digits alone, at most 20.
pub(super) fn integer(text: &str) -> Option<u64> {
    (text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A decimal-floating-point of at most six decimals, in millionths.
pub(super) fn micros(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(format!("{decimals:0<6}").parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_others_refused() {
        let list = Attributes::read("A-1=5,B=\"x, y=z\",C=0x1F,D=1.5").unwrap();
        assert_eq!((list.integer("A-1"), list.string("B")), (Some(5), Some("x, y=z")));
        assert_eq!((list.micros("D"), list.string("C"), list.integer("B")), (Some(1_500_000), None, None));
        for bad in ["", "A", "a=1", "A=", "A=1,", "A=\"x", "A=\"x\"y", "A=1,A=2", "A=1 2", "A =1"] {
            assert!(Attributes::read(bad).is_err(), "{bad}");
        }
        assert_eq!((integer("+5"), integer(""), micros("5."), micros("1.0000001")), (None, None, None, None));
    }
}
