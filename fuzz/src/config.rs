//! Any text as a station file.

use std::sync::OnceLock;

use airchain::config::{self, ConfigErrors};
use serde_json::Value;

use crate::{Seed, one_line};

/// What stands in for every secret; it must not come out again.
const SECRET: &str = "Xq7Zk2Wm";

pub(crate) fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(planted) = planted_in_text(&text) {
        judge(&config::parse(&planted, "station.yaml").map(|station| config::explain(&station)));
    }
    let read = config::parse(&text, "station.yaml");
    judge(&read.as_ref().map(config::explain).map_err(Clone::clone));
    let Ok(station) = read else { return };
    // What is explained is a station file, and the same one; what its secrets are is not told.
    let explained = config::explain(&station);
    let again = config::parse(&explained, "explained.yaml");
    let again =
        again.unwrap_or_else(|errors| panic!("it is explained as what is refused: {errors}\n{explained}"));
    assert_eq!(config::explain(&again), explained, "it is explained otherwise the second time");
    let mut value = serde_json::to_value(&station).unwrap_or_else(|error| panic!("no JSON: {error}"));
    plant(&mut value, "");
    judge(&config::from_value(&value, "station").map(|station| config::explain(&station)));
    let _ = config::parse_chain(&text, "chain.yaml").map_err(|errors| judge(&Err(errors)));
}

/// Errors name what they are about on a line of their own; secrets are neither in them nor in what is explained.
fn judge(read: &Result<String, ConfigErrors>) {
    let errors = match read {
        Ok(explained) => {
            assert!(!explained.contains(SECRET), "a secret is explained:\n{explained}");
            return;
        }
        Err(errors) => errors,
    };
    assert!(!errors.problems.is_empty(), "it is refused without a reason");
    for problem in &errors.problems {
        let said = problem.to_string();
        assert!(one_line(&said), "not one line: {said:?}");
        assert!(!said.contains(SECRET), "a secret is in an error: {said}");
        // The text as a whole has no name: there it is the place.
        let of_text = problem.line.is_some() || errors.problems.len() == 1;
        assert!(!problem.field.is_empty() || of_text, "no field is named: {said}");
    }
}

/// Fields that hold a secret, and those whose URLs may have one within: by the reference, so that a new one is tried as well.
fn secret_fields() -> &'static [(String, bool)] {
    static FIELDS: OnceLock<Vec<(String, bool)>> = OnceLock::new();
    FIELDS.get_or_init(|| {
        let reference = config::reference();
        let rows = reference.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let (name, accepts) = (cells.next()?.trim_end_matches('`'), cells.next()?);
            match accepts {
                "text" => Some((name.to_owned(), true)),
                _ if accepts.contains(" URL") => Some((name.to_owned(), false)),
                _ => None,
            }
        });
        rows.collect()
    })
}

/// Puts the secret into a value as it may stand in the field called `name`.
fn planted(name: &str, text: &str) -> Option<String> {
    let (_, whole) = secret_fields().iter().find(|(known, _)| known == name)?;
    if *whole {
        return Some(SECRET.to_owned());
    }
    let (scheme, rest) = text.split_once("://")?;
    Some(format!("{scheme}://user:{SECRET}@{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place)))
}

fn plant(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| plant(value, name)),
        Value::Array(values) => values.iter_mut().for_each(|value| plant(value, name)),
        Value::String(text) => {
            if let Some(planted) = planted(name, text) {
                *text = planted;
            }
        }
        _ => {}
    }
}

/// The same for text, where lines are all that there is; none where a line may be something else.
fn planted_in_text(text: &str) -> Option<String> {
    if text.contains(['"', '\'', '|', '>', '[', '{', '&', '*', '\\']) {
        return None;
    }
    let line = |line: &str| {
        let (head, value) = line.split_once(": ")?;
        let name = head.trim_start_matches([' ', '-']);
        Some(format!("{head}: {}", planted(name, value)?))
    };
    Some(text.lines().map(|text| line(text).unwrap_or_else(|| text.to_owned()) + "\n").collect())
}

pub(crate) fn seeds() -> Vec<Seed> {
    let seed = |name: &str, text: &str| Seed { name: name.into(), bytes: text.into() };
    vec![
        seed("small.yaml", include_str!("../seeds/small.yaml")),
        seed("outputs.yaml", include_str!("../seeds/outputs.yaml")),
        seed("flow.yaml", include_str!("../seeds/flow.yaml")),
        seed("wrong.yaml", include_str!("../seeds/wrong.yaml")),
    ]
}
