//! A test in a process of its own, into which a library is loaded before libc: it does to system calls what the test wants.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file with the number, in that process.
const NUMBER: &str = "AIRCHAIN_TEST_NUMBER";

/// What every such library begins with: `number` is what the test has set last, `folder` where it may keep its files, with a
/// `/` at its end.
const BEGIN: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long none, *number = &none;
static char folder[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    char *path = getenv("AIRCHAIN_TEST_NUMBER");
    int file = open(path, O_RDONLY);
    void *map = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0 && map != MAP_FAILED) number = map;
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
}
"#;

/// The number that the library heeds; 0 at first.
pub(crate) struct Number(PathBuf);

impl Number {
    pub(crate) fn set(&self, number: i64) {
        // Never shorter, as it is mapped.
        let mut file = std::fs::OpenOptions::new().write(true).open(&self.0).unwrap();
        file.write_all(&number.to_ne_bytes()).unwrap();
    }

    /// Where the test may keep files.
    pub(crate) fn folder(&self) -> &Path {
        self.0.parent().unwrap()
    }
}

/// Runs the body of the test called `name` with a library made of this C.
pub(crate) fn with_library(name: &str, source: &str, test: impl FnOnce(&Number)) {
    if let Some(path) = std::env::var_os(NUMBER) {
        return test(&Number(path.into()));
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let [number, c, library] = ["number", "library.c", "library.so"].map(|name| folder.join(name));
    std::fs::write(&number, 0_i64.to_ne_bytes()).unwrap();
    std::fs::write(&c, BEGIN.to_owned() + source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).args([&library, &c]);
    assert!(compiler.status().expect("cc (Debian package gcc) runs").success());
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("LD_PRELOAD", library)
        .env(NUMBER, number)
        .status()
        .unwrap();
    assert!(status.success(), "the test with a library of its own failed, see above");
}
