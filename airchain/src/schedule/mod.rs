//! The schedule at the edge: times as people write them, in the station's time zone, to UTC.
//!
//! * A date is once: `2026-11-28T12:00:00` by the station's clocks, or with `Z` or an offset. Of a time that the clocks
//!   show twice it is the first; one that they leap over is refused, for it never comes.
//! * `12:00:00` is once a day. On the day on which the clocks leap over it, it comes as long after the leap as it lies
//!   after it (02:30 is then what they show as 03:30); of a time that they show twice, it is the first.
//! * `:59:50` is once an hour: whenever the clocks show it, so also in the hour that comes twice.
//! * A leap second, 23:59:60, is the second that follows 23:59:59 as computers count: the midnight after it. So is the
//!   second 60 of any other minute the start of the next, since a zone's own clocks show the leap second at other hours.

mod at;
mod declared;
mod joined;
mod rows;

pub use at::{ACCEPTED, At};
pub use declared::{first_day, rows, zone};
pub use joined::{Joined, Now};
pub use rows::{Row, Rows};
