//! Whom a request is from, where reverse proxies pass requests on.
//!
//! A proxy adds the address that asked it to `X-Forwarded-For`, behind what it was sent there. Anybody can send such a header,
//! so it is believed as far as it was written by proxies that are trusted: from its end on, up to the first address that is
//! not one of theirs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue};

/// An address, or all that begin alike: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOfProxies {
    address: IpAddr,
    bits: u32,
}

/// Not a network. The caller corrects it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network: give one such as 192.0.2.7 or 10.0.0.0/8")]
pub struct InvalidNetwork;

impl FromStr for NetworkOfProxies {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| InvalidNetwork))?;
        if bits > most { Err(InvalidNetwork) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for NetworkOfProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl NetworkOfProxies {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The proxies that a listener trusts.
#[derive(Debug, Default)]
pub(crate) struct Proxies(Mutex<Vec<NetworkOfProxies>>);

impl Proxies {
    /// Trusts these, too.
    pub(crate) fn add(&self, networks: &[NetworkOfProxies]) {
        let mut trusted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for network in networks {
            if !trusted.contains(network) {
                trusted.push(*network);
            }
        }
    }

    /// Whether a peer is one of them.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let trusted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trusted.iter().any(|network| network.holds(peer))
    }

    /// Whom a request is from: the peer, or whom it was passed on for.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let values = headers.get_all("x-forwarded-for").into_iter();
        let named: Vec<&str> =
            values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).collect();
        let mut client = peer;
        for address in named.into_iter().rev() {
            match address_of(address.trim()) {
                Some(address) if self.trusts(client) => client = address,
                _ => break,
            }
        }
        client
    }

    /// Whether the client spoke TLS with a proxy that is trusted.
    pub(crate) fn is_secure(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        headers.get("x-forwarded-proto").map(HeaderValue::as_bytes) == Some(b"https") && self.trusts(peer)
    }
}

/// Some proxies add the port.
fn address_of(text: &str) -> Option<IpAddr> {
    let plain = text.parse().ok();
    plain.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> Proxies {
        let proxies = Proxies::default();
        let networks: Vec<_> = networks.iter().map(|network| network.parse().unwrap()).collect();
        proxies.add(&networks);
        proxies
    }

    #[test]
    fn networks_hold_what_begins_as_they_do() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/31", "::ffff:192.0.2.6", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
        ] {
            let proxies = proxies(&[network]);
            assert!(proxies.trusts(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!proxies.trusts(outside.parse().unwrap()), "{outside} in {network}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "::1/129", "example.org"] {
            assert_eq!(text.parse::<NetworkOfProxies>(), Err(InvalidNetwork), "{text}");
        }
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let proxies = proxies(&["127.0.0.1", "10.0.0.0/8"]);
        let client = |peer: &str, forwarded: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            proxies.client(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["203.0.113.9, 10.1.1.1"]), "203.0.113.9", "by two proxies");
        assert_eq!(
            client("127.0.0.1", &["198.51.100.1", "203.0.113.9:4711"]),
            "203.0.113.9",
            "who lies gains nothing"
        );
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9", "nobody's proxy");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
        for nothing in ["", "unknown", "203.0.113.9,"] {
            assert_eq!(client("127.0.0.1", &[nothing]), "127.0.0.1", "{nothing:?}");
        }
    }
}
