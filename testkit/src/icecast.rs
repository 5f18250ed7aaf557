//! Icecast as a peer: the real server (`icecast2` of Debian), and scripted ones that answer as no good server would.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Password of sources, and of the user `admin`.
pub const PASSWORD: &str = "s3cret";
/// `admin:s3cret` in base64.
const ADMIN: &str = "YWRtaW46czNjcmV0";

/// A running `icecast2` on a free port of 127.0.0.1, which ends with this value. Listeners first get up to 2 MiB of what
/// went before, so that those of a short test hear it from its beginning.
pub struct Icecast {
    child: Option<Child>,
    dir: tempfile::TempDir,
    port: Port,
    /// The one behind it, where Shoutcast's sources are taken.
    next_port: Option<Port>,
    tls_port: Port,
}

/// What is not the same in all of them.
#[derive(Clone, Copy)]
struct Setup {
    sources: u32,
    /// `<limits>` of queues, listeners and times.
    limits: &'static str,
    tls: Option<Signed>,
    shoutcast: bool,
}

/// Up to 2 MiB of what went before for each listener.
const GENEROUS: &str =
    "<queue-size>4194304</queue-size><burst-size>2097152</burst-size><source-timeout>10</source-timeout>";
/// As in the `icecast.xml` that Debian installs, but for the number of listeners.
const USUAL: &str = "<clients>5000</clients><queue-size>524288</queue-size><burst-size>65535</burst-size>\
                     <client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>10</source-timeout>";

/// Who signed a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Itself, for a name that is not its own, as stations do.
    BySelf,
    /// An authority that nobody knows, for `localhost`.
    ByAuthority,
}

impl Icecast {
    /// Starts one that admits `sources` sources at a time. The mounts `/utf8.mp3` and `/utf8.aac` hold UTF-8, others ISO 8859-1, which is
    /// what Icecast does unless told otherwise.
    ///
    /// # Panics
    /// When `icecast2` is not installed or does not start.
    pub fn start(sources: u32) -> Self {
        Self::set_up(Setup { sources, limits: GENEROUS, tls: None, shoutcast: false })
    }

    /// Starts one with the queues that Debian's has, for thousands of listeners.
    pub fn start_as_usual() -> Self {
        Self::set_up(Setup { sources: 10, limits: USUAL, tls: None, shoutcast: false })
    }

    /// Starts one that also listens with TLS.
    pub fn start_tls(signed: Signed) -> Self {
        Self::set_up(Setup { sources: 10, limits: GENEROUS, tls: Some(signed), shoutcast: false })
    }

    /// Starts one that also takes the source of a Shoutcast server, for the mount `/utf8.mp3`: on the port behind its own.
    pub fn start_shoutcast() -> Self {
        Self::set_up(Setup { sources: 10, limits: GENEROUS, tls: None, shoutcast: true })
    }

    fn set_up(setup: Setup) -> Self {
        // Should someone else take a port meanwhile, the server exits and the next is tried.
        for _ in 0..20 {
            let dir = tempfile::tempdir().expect("a temporary directory");
            // As root, the server becomes `nobody`, who must still be able to write its logs.
            let open = std::fs::Permissions::from_mode(0o777);
            std::fs::set_permissions(dir.path(), open).expect("permissions of a temporary directory");
            let port = Port::free();
            let next_port = if setup.shoutcast { Port::claim(port.number + 1) } else { None };
            if setup.shoutcast && next_port.is_none() {
                continue;
            }
            let mut server = Self { child: None, dir, port, next_port, tls_port: Port::free() };
            if let Some(signed) = setup.tls {
                server.make_certificate(signed);
            }
            std::fs::write(server.config(), server.xml(setup)).expect("icecast's configuration");
            if server.restart() {
                return server;
            }
        }
        panic!("icecast2 does not start");
    }

    /// Has it find other text in its configuration when it is [started](Self::restart) the next time.
    ///
    /// # Panics
    /// When what is to be replaced is not there.
    pub fn rewrite(&self, from: &str, to: &str) {
        let xml = std::fs::read_to_string(self.config()).expect("icecast's configuration");
        assert!(xml.contains(from), "no {from} in {xml}");
        std::fs::write(self.config(), xml.replace(from, to)).expect("icecast's configuration");
    }

