//! Keeping passwords out of everything that people read.

/// What stands where a secret was.
pub const MASK: &str = "***";

/// A URL with its password and the values of its query masked. Works on text that is no valid URL as well: what
/// stands before an `@` is taken for credentials.
pub fn mask_url(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    // A password may hold an unescaped slash or at-sign, so the last `@` of all ends the credentials.
    let masked = match rest.rsplit_once('@') {
        Some((credentials, place)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{scheme}{user}:{MASK}@{place}"),
            None => format!("{scheme}{MASK}@{place}"),
        },
        // The `?` may have been part of a password.
        None if query.is_some_and(|query| query.contains('@')) => match rest.split_once(':') {
            Some((user, _)) => format!("{scheme}{user}:{MASK}"),
            None => format!("{scheme}{rest}"),
        },
        None => format!("{scheme}{rest}"),
    };
    let Some(query) = query else { return masked };
    let query: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}={MASK}"),
            None => MASK.to_owned(),
        })
        .collect();
    format!("{masked}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_survive() {
        assert_eq!(
            mask_url("icecast://source:hackme@localhost:8000/live"),
            "icecast://source:***@localhost:8000/live"
        );
        assert_eq!(mask_url("source:hackme@localhost"), "source:***@localhost");
        assert_eq!(mask_url("http://u:p@ss/w:rd@host/x"), "http://u:***@host/x");
        assert_eq!(mask_url("http://token@host/x"), "http://***@host/x");
        assert_eq!(mask_url("https://host/x?key=abc&plain"), "https://host/x?key=***&***");
        assert_eq!(mask_url("http://host/a?x=u:p@h"), "http://host/a?x=***");
        assert_eq!(mask_url("http://u:p?ss@host/x"), "http://u:***?***");
        assert_eq!(mask_url("no url at all"), "no url at all");
    }
}
