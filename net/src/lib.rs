//! Connections, the same for what is fetched and what is sent: TCP, TLS and whom to trust, why there is none, and URLs
//! without their secrets.

mod dial;
mod mask;
mod tls;

pub use dial::{Connection, DialError, Dialler, Network, Place};
pub use mask::{MASK, mask_url};
