//! Opening items: what offline rendering and the decode workers share, and the loader that does it at once.

use std::collections::VecDeque;
use std::path::Path;

use airchain_codecs::grid::Grid;
use airchain_core::Frames;
use airchain_core::item::{Item, Metadata};
use airchain_core::playout::{Loaded, Loader, Ticket};
use airchain_inputs::file::{FeedConfig, FileFeed, Opened, Pump};

use crate::levels::{Levels, Question};

/// How a station's items are to be opened.
#[derive(Clone)]
pub(crate) struct LoadConfig {
    /// The station's rate in Hz.
    pub rate_hz: u32,
    /// Frames decoded ahead of an item without a fade of its own.
    pub lookahead: Frames,
    /// Frames decoded of a long item before anybody reads it; `None` is all there is room for.
    pub head: Option<Frames>,
    /// How loud they are.
    pub levels: Levels,
}

/// Where the latest items ended on their resamplers' grids, for those that follow them.
#[derive(Default)]
pub(crate) struct Ends(VecDeque<(Ticket, Grid)>);

impl Ends {
    /// Items remembered: more than the engine holds.
    const KEPT: usize = 32;

    /// Takes down what `feed` says, which may be better known than before.
    pub(crate) fn note(&mut self, ticket: Ticket, feed: &FileFeed) {
        self.put(ticket, feed.grid_after());
    }

    /// Takes down where an item ends.
    pub(crate) fn put(&mut self, ticket: Ticket, grid: Option<Grid>) {
        self.0.retain(|(known, _)| *known != ticket);
        self.0.extend(grid.map(|grid| (ticket, grid)));
        if self.0.len() > Self::KEPT {
            self.0.pop_front();
        }
    }

    pub(crate) fn of(&self, ticket: Option<Ticket>) -> Option<Grid> {
        self.0.iter().find(|(known, _)| Some(*known) == ticket).map(|(_, grid)| *grid)
    }
}

/// Opens `item`, which goes on where `after` is; its feed must be pumped from then on. Where it is not known how loud it
/// is, that is a question.
pub(crate) fn open(
    item: &Item,
    config: &LoadConfig,
    after: Option<Grid>,
) -> Result<(FileFeed, Loaded, Option<Question>), String> {
    let own_fade = item.fade_out_s.unwrap_or(0.0) * f64::from(config.rate_hz);
    let lookahead = config.lookahead + own_fade as Frames;
    let feed_config = FeedConfig { rate_hz: config.rate_hz, lookahead, head: config.head, after };
    let Opened { feed, reader, info, length } =
        FileFeed::open(item, &feed_config).map_err(|error| error.to_string())?;
    let (loudness, question) = config.levels.known(item, &info);
    let metadata = titled(info.metadata, item);
    Ok((feed, Loaded { source: Box::new(reader), metadata, length, loudness }, question))
}

/// What a file's tags say, with its name for a title where they have none: listeners read something, and that is better
/// than nothing.
pub(crate) fn titled(mut metadata: Metadata, item: &Item) -> Metadata {
    let name = || Path::new(&item.path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    metadata.title = metadata.title.or_else(name);
    metadata
}

/// A loader that opens at once and keeps every feed full: for rendering as fast as the processor goes. What it
/// gives does not depend on timing, so a programme renders to the same bits every time.
pub(crate) struct InlineLoader {
    config: LoadConfig,
    feeds: Vec<(Ticket, FileFeed)>,
    ends: Ends,
    opened: VecDeque<(Ticket, Result<Loaded, String>)>,
    damage: VecDeque<(Ticket, String)>,
}

impl InlineLoader {
    pub(crate) fn new(config: LoadConfig) -> Self {
        Self {
            config,
            feeds: Vec::new(),
            ends: Ends::default(),
            opened: VecDeque::new(),
            damage: VecDeque::new(),
        }
    }

    fn pump(&mut self) {
        let (damage, ends) = (&mut self.damage, &mut self.ends);
        self.feeds.retain_mut(|(ticket, feed)| {
            let over = loop {
                match feed.pump() {
                    Pump::Worked => {}
                    Pump::Full => break false,
                    Pump::Done | Pump::Abandoned => break true,
                }
            };
            damage.extend(feed.take_damage().map(|words| (*ticket, words)));
            if over {
                ends.note(*ticket, feed);
            }
            !over
        });
    }
}

impl Loader for InlineLoader {
    fn open(&mut self, ticket: Ticket, item: &Item, after: Option<Ticket>, _urgent: bool) {
        let result = open(item, &self.config, self.ends.of(after)).map(|(feed, mut loaded, question)| {
            self.ends.note(ticket, &feed);
            self.feeds.push((ticket, feed));
            let measured = question.and_then(|question| question.answer(&mut || true));
            loaded.loudness = measured.or(loaded.loudness);
            loaded
        });
        self.opened.push_back((ticket, result));
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        self.pump();
        self.opened.pop_front()
    }

    fn poll_damage(&mut self) -> Option<(Ticket, String)> {
        self.damage.pop_front()
    }
}