    /// Starts it again on the same port; tells whether it runs. Icecast 2.4 may crash when asked for something while it
    /// starts, so nothing is asked before all its threads wait. A source that connects by itself may still hit
    /// that moment: then it does not run, and is to be started once more.
    pub fn restart(&mut self) -> bool {
        self.kill();
        let mut child = Command::new("icecast2")
            .arg("-c")
            .arg(self.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("icecast2 (Debian package icecast2) runs");
        while child.try_wait().expect("icecast2's state").is_none() {
            if is_settled(child.id()) && self.status().contains(&self.name()) {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.number))
    }

    /// URL for a source client, with the right password.
    pub fn url(&self, mount: &str) -> String {
        format!("icecast://source:{PASSWORD}@127.0.0.1:{}{mount}", self.port.number)
    }

    /// URL for a source client of Shoutcast.
    pub fn shoutcast_url(&self) -> String {
        self.url("")
    }

    /// Its process.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// URL for a source client by TLS.
    pub fn tls_url(&self, host: &str, mount: &str) -> String {
        format!("icecast+tls://source:{PASSWORD}@{host}:{}{mount}", self.tls_port.number)
    }

    /// URL for a listener.
    pub fn listen_url(&self, mount: &str) -> String {
        format!("http://{}{mount}", self.address())
    }

    /// URL for a listener by TLS.
    pub fn listen_tls_url(&self, host: &str, mount: &str) -> String {
        format!("https://{host}:{}{mount}", self.tls_port.number)
    }

    /// Sets the title of a mount as a manager does; `song` is percent-encoded UTF-8.
    ///
    /// # Panics
    /// When it is not taken.
    pub fn set_title(&self, mount: &str, song: &str) {
        let path = format!("/admin/metadata?mode=updinfo&mount={mount}&charset=UTF-8&song={song}");
        let answer = self.ask(&format!("GET {path} HTTP/1.0\r\nAuthorization: Basic {ADMIN}\r\n\r\n"));
        let answer = answer.expect("icecast answers");
        assert!(answer.contains("Metadata update successful"), "{answer}");
    }

    fn ask(&self, request: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// PEM file of what a client must trust: the authority, or the server's own certificate.
    pub fn trust(&self) -> PathBuf {
        self.dir.path().join("trust.pem")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }

    /// `/status-json.xsl`: what it says about its mounts. Empty when it cannot say, as while it starts, or a mount comes
    /// or goes.
    pub fn status(&self) -> String {
        let answer = self.ask("GET /status-json.xsl HTTP/1.0\r\n\r\n").unwrap_or_default();
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// Whether a source feeds `mount` and listeners are admitted. Its name is in the status a moment before that, when
    /// what the source says of itself is not yet, and whoever listens gets a 404.
    pub fn is_on_air(&self, mount: &str) -> bool {
        let status = self.status();
        let source = status.split_once(&format!("{mount}\"")).map(|(_, rest)| rest);
        // The fields of a source stand in the order of the alphabet: this one comes behind its URL.
        source.and_then(|rest| rest.split('}').next()).is_some_and(|own| own.contains("\"stream_start\""))
    }

    /// Listens to a mount. `icy` asks for titles in band.
    pub fn listen(&self, mount: &str, icy: bool) -> Listener {
        let mut stream = TcpStream::connect(self.address()).expect("icecast listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let icy = if icy { "Icy-MetaData: 1\r\n" } else { "" };
        write!(stream, "GET {mount} HTTP/1.0\r\n{icy}\r\n").expect("a request");
        let mut stream = BufReader::new(stream);
        let head = read_head(&mut stream);
        Listener { stream, head }
    }

    /// What tells it from all other servers.
    fn name(&self) -> String {
        self.dir.path().display().to_string()
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("icecast.xml")
    }

    /// `server.pem`: key and certificate of the server; `trust.pem`: what a client must trust.
    fn make_certificate(&self, signed: Signed) {
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            let made =
                command.current_dir(&self.dir).args(arguments.split(' ')).stderr(Stdio::null()).status();
            assert!(made.expect("openssl (Debian package openssl) runs").success(), "openssl {arguments}");
        };
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
        openssl(&format!("{new} -keyout trust.key -out trust.pem -subj /CN=station"));
        let (key, certificate) = match signed {
            Signed::BySelf => ("trust.key", "trust.pem"),
            Signed::ByAuthority => {
                let of = "-CA trust.pem -CAkey trust.key -addext subjectAltName=DNS:localhost";
                let leaf = "-addext basicConstraints=critical,CA:FALSE";
                openssl(&format!("{new} -keyout leaf.key -out leaf.pem -subj /CN=leaf {of} {leaf}"));
                ("leaf.key", "leaf.pem")
            }
        };
        let read = |name: &str| std::fs::read_to_string(self.dir.path().join(name)).expect("a PEM file");
        let both = read(key) + &read(certificate);
        std::fs::write(self.dir.path().join("server.pem"), both).expect("the server's certificate");
    }

    fn xml(&self, setup: Setup) -> String {
        let Setup { sources, limits, .. } = setup;
        let (dir, port) = (self.dir.path().display(), self.port.number);
        let socket = |port: u16, more: &str| {
            format!(
                "<listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address>{more}</listen-socket>"
            )
        };
        let shoutcast =
            self.next_port.as_ref().map_or("", |_| "<shoutcast-mount>/utf8.mp3</shoutcast-mount>");
        let mut sockets = socket(port, shoutcast);
        let mut certificate = String::new();
        if setup.tls.is_some() {
            sockets += &socket(self.tls_port.number, "<ssl>1</ssl>");
            certificate = format!("<ssl-certificate>{dir}/server.pem</ssl-certificate>");
        }
        format!(
            "<icecast>
  <limits><sources>{sources}</sources>{limits}</limits>
  <authentication>
    <source-password>{PASSWORD}</source-password>
    <admin-user>admin</admin-user><admin-password>{PASSWORD}</admin-password>
  </authentication>
  <hostname>localhost</hostname><location>{dir}</location>
  {sockets}
  <mount><mount-name>/utf8.mp3</mount-name><charset>UTF-8</charset></mount>
  <mount><mount-name>/utf8.aac</mount-name><charset>UTF-8</charset></mount>
  <paths>
    <logdir>{dir}</logdir><webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
    {certificate}
  </paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
  <security>
    <chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group></changeowner>
  </security>
</icecast>
"
        )
    }
}

impl Drop for Icecast {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let state = self.child.as_mut().map(|child| child.try_wait());
            #[allow(clippy::print_stderr, reason = "for whoever reads why a test failed")]
            {
                eprintln!("icecast2 on port {}: {state:?}\n{}", self.port.number, self.log());
            }
        }
        self.kill();
    }
}

/// Whether all four threads of an idle Icecast are there and wait for something.
fn is_settled(process: u32) -> bool {
    let threads: Vec<_> =
        std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten().collect();
    let waits = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'));
    threads.len() >= 4
        && threads.iter().all(|t| std::fs::read_to_string(t.path().join("stat")).is_ok_and(waits))
}

/// A listener of a mount.
pub struct Listener {
    stream: BufReader<TcpStream>,
    /// The head of the answer.
    pub head: String,
}

impl Listener {
    /// The next `count` bytes, or those up to the end.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let mut data = Vec::new();
        self.stream.by_ref().take(count as u64).read_to_end(&mut data).expect("audio");
        data
    }

