//! A station's HLS outputs on the listeners of its http outputs.

use std::net::SocketAddr;
use std::path::PathBuf;

use airchain_outputs::hls::{self, Live};
use airchain_outputs::http::{Listener, ServedDir};

/// What is served where, by the ids of the outputs.
#[derive(Default)]
pub(super) struct Serving {
    folders: Vec<Folder>,
    pages: Vec<Page>,
    served: Vec<Served>,
}

/// An HLS output.
struct Folder {
    output: String,
    path: PathBuf,
    live: Option<Live>,
    prefix: String,
}

/// An http output whose listener serves HLS.
struct Page {
    output: String,
    listener: Listener,
    sessions: bool,
}

struct Served {
    address: SocketAddr,
    prefix: String,
    sessions: bool,
    _dir: ServedDir,
}

impl Serving {
    /// Adds an HLS output of a station.
    pub(super) fn add_folder(&mut self, station: &str, output: &str, path: PathBuf, live: Option<Live>) {
        let first = format!("/hls/{station}");
        // Whatever the ids, none of these is the folder of another station.
        let further = (2..).map(|number| format!("/hls-{number}/{station}"));
        let is_free = |prefix: &String| self.folders.iter().all(|folder| folder.prefix != *prefix);
        let Some(prefix) = std::iter::once(first.clone()).chain(further).find(is_free) else { return };
        self.folders.push(Folder { output: output.to_owned(), path, live, prefix });
        self.refresh();
    }

    /// Adds an http output, for players to be given session ids there or not.
    pub(super) fn add_page(&mut self, output: &str, listener: Listener, sessions: bool) {
        self.pages.push(Page { output: output.to_owned(), listener, sessions });
        self.refresh();
    }

    /// Takes an output off.
    pub(super) fn remove(&mut self, output: &str) {
        self.folders.retain(|folder| folder.output != output);
        self.pages.retain(|page| page.output != output);
        self.refresh();
    }

    /// Knows an output by another id from now on.
    pub(super) fn rename(&mut self, output: &str, id: &str) {
        let folders = self.folders.iter_mut().map(|folder| &mut folder.output);
        let pages = self.pages.iter_mut().map(|page| &mut page.output);
        folders.chain(pages).filter(|known| *known == output).for_each(|known| id.clone_into(known));
    }

    /// Whether low-latency players are served.
    pub(super) fn has_live(&self) -> bool {
        self.folders.iter().any(|folder| folder.live.is_some())
    }

    fn refresh(&mut self) {
        let Self { folders, pages, served } = self;
        // Several http outputs of a station may share a listener.
        let sessions = |address: SocketAddr| {
            let mut here = pages.iter().filter(|page| page.listener.local_addr() == address).peekable();
            here.peek().is_some().then(|| here.any(|page| page.sessions))
        };
        served.retain(|served| {
            let wanted = folders.iter().any(|folder| folder.prefix == served.prefix);
            wanted && sessions(served.address) == Some(served.sessions)
        });
        for (folder, page) in folders.iter().flat_map(|folder| pages.iter().map(move |page| (folder, page))) {
            let (address, prefix) = (page.listener.local_addr(), folder.prefix.clone());
            if served.iter().any(|served| served.address == address && served.prefix == prefix) {
                continue;
            }
            let sessions = sessions(address).unwrap_or_default();
            let live = folder.live.clone();
            match page.listener.serve_dir(&prefix, &folder.path, Some(hls::INDEX), sessions, live) {
                Ok(dir) => served.push(Served { address, prefix, sessions, _dir: dir }),
                Err(error) => tracing::error!(output = %folder.output, "HLS is not served: {error}"),
            }
        }
    }
}
