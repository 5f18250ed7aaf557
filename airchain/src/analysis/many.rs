//! Many files: what is in folders and playlists, and their results, in order.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use airchain_inputs::playlist::{self, PlaylistError};

use super::{Analyser, Analysis};

/// The files that paths stand for: those of folders (with all below them, in natural order) and playlists, and files as they
/// are, whatever they are called. A folder or playlist that cannot be read, or has nothing in it, is told of instead.
pub fn files(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<PlaylistError>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() && !playlist::is_playlist(path) {
            files.push(path.clone());
            continue;
        }
        match playlist::expand(path) {
            Ok(items) => files.extend(items.into_iter().map(|item| PathBuf::from(item.path))),
            Err(problem) => problems.push(problem),
        }
    }
    (files, problems)
}

/// What became of a file among many.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// Where it is in the list.
    pub index: usize,
    /// The file.
    pub path: &'a PathBuf,
    /// What was found.
    pub analysis: Analysis,
}

impl Analyser {
    /// Analyses `files`, `jobs` at a time, and hands over each as soon as those before it are done, in their order. Once
    /// `stop` is set it ends within a moment: files that are done are handed over (and in the cache), those that are
    /// not are left out. `done` is told at each end of a file, how many have ended.
    pub fn analyse_all(
        &self,
        files: &[PathBuf],
        jobs: NonZeroUsize,
        stop: &AtomicBool,
        done: &mut dyn FnMut(usize),
        each: &mut dyn FnMut(Outcome<'_>),
    ) {
        let next = AtomicUsize::new(0);
        let (results, ended) = mpsc::channel();
        let work = |results: mpsc::Sender<(usize, Option<Analysis>)>| {
            while !stop.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = files.get(index) else { break };
                let watch = &mut |_, _| match stop.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                };
                if results.send((index, self.analyse_with(path, watch))).is_err() {
                    break;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..jobs.get().min(files.len()) {
                let results = results.clone();
                scope.spawn(|| work(results));
            }
            drop(results);
            let mut waiting: Vec<Option<Option<Analysis>>> = files.iter().map(|_| None).collect();
            let mut shown = 0;
            for (count, (index, analysis)) in ended.iter().enumerate() {
                done(count + 1);
                waiting[index] = Some(analysis);
                while let Some(analysis) = waiting.get_mut(shown).and_then(Option::take) {
                    if let Some(analysis) = analysis {
                        each(Outcome { index: shown, path: &files[shown], analysis });
                    }
                    shown += 1;
                }
            }
        });
    }
}
