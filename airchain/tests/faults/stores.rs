//! HLS in stores behind HTTP, S3 and servers that take files by `PUT`: the outputs of one station, each of which gets into a trouble
//! of its own at the same time.
//!
//! What players find is looked at throughout: what was done to a scripted store is in its log, and a player looks at what nginx
//! serves all the time. In the end it is, file by file, what lies in the folder of the output that had no trouble.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use airchain::output::OutputSpec;
use airchain::outputs::segments::{PutConfig, S3Config, StoreConfig};
use testkit::hls::{Checker, Folder};
use testkit::nginx::{self, Nginx};
use testkit::object_store::{Face, Fault, ObjectStore, Request, Served};
use testkit::proxy::{Proxy, Way};

use super::air::{self, Air, Delivered, Files, PATIENCE, Places, assert_alike, files};
use super::disk::{fill, make_room, with_disk};

/// What becomes of a store.
#[derive(Clone, Copy)]
enum Trouble {
    /// It is killed, and started again.
    Killed,
    /// The way to it is so.
    On(Way),
    /// It is scripted to take nothing, and says so with this status and, in S3, code.
    Says(u16, &'static str),
    /// Its disk is full.
    Full,
    /// It may not write.
    ReadOnly,
}

use Trouble::{Full, Killed, On, ReadOnly, Says};

/// A store, the trouble it gets into, and words in which its output tells of that.
type Row = (Kind, &'static str, Trouble, &'static str);

#[test]
fn s3_in_trouble() {
    get_into_trouble(
        None,
        &[
            (Kind::S3, "s3-killed", Killed, "refuses the connection"),
            (Kind::S3, "s3-black-hole", On(Way::BlackHole), "no answer within 10 s"),
            (Kind::S3, "s3-slow", On(Way::Slow(4_000)), "segments wait to be published"),
            (Kind::S3, "s3-refused", On(Way::Refuse), "refuses the connection"),
            (Kind::S3, "s3-busy", Says(503, "SlowDown"), "asks to wait (503 SlowDown"),
            (Kind::S3, "s3-full", Says(507, "XMinioStorageFull"), "make room there"),
            (Kind::S3, "s3-read-only", Says(403, "AccessDenied"), "they need s3:PutObject"),
        ],
    );
}

#[test]
fn servers_that_take_files_in_trouble() {
    with_disk("stores::servers_that_take_files_in_trouble", |disk| {
        get_into_trouble(
            Some(disk),
            &[
                (Kind::Nginx, "put-killed", Killed, "refuses the connection"),
                (Kind::Nginx, "put-black-hole", On(Way::BlackHole), "no answer within 10 s"),
                (Kind::Nginx, "put-slow", On(Way::Slow(4_000)), "segments wait to be published"),
                (Kind::Nginx, "put-refused", On(Way::Refuse), "refuses the connection"),
                // To nginx an error of its own.
                (Kind::Nginx, "put-on-full-disk", Full, "the server has trouble (500"),
                (Kind::Put, "put-full", Says(507, ""), "the server is full (507); make room there"),
                (Kind::Nginx, "put-read-only", ReadOnly, "the server does not allow it (403"),
            ],
        );
    });
}

/// A station with all these outputs. The disk is for the one that is to be full.
fn get_into_trouble(disk: Option<&Path>, rows: &[Row]) {
    let new = |(kind, id, trouble, _): &Row| {
        let mut peer = Peer::new(*kind, id, disk.filter(|_| matches!(trouble, Full)));
        if matches!(trouble, On(_)) {
            peer.proxy = Some(Proxy::start(peer.server.address()));
        }
        peer
    };
    let mut peers: Vec<Peer> = rows.iter().map(new).collect();
    let air = Air::new(|folder| Places {
        further: peers.iter().map(Peer::output).collect(),
        ..Places::below(folder)
    });
    air.play(2);
    std::thread::scope(|scope| {
        for (peer, (_, id, trouble, words)) in peers.iter_mut().zip(rows) {
            let air = &air;
            scope.spawn(move || {
                peer.begin(*trouble, disk);
                air.tells(id, words);
                peer.end(*trouble, disk);
                air.back(id);
            });
        }
    });
    let ids: Vec<&str> = rows.iter().map(|row| row.1).collect();
    let delivered = air.verify(&ids);
    peers.into_iter().for_each(|peer| peer.check(&delivered));
}

/// What a store is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// S3, scripted.
    S3,
    /// A server that takes files, scripted.
    Put,
    /// A real one.
    Nginx,
}

/// The store of an output.
pub(crate) struct Peer {
    kind: Kind,
    id: &'static str,
    server: Server,
    /// The way to it, where that is to fail.
    proxy: Option<Proxy>,
}

enum Server {
    Scripted(ObjectStore, Served),
    Nginx(Nginx, Player),
}

