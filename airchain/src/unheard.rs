//! Items without their audio: as long as they are, and silent. By them a day is planned in seconds, by the same director
//! and engine that air it.

use std::collections::VecDeque;

use airchain_codecs::grid::Grid;
use airchain_core::item::Item;
use airchain_core::playout::schedule::Length;
use airchain_core::playout::{Loaded, Loader, Ticket};
use airchain_core::source::{Fill, Source};
use airchain_core::{Frames, Stereo};
use airchain_inputs::file;

use crate::fallback::TONE;
use crate::lengths::Catalogue;
use crate::loader::{Ends, LoadConfig, titled};
use crate::spec::Fallback;

/// So many frames of nothing.
struct Unheard {
    left: Frames,
    /// Frames decoded ahead of an item that is heard: its end is in sight no sooner.
    sight: Frames,
}

impl Source for Unheard {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        let frames = self.left.min(out.len() as Frames) as usize;
        self.left -= frames as Frames;
        if frames == out.len() { Fill::Full } else { Fill::End { frames } }
    }

    fn remaining(&self) -> Option<Frames> {
        (self.left <= self.sight).then_some(self.left)
    }

    fn available(&self) -> Frames {
        self.left
    }
}

/// Opens items at once by what is known of their files, and decodes none that declares its length.
pub(crate) struct UnheardLoader {
    config: LoadConfig,
    catalogue: Catalogue,
    ends: Ends,
    opened: VecDeque<(Ticket, Result<Loaded, String>)>,
}

impl UnheardLoader {
    pub(crate) fn new(config: LoadConfig) -> Self {
        Self { config, catalogue: Catalogue::default(), ends: Ends::default(), opened: VecDeque::new() }
    }

    fn load(&mut self, ticket: Ticket, item: &Item, after: Option<Ticket>) -> Result<Loaded, String> {
        let info = self.catalogue.info(&item.path)?;
        let grid = Grid::new(info.sample_rate_hz, self.config.rate_hz);
        let same = |after: &Grid| after.from_hz() == grid.from_hz();
        let grid = self.ends.of(after).filter(same).unwrap_or(grid);
        let frames = file::cued(item, info).unwrap_or(0);
        let metadata = titled(info.metadata.clone(), item);
        self.ends.put(ticket, Some(grid.after(frames)));
        let length = grid.length(frames);
        let own_fade = item.fade_out_s.unwrap_or(0.0) * f64::from(self.config.rate_hz);
        let source = Box::new(Unheard { left: length, sight: self.config.lookahead + own_fade as Frames });
        Ok(Loaded { source, metadata, length: Some(length), loudness: None })
    }
}

impl Loader for UnheardLoader {
    fn open(&mut self, ticket: Ticket, item: &Item, after: Option<Ticket>, _urgent: bool) {
        let loaded = self.load(ticket, item, after);
        self.opened.push_back((ticket, loaded));
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        self.opened.pop_front()
    }
}

/// The fallback that `spec` names, as [`fallback`](crate::fallback::fallback) gives it, but for its sound.
pub(crate) fn fallback(spec: &Fallback, rate_hz: u32, looped: bool) -> Option<(Item, Box<dyn Source>)> {
    let silence = |left| Box::new(Unheard { left, sight: Frames::MAX });
    if let Fallback::File(path) = spec {
        let item = Item::file(path.display().to_string());
        if let Length::Known(length) = Catalogue::default().length(&item, rate_hz) {
            let left = if looped { Frames::MAX } else { length };
            return Some((item, Box::new(Unheard { left, sight: if looped { 0 } else { length } })));
        }
    }
    (*spec != Fallback::None).then(|| (Item::file(TONE), silence(Frames::MAX) as Box<dyn Source>))
}
