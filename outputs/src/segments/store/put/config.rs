//! A server that takes files by `PUT`, as declared.

use std::fmt;
use std::path::PathBuf;

use airchain_net::{MASK, mask_url};
use base64::Engine;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::super::InvalidStore;
use super::super::client::readable;

/// Headers that are the client's to set.
const OURS: [&str; 8] =
    ["host", "connection", "content-length", "content-type", "transfer-encoding", "expect", "te", "upgrade"];

/// A server that takes files by HTTP `PUT`, as declared.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PutConfig {
    /// The folder: `http://` or `https://`. A query goes with every request. Credentials in it are sent as well as those of
    /// the fields, which go before them.
    pub url: String,
    /// User, where the server asks for one (Basic, RFC 7617).
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Further headers of every request, `Name: value`. They may hold secrets.
    pub headers: Vec<String>,
    /// PEM file of certificates to trust beside the system's. The server's own certificate may be in it.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for PutConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutConfig").field("url", &mask_url(&self.url)).finish_non_exhaustive()
    }
}

/// A declaration, taken apart.
#[derive(Clone)]
pub(super) struct Target {
    /// Ends with a slash; without credentials, query and fragment.
    pub(super) url: Url,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    /// What no message may hold.
    pub(super) secrets: Vec<String>,
}

impl PutConfig {
    /// A folder on a server that asks for nothing.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Refuses what cannot be meant, naming the field and what would do, and no secret.
    pub fn validate(&self) -> Result<(), InvalidStore> {
        self.target().map(|_| ())
    }

    /// Where it is, without secrets: the same for two that write to the same folder.
    pub(in super::super) fn place(&self) -> String {
        let Ok(Target { url, .. }) = self.target() else { return mask_url(&self.url) };
        url.as_str().trim_end_matches('/').to_owned()
    }

    pub(super) fn target(&self) -> Result<Target, InvalidStore> {
        let refused = |accepted| InvalidStore { field: "url", value: mask_url(&self.url), accepted };
        let mut url = Url::parse(self.url.trim()).map_err(|_| refused("https://server/folder"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(refused("https://server/folder"));
        }
        if url.fragment().is_some() {
            return Err(refused("a URL without #; in a password write it as %23"));
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let query = url.query().map(str::to_owned);
        let user = self.user.clone().unwrap_or_else(|| decoded(url.username()));
        let password = self.password.clone().or_else(|| url.password().map(decoded)).unwrap_or_default();
        let mut secrets = vec![password.clone()];
        for (_, value) in
            query.iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='))
        {
            secrets.extend([value.to_owned(), decoded(value)]);
        }
        let mut headers = HeaderMap::new();
        for header in &self.headers {
            let refused = |accepted| {
                // Without a colon all of it may be a secret.
                let name = header.split_once(':').map_or(MASK.into(), |(name, _)| readable(name, &[]));
                InvalidStore { field: "headers", value: name, accepted }
            };
            let (name, value) = header.split_once(':').ok_or(refused("headers of the form `Name: value`"))?;
            let name: HeaderName = name.trim().parse().map_err(|_| refused("a header's name"))?;
            if OURS.contains(&name.as_str()) {
                return Err(refused("headers other than those that every request has"));
            }
            let value = value.trim();
            let mut sent = HeaderValue::from_str(value).map_err(|_| refused("a value on one line"))?;
            sent.set_sensitive(true);
            secrets.push(value.to_owned());
            headers.append(name, sent);
        }
        if !(user.is_empty() && password.is_empty()) {
            let refused = |field| InvalidStore {
                field,
                value: MASK.into(),
                accepted: "text without control characters, the user without ':'",
            };
            if user.contains(':') || user.chars().any(char::is_control) {
                return Err(refused("user"));
            }
            if password.chars().any(char::is_control) {
                return Err(refused("password"));
            }
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            secrets.push(pair.clone());
            let sent = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|_| refused("password"))?;
            headers.insert(AUTHORIZATION, sent);
        }
        url.set_query(None);
        // A URL of http always has both.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Target { url, query, headers, secrets })
    }
}