impl Peer {
    /// With its files below `folder`, where it has any.
    pub(crate) fn new(kind: Kind, id: &'static str, folder: Option<&Path>) -> Self {
        let scripted = |face, key| {
            let store = ObjectStore::new(face).with_key(key);
            let served = store.listen();
            Server::Scripted(store, served)
        };
        let server = match kind {
            Kind::S3 => scripted(Face::S3("station".into()), "Credential=AKIDEXAMPLE/"),
            Kind::Put => scripted(Face::Plain, "Basic ZGo6czNjcmV0"),
            Kind::Nginx => {
                let nginx = Nginx::start_below(folder.unwrap_or(&std::env::temp_dir()));
                let player = Player::of(nginx.root().join("radio"));
                Server::Nginx(nginx, player)
            }
        };
        Self { kind, id, server, proxy: None }
    }

    /// The output that it is the store of.
    pub(crate) fn output(&self) -> OutputSpec {
        let address = self.proxy.as_ref().map_or(self.server.address(), Proxy::address);
        let url = format!("http://{address}");
        let (user, password) = nginx::USER;
        let store = match self.kind {
            Kind::S3 => {
                let mut config = S3Config::new("station", "eu-west-1");
                (config.prefix, config.endpoint) = ("radio".into(), Some(url));
                config.access_key_id = Some("AKIDEXAMPLE".into());
                config.secret_access_key = Some(password.into());
                StoreConfig::S3(config)
            }
            Kind::Put | Kind::Nginx => {
                let mut config = PutConfig::new(format!("{url}/radio"));
                (config.user, config.password) = (Some(user.into()), Some(password.into()));
                StoreConfig::Put(config)
            }
        };
        air::hls(self.id, store)
    }

    /// Decides about each request of a scripted one.
    pub(crate) fn script(&self, script: impl FnMut(&Request) -> Option<Fault> + Send + 'static) {
        if let Server::Scripted(store, _) = &self.server {
            store.script(script);
        }
    }

    fn begin(&mut self, trouble: Trouble, disk: Option<&Path>) {
        match (trouble, &mut self.server) {
            (Killed, server) => server.kill(),
            (On(way), _) => self.proxy.as_ref().unwrap().set(way),
            (Says(status, code), _) => {
                self.script(move |request| (request.method == "PUT").then_some(Fault::Status(status, code)));
            }
            (Full, _) => fill(disk.unwrap()),
            (ReadOnly, Server::Nginx(nginx, _)) => nginx.set_read_only(true),
            (ReadOnly, Server::Scripted(..)) => unreachable!("what is scripted says so"),
        }
    }

    fn end(&mut self, trouble: Trouble, disk: Option<&Path>) {
        match (trouble, &mut self.server) {
            (Killed, server) => server.restart(),
            (On(_), _) => self.proxy.as_ref().unwrap().set(Way::Pass),
            (Full, _) => make_room(disk.unwrap()),
            (_, Server::Nginx(nginx, _)) => nginx.set_read_only(false),
            (_, Server::Scripted(store, _)) => store.heal(),
        }
    }

    /// What players have found there was right throughout, and in the end it is what lies elsewhere.
    pub(crate) fn check(self, delivered: &Delivered) {
        let what = self.id;
        let found = match self.server {
            Server::Scripted(store, _) => {
                let playlists = store.check_order().unwrap_or_else(|why| panic!("{what}: {why}"));
                assert!(playlists > 8, "{what}: {playlists} playlists");
                let put = store.events().into_iter().filter(|event| {
                    event.request.path.ends_with(".ts") && event.request.method == "PUT" && event.status > 0
                });
                let put: Vec<String> = put.map(|event| event.request.path).collect();
                assert!(put.is_sorted(), "{what}: the order is {put:?}");
                let name = |path: &String| path.rsplit('/').next().map(str::to_owned);
                let paths = store.paths().into_iter();
                paths.filter_map(|path| Some((name(&path)?, store.get(&path)?))).collect::<Files>()
            }
            Server::Nginx(nginx, player) => {
                player.finish().assert_clean();
                files(&nginx.root().join("radio"))
            }
        };
        assert_alike(what, &found, &delivered.hls);
    }
}

impl Server {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Scripted(_, served) => served.address(),
            Self::Nginx(nginx, _) => nginx.address(),
        }
    }

    fn kill(&mut self) {
        match self {
            Self::Scripted(_, served) => served.kill(),
            Self::Nginx(nginx, _) => nginx.kill(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Scripted(_, served) => served.restart(),
            Self::Nginx(nginx, _) => nginx.restart(),
        }
    }
}

/// A player that looks at what a server has in a folder, again and again.
struct Player {
    over: Sender<()>,
    thread: JoinHandle<Checker>,
}

impl Player {
    fn of(folder: PathBuf) -> Self {
        let (over, is_over) = channel();
        let look = move || {
            // What is late is told by the output.
            let (mut folder, mut checker) = (Folder(folder), Checker::new("index.m3u8", PATIENCE));
            while is_over.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
                checker.poll(&mut folder);
            }
            checker.poll(&mut folder);
            checker
        };
        Self { over, thread: std::thread::spawn(look) }
    }

    /// What it has found.
    fn finish(self) -> Checker {
        drop(self.over);
        self.thread.join().unwrap()
    }
}
