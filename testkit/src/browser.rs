//! A real browser: headless Chromium, driven through ChromeDriver by the WebDriver protocol (W3C, level 2).
//!
//! Names other than 127.0.0.1 do not resolve in it, so that a page that needs anything from elsewhere fails.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http;
use crate::icecast::Port;

/// Waits longer than any test should need; ends what hangs, and is no measure of speed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The key under which WebDriver hands out elements (section 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window, which ends with this value.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    /// Path of the session; empty before there is one.
    session: String,
    _port: Port,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one with a profile of its own and a window of 1280 by 1000 pixels.
    ///
    /// # Panics
    /// When `chromium` or `chromedriver` is not installed or does not start; so do all methods when the browser does
    /// not do what they say.
    pub fn start() -> Self {
        let (port, profile) = (Port::free(), tempfile::tempdir().expect("a temporary directory"));
        let driver = Command::new("chromedriver")
            .arg(format!("--port={}", port.number))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver (Debian package chromium-driver) runs");
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        let data_dir = format!("--user-data-dir={}", profile.path().display());
        let mut browser = Self { driver, address, session: String::new(), _port: port, _profile: profile };
        wait_for("chromedriver", || {
            let answer = http::get(browser.address, "/status").ok();
            answer.is_some_and(|answer| answer.text().contains("\"ready\":true"))
        });
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            "--window-size=1280,1000",
            &data_dir,
        ];
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let session =
            browser.call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": capabilities } }));
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        browser
    }

    /// Opens a page, and returns when it has loaded.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// What a function with the given body returns when it is run in the page.
    pub fn run(&self, body: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// The text of an element as one sees it; empty when it is hidden.
    pub fn text(&self, selector: &str) -> String {
        let text = self.call("GET", &format!("{}/text", self.find(selector)), &Value::Null);
        text.as_str().expect("text").to_owned()
    }

    /// Clicks an element as a hand would: it must be in sight, enabled, and covered by nothing.
    pub fn click(&self, selector: &str) {
        self.call("POST", &format!("{}/click", self.find(selector)), &json!({}));
    }

    /// Waits until an expression is true in the page, and shows what the page says if that does not come about.
    pub fn wait(&self, condition: &str) {
        let condition = format!("return Boolean({condition})");
        let deadline = Instant::now() + TIMEOUT;
        while self.run(&condition) != true {
            let page = || format!("{}\n{:?}", self.text("body"), self.complaints());
            assert!(Instant::now() < deadline, "{condition} did not come about; the page says\n{}", page());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Errors that the browser noted since this was last asked: of scripts, the network, the content security policy.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let severe = entries.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Presents the window as a screen of this size in CSS pixels, as the developer tools do.
    pub fn resize(&self, width: u32, height: u32) {
        let params =
            json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600 });
        self.post(
            "/goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": params }),
        );
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), body)
    }

    /// The path of the first element that a CSS selector names.
    fn find(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        format!("{}/element/{}", self.session, found[ELEMENT].as_str().expect("an element"))
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = (!body.is_null()).then(|| body.to_string());
        let answer =
            http::request(self.address, method, path, body.as_deref()).expect("chromedriver answers");
        let mut value: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(answer.status == 200, "{method} {path}: {}", value["value"]["message"]);
        value["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = http::request(self.address, "DELETE", &self.session, None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Waits until something is so.
fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !ready() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}
