//! `/metrics`: text for a Prometheus server, which the owner of the listener makes.
//!
//! It tells of all that the process does, so it is for peers of this machine and of private networks unless the owner
//! says otherwise, never then for a request that a proxy passed on, and never at all for a web page of somewhere else: what runs in a
//! browser on this machine is a peer of this machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, HeaderValue};

/// The format of the text: Prometheus' text exposition format.
pub(crate) const MIME: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Makes the text. Called where it may take its time.
pub type MakeText = Arc<dyn Fn() -> String + Send + Sync>;

/// Who may read the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Peers on this machine and in private networks (RFC 1918, RFC 4193, link-local), directly and not through a proxy.
    #[default]
    Private,
    /// Everybody who reaches the listener.
    Everyone,
    /// Nobody, whatever else is said.
    Nobody,
}

/// What a proxy adds to the requests that it passes on.
const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Whether a browser sends this for a page, or at the wish of a page, that is not of this listener. A Prometheus server sends
/// neither header.
fn is_for_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(ORIGIN) || site.is_some_and(|site| !matches!(site, b"none" | b"same-origin"))
}

/// The metrics of a listener.
#[derive(Default)]
pub(crate) struct Metrics {
    make: Mutex<Option<MakeText>>,
    audience: Mutex<Audience>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn make_by(&self, make: MakeText) {
        *self.make.lock().unwrap_or_else(PoisonError::into_inner) = Some(make);
    }

    /// Adds an audience: the widest counts, and nobody is final.
    pub(crate) fn admit(&self, audience: Audience) {
        let mut now = self.audience.lock().unwrap_or_else(PoisonError::into_inner);
        *now = audience.max(*now);
    }

    /// What makes the text, for one who may read it.
    pub(crate) fn for_peer(&self, peer: IpAddr, headers: &HeaderMap) -> Option<MakeText> {
        let is_admitted = match *self.audience.lock().unwrap_or_else(PoisonError::into_inner) {
            Audience::Everyone => true,
            Audience::Private => {
                is_private(peer) && !PASSED_ON.iter().any(|name| headers.contains_key(*name))
            }
            Audience::Nobody => false,
        } && !is_for_a_page(headers);
        self.make.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|_| is_admitted)
    }
}

/// Whether an address is of this machine or of a network that is not the internet.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn metrics(audience: &[Audience]) -> Metrics {
        let metrics = Metrics::default();
        metrics.make_by(Arc::new(String::new));
        audience.iter().for_each(|audience| metrics.admit(*audience));
        metrics
    }

    fn may_read(metrics: &Metrics, peer: &str) -> bool {
        metrics.for_peer(peer.parse().unwrap(), &HeaderMap::new()).is_some()
    }

    #[test]
    fn only_private_peers_read_them_unless_it_is_said() {
        let private = metrics(&[]);
        let inside = [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.2",
            "169.254.0.1",
            "fd00::1",
            "fe80::1",
        ];
        for peer in inside.into_iter().chain(["::ffff:10.0.0.1"]) {
            assert!(may_read(&private, peer), "{peer}");
        }
        for peer in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8", "0.0.0.0"] {
            assert!(!may_read(&private, peer), "{peer}");
            assert!(may_read(&metrics(&[Audience::Everyone]), peer), "{peer}");
        }
        for audience in [[Audience::Nobody, Audience::Everyone], [Audience::Everyone, Audience::Nobody]] {
            assert!(!may_read(&metrics(&audience), "127.0.0.1"));
        }
        assert!(!may_read(&Metrics::default(), "127.0.0.1"), "without any, there is nothing to read");
    }

    #[test]
    fn a_proxy_on_this_machine_does_not_make_its_clients_private() {
        for name in PASSED_ON {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
            assert!(metrics(&[]).for_peer("127.0.0.1".parse().unwrap(), &headers).is_none(), "{name}");
            let everyone = metrics(&[Audience::Everyone]);
            assert!(everyone.for_peer("127.0.0.1".parse().unwrap(), &headers).is_some(), "{name}");
        }
    }

    #[test]
    fn a_page_of_another_site_in_a_browser_here_reads_nothing() {
        let may_read = |audience, name, value| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            metrics(&[audience]).for_peer("127.0.0.1".parse().unwrap(), &headers).is_some()
        };
        for audience in [Audience::Private, Audience::Everyone] {
            assert!(!may_read(audience, "origin", "https://example.org"));
            assert!(!may_read(audience, "origin", "null"));
            for (site, allowed) in
                [("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true)]
            {
                assert_eq!(may_read(audience, "sec-fetch-site", site), allowed, "{site}");
            }
        }
    }
}
