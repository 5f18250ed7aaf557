//! The system's clock is set while a station is on air: no output loses anything.
//!
//! The clock of the machine is left alone. A library that is loaded before libc's tells the process another time, by as many
//! seconds as a file says.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use testkit::icecast::Icecast;

use super::air::{Air, Places};

/// The file with the seconds, in the process with another clock.
const SET_BY: &str = "AIRCHAIN_TEST_CLOCK";

const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long *set_by;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("AIRCHAIN_TEST_CLOCK"), O_RDONLY);
    void *map = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0 && map != MAP_FAILED) set_by = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && set_by) time->tv_sec += *set_by;
    return result;
}
"#;

#[test]
fn a_clock_that_is_set_forward_and_back() {
    if let Some(file) = std::env::var_os(SET_BY) {
        return on_air(Path::new(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("clock.c"), CLOCK).unwrap();
    std::fs::write(path("set-by"), 0_i64.to_ne_bytes()).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([path("clock.so"), path("clock.c")]);
    assert!(compiler.status().expect("cc (Debian package gcc) runs").success());
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clock::a_clock_that_is_set_forward_and_back", "--nocapture"])
        .env("LD_PRELOAD", path("clock.so"))
        .env(SET_BY, path("set-by"))
        .status()
        .unwrap();
    assert!(status.success(), "the test with another clock failed, see above");
}

fn on_air(file: &Path) {
    let icecast = Icecast::start(10);
    let air = Air::new(|folder| Places { icecast: Some(icecast.url("/a.mp3")), ..Places::below(folder) });
    let before = now_s();
    for set_by_s in [3_600_i64, -3_600, 0] {
        // Never shorter, as it is mapped.
        let mut set_by = std::fs::OpenOptions::new().write(true).open(file).unwrap();
        set_by.write_all(&set_by_s.to_ne_bytes()).unwrap();
        let off_s = now_s() - before - set_by_s;
        assert!((0..600).contains(&off_s), "the clock was not set by {set_by_s} s");
        air.play(3);
    }
    air.verify("nothing");
}

fn now_s() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}
