//! What fuzzing reaches of the listener. Not part of the API.

use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use axum::http::header::{HeaderValue, RANGE};
use bytes::Bytes;

use super::files::{self, Part};
use super::icy;

/// The file that a request's path names below `root`.
pub fn file(root: &Path, relative: &str) -> Option<PathBuf> {
    files::resolve(root, relative)
}

/// The first byte and the length that a `Range` header asks for of a file; `None` for all of it.
pub fn range(header: &[u8], length: u64) -> Option<(u64, u64)> {
    let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_bytes(header).ok()?)]);
    match files::part(&headers, length) {
        Part::Whole => None,
        Part::Bytes(from, count) => Some((from, count)),
        Part::Unsatisfiable => Some((length, 0)),
    }
}

/// The ICY block by which listeners are told of a title.
pub fn icy_block(title: &str) -> Bytes {
    icy::block(title)
}