    /// Everything up to the end.
    pub fn rest(mut self) -> Vec<u8> {
        let mut data = Vec::new();
        self.stream.read_to_end(&mut data).expect("audio");
        data
    }

    /// Reads on to the next title in band, and returns it as the server wrote it.
    pub fn next_title(&mut self) -> String {
        let interval = self
            .head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("icy-metaint:")?.trim().parse().ok())
            .expect("icy-metaint in the answer");
        loop {
            assert_eq!(self.take(interval).len(), interval, "the audio ended before a title came");
            let length = usize::from(self.take(1)[0]) * 16;
            if length > 0 {
                let block = self.take(length);
                return String::from_utf8_lossy(&block).trim_end_matches('\0').to_owned();
            }
        }
    }
}

/// A server that does with each connection what a test says.
pub struct FakeServer {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl FakeServer {
    /// Starts one. `serve` gets each connection, after the head of its request, with its number from 0 and the head; it
    /// runs on a thread of its own.
    pub fn start(serve: impl Fn(usize, &str, TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (heads, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (seen, count, serve) = (heads.clone(), connections.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (seen, serve) = (seen.clone(), serve.clone());
                std::thread::spawn(move || {
                    let head = read_head(&mut &stream);
                    seen.lock().expect("heads").push(head.clone());
                    serve(number, &head, stream);
                });
            }
        });
        Self { address, heads, connections }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("heads").clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads the head of a message, up to and with the empty line; what there is, if it ends before. Byte by byte, so that
/// nothing beyond the head is taken.
pub fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A port of 127.0.0.1 that nothing listens on, and that no other test is given while this value lives. It lies below those
/// that the system hands out by itself.
pub struct Port {
    /// Its number.
    pub number: u16,
    /// Its name is the claim; it goes with the process.
    _claim: UnixListener,
}

impl Port {
    /// Claims one.
    pub fn free() -> Self {
        let mut seed = RandomState::new().hash_one(std::process::id());
        loop {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if let Some(port) = Self::claim(12_000 + (seed >> 33) as u16 % 20_000) {
                return port;
            }
        }
    }

    /// Claims this one, unless it is taken.
    fn claim(number: u16) -> Option<Self> {
        let name = UnixAddr::from_abstract_name(format!("airchain-test-port-{number}")).ok()?;
        let claim = UnixListener::bind_addr(&name).ok()?;
        TcpListener::bind(("127.0.0.1", number)).is_ok().then_some(Self { number, _claim: claim })
    }
}
