//! Telemetry from the desk: what is looked at in each round, and what once a second.

use std::sync::Arc;
use std::time::Instant;

use airchain_core::playout::report::StationEvent;
use airchain_core::tier::Tier;

use super::DeskStation;
use crate::telemetry::{self, Queue, gauges};

impl DeskStation {
    pub(super) fn measure(&mut self) {
        if let Some(health) = self.shared.gauges.look(&self.shared) {
            let (tier, buffer) = (self.shared.gauges.read().tier, gauges::buffer(&self.shared, health));
            self.tell_now(StationEvent::BufferHealth { health, tier, frames: buffer.frames, ms: buffer.ms });
        }
        let now = Instant::now();
        if !self.rates.is_due(now) {
            return;
        }
        let cpu_share = self.rates.take(now, gauges::cpu_s(&self.shared));
        let queue = self.queue();
        self.shared.gauges.note(&self.shared, cpu_share, queue);
        self.tell_loudness();
        if self.shared.telemetry.receiver_count() > 0 {
            self.shared.telemetry.send_replace(Some(Arc::new(telemetry::read(&self.shared))));
        }
    }

    fn queue(&self) -> Queue {
        let waiting = self.director.waiting();
        let on = |tier: Tier| waiting.get(tier.index()).copied().unwrap_or_default();
        Queue {
            emergency: on(Tier::Emergency),
            live_override: on(Tier::LiveOverride),
            live_scheduled: on(Tier::LiveScheduled),
            automation: on(Tier::Automation),
            requests: self.director.requests_waiting(),
        }
    }
}
