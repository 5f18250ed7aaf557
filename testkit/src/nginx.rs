//! nginx as a peer: the real server, as a folder that takes files by WebDAV's `PUT`, `DELETE` and `MKCOL`, or one that players
//! are served from.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::icecast::Port;

/// The user and password that it asks for.
pub const USER: (&str, &str) = ("dj", "s3cret");
/// Longest body that it takes, in bytes.
pub const LONGEST: usize = 1 << 20;

/// A running `nginx` on a free port of 127.0.0.1, which ends with this value.
pub struct Nginx {
    child: Option<Child>,
    dir: tempfile::TempDir,
    port: Port,
}

impl Nginx {
    /// Starts one that takes files over an empty folder.
    ///
    /// # Panics
    /// When `nginx` is not installed or does not start.
    pub fn start() -> Self {
        Self::start_below(&std::env::temp_dir())
    }

    /// The same, with all that it writes below `folder`.
    ///
    /// # Panics
    /// When `nginx` is not installed or does not start.
    pub fn start_below(folder: &Path) -> Self {
        let mut server = Self::below(folder);
        let (user, password) = USER;
        std::fs::write(server.users(), format!("{user}:{{PLAIN}}{password}\n")).expect("nginx's users");
        server.set_read_only(false);
        server
    }

    /// Starts one over an empty folder that shows pages of any origin what lies in it, and what time it is (`Date`).
    ///
    /// # Panics
    /// When `nginx` is not installed or does not start.
    pub fn serving() -> Self {
        let mut server = Self::below(&std::env::temp_dir());
        server.run(
            "add_header Access-Control-Allow-Origin *; add_header Access-Control-Expose-Headers Date;\n\
             add_header Cache-Control no-cache;",
        );
        server
    }

    /// Starts it again, as one that writes nothing: it answers 403 to whoever wants it to; or as one that does.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn set_read_only(&mut self, read_only: bool) {
        let deny = if read_only { "limit_except GET { deny all; }" } else { "" };
        self.run(&format!(
            "dav_methods PUT DELETE MKCOL; client_max_body_size {LONGEST}; {deny}\n\
             auth_basic ingest; auth_basic_user_file {};",
            self.users().display()
        ));
    }

    fn below(folder: &Path) -> Self {
        let dir = tempfile::tempdir_in(folder).expect("a temporary directory");
        let server = Self { child: None, dir, port: Port::free() };
        std::fs::create_dir(server.root()).expect("a folder to serve");
        server
    }

    /// Starts it with what its configuration is to say of the folder.
    fn run(&mut self, location: &str) {
        let (dir, port) = (self.dir.path().display(), self.port.number);
        let config = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\n\
             events {{}}\n\
             http {{\n\
             access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; \
             fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;\n\
             server {{ listen 127.0.0.1:{port}; location / {{\n\
             root {dir}/www;\n{location}\n}} }} }}\n"
        );
        std::fs::write(self.config(), config).expect("nginx's configuration");
        self.restart();
    }

    /// Starts it, again where it runs, on the same port.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn restart(&mut self) {
        self.kill();
        let child = Command::new("nginx")
            .arg("-c")
            .arg(self.config())
            .arg("-p")
            .arg(self.dir.path())
            .args(["-e", "stderr"])
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("nginx is installed"));
        // It says nothing when it listens.
        for _ in 0..1000 {
            match TcpStream::connect(("127.0.0.1", self.port.number)) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                _ => return,
            }
        }
        panic!("nginx does not listen");
    }

    /// Ends it.
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

    /// Where its folder is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// That folder.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("www")
    }

    fn users(&self) -> PathBuf {
        self.dir.path().join("users")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("nginx.conf")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}
