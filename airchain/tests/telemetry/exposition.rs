//! A strict reader of Prometheus' text exposition format, version 0.0.4, by its specification: whatever that does not
//! allow panics, and so does what Prometheus would take but warn of.

use std::collections::{BTreeMap, BTreeSet};

/// A metric: its kind and its samples.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Family {
    /// The value of the sample with exactly these labels.
    pub(crate) fn value(&self, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.iter().find(|sample| sample.labels == wanted).map(|sample| sample.value)
    }
}

pub(crate) fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n') && !text.contains('\r'), "lines end with a line feed, the last one too");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut helped, mut current) = (BTreeSet::new(), String::new());
    for line in text.strip_suffix('\n').unwrap().split('\n') {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect(line);
            assert!(is_name(name, true) && !help.trim().is_empty() && !help.contains('\\'), "{line}");
            assert!(helped.insert(name.to_owned()), "a second HELP: {line}");
            current = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert_eq!(name, current, "HELP comes before TYPE");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert!(families.insert(name.to_owned(), family).is_none(), "a second TYPE: {line}");
        } else {
            let (name, sample) = parse_sample(line);
            assert_eq!(name, current, "the samples of a metric are together, behind its TYPE");
            let samples = &mut families.get_mut(&name).expect(line).samples;
            assert!(samples.iter().all(|other| other.labels != sample.labels), "a second sample: {line}");
            samples.push(sample);
        }
    }
    for (name, family) in &families {
        assert!(!family.samples.is_empty(), "{name} has no sample");
        let keys: BTreeSet<Vec<_>> = family.samples.iter().map(|one| one.labels.keys().collect()).collect();
        assert_eq!(keys.len(), 1, "{name}: all samples have the same labels");
    }
    families
}

fn is_name(name: &str, colons: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(fits)
}

fn parse_sample(line: &str) -> (String, Sample) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, true), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").expect(line);
            assert!(is_name(label, false) && !label.starts_with("__"), "{line}");
            let mut text = String::new();
            let mut characters = value.char_indices();
            let after = loop {
                match characters.next().expect(line) {
                    (at, '"') => break at + 1,
                    (_, '\\') => text.push(match characters.next().expect(line).1 {
                        'n' => '\n',
                        same @ ('\\' | '"') => same,
                        other => panic!("\\{other} is no escape: {line}"),
                    }),
                    (_, other) => text.push(other),
                }
            };
            assert!(labels.insert(label.to_owned(), text).is_none(), "{line}");
            rest = &value[after..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect(line);
    }
    let value = rest.strip_prefix(' ').expect(line);
    let digits = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    assert!(!value.is_empty() && value.chars().all(digits), "no number, or a time stamp: {line}");
    let value: f64 = value.parse().expect(line);
    assert!(value.is_finite(), "{line}");
    (name.to_owned(), Sample { labels, value })
}
