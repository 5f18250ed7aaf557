//! On whose account the workers are at what: who is charged for it, and who hears of what goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use airchain_core::playout::Ticket;
use airchain_core::playout::report::Part;
use crossbeam_channel::Sender;
use tracing::Span;

use crate::cost::{Cost, charged};
use crate::faults::FaultLog;
use crate::station::Shared;

/// A station, for those who work for it. Clones are the same.
#[derive(Clone)]
pub(crate) struct Account {
    pub(super) faults: Arc<FaultLog>,
    pub(super) cost: Arc<Cost>,
    /// What is done for it is done, and logged, in this span.
    span: Span,
}

impl Account {
    /// That of a station.
    pub(crate) fn of(station: &Shared) -> Self {
        let (faults, cost) = (Arc::clone(&station.faults), Arc::clone(&station.cost));
        Self { faults, cost, span: station.span.clone() }
    }

    /// One of no station.
    #[cfg(test)]
    pub(crate) fn alone() -> Self {
        Self { faults: Arc::default(), cost: Arc::default(), span: Span::none() }
    }
}

/// On whose account a worker is at something, and at what.
pub(crate) struct Errand {
    account: Account,
    /// A file or an input.
    what: String,
    /// Where its station hears of damage to it.
    damage: Option<(Ticket, Sender<(Ticket, String)>)>,
    /// It was said that it hangs.
    told: AtomicBool,
}

impl Errand {
    /// At a live input, or the packets of a file.
    pub(crate) fn new(account: &Account, what: &str) -> Self {
        Self { account: account.clone(), what: what.to_owned(), damage: None, told: AtomicBool::new(false) }
    }

    /// At an item.
    pub(super) fn of_item(
        account: &Account,
        path: &str,
        ticket: Ticket,
        damage: &Sender<(Ticket, String)>,
    ) -> Self {
        Self { damage: Some((ticket, damage.clone())), ..Self::new(account, path) }
    }

    /// Whether both are on the same account.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.account.faults, &other.account.faults)
    }

    /// Does `work` in the span of the station, which is charged with the processor time.
    pub(super) fn charged<T>(&self, work: impl FnOnce() -> T) -> T {
        let Account { cost, span, .. } = &self.account;
        let _in = span.enter();
        charged(&cost.decode_ns, work)
    }

    /// Notes that what decodes it panicked.
    pub(crate) fn panicked(&self) {
        self.account.faults.note(Part::Decoder, format!("{}: the decoder panicked", self.what));
    }

    pub(super) fn has_hung(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Says that a worker has been at it for longer than `limit_s` seconds; of a slow file, whose every read takes its
    /// time, once.
    pub(super) fn hangs(&self, limit_s: u64) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let words = format!("reading it has taken longer than {limit_s} s");
        let fault = format!("{}: {words}; a stand-in decodes for the others", self.what);
        self.account.faults.note(Part::Disk, fault);
        if let Some((ticket, damage)) = &self.damage {
            let _ = damage.send((*ticket, words));
        }
    }
}
