//! Standard error, written by a thread of its own: nobody who logs ever waits for a terminal or a pipe that is not
//! read. The display of `airchain play` goes the same way.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Lines that may wait to be written. What comes on top of them is dropped and counted.
const WAITING: usize = 1024;
/// How long the end of the process may wait for the last lines to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

enum Message {
    /// A line of the log.
    Line(Vec<u8>),
    /// What the display says from now on.
    Show(Vec<String>),
}

struct Queue {
    messages: SyncSender<Message>,
    /// Messages sent and not yet written.
    waiting: AtomicU64,
    /// Lines that found no room.
    dropped: AtomicU64,
}

static QUEUE: OnceLock<Queue> = OnceLock::new();
/// The lines that stay on the screen, below the log.
static ON_SCREEN: OnceLock<MultiProgress> = OnceLock::new();

/// Starts the thread. What is returned waits for the last lines, for as long as that is reasonable, when dropped.
pub(crate) fn start() -> std::io::Result<LastWords> {
    let (messages, received) = sync_channel(WAITING);
    let queue =
        QUEUE.get_or_init(|| Queue { messages, waiting: AtomicU64::new(0), dropped: AtomicU64::new(0) });
    std::thread::Builder::new().name("log".into()).spawn(move || write_all(&received, queue))?;
    Ok(LastWords)
}

/// Shows `lines` below the log, in place of those before. Without room they are left out: the next ones are newer.
pub(crate) fn show(lines: Vec<String>) {
    if let Some(queue) = QUEUE.get() {
        let _ = queue.send(Message::Show(lines));
    }
}

/// Puts a bar on the screen, drawn by whoever moves it; the log is written above it.
pub(crate) fn add_bar(bar: ProgressBar) -> ProgressBar {
    ON_SCREEN.get_or_init(MultiProgress::new).add(bar)
}

/// The end of the log.
pub(crate) struct LastWords;

impl Drop for LastWords {
    fn drop(&mut self) {
        let Some(queue) = QUEUE.get() else { return };
        let end = Instant::now() + LAST_WORDS;
        while queue.waiting.load(Ordering::Acquire) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The log's end of the queue: takes a whole line at a time, and never waits.
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if let Some(queue) = QUEUE.get()
            && !queue.send(Message::Line(line.to_vec()))
        {
            queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Queue {
    /// Whether there was room.
    fn send(&self, message: Message) -> bool {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let sent = self.messages.try_send(message).is_ok();
        if !sent {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        sent
    }
}

/// The thread. An error in writing is dropped: a daemon whose standard error is gone goes on.
fn write_all(messages: &Receiver<Message>, queue: &Queue) {
    let mut shown = Vec::new();
    for message in messages {
        match message {
            Message::Line(line) => write(&line),
            Message::Show(lines) => draw(&mut shown, lines),
        }
        let dropped = queue.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            write(
                format!("airchain: {dropped} lines of the log were dropped: nobody read them\n").as_bytes(),
            );
        }
        queue.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

fn write(line: &[u8]) {
    let write = || {
        let _ = std::io::stderr().write_all(line);
    };
    match ON_SCREEN.get() {
        Some(screen) => screen.suspend(write),
        None => write(),
    }
}

fn draw(shown: &mut Vec<ProgressBar>, lines: Vec<String>) {
    while shown.len() < lines.len() {
        let style = ProgressStyle::with_template("{wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        shown.push(add_bar(ProgressBar::no_length().with_style(style)));
    }
    for (bar, line) in shown.iter().zip(lines) {
        bar.set_message(line);
        bar.tick();
    }
}
