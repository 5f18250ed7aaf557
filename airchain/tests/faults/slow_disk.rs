//! Disks on which every write takes long, or that hang, as those behind a network do when it fails. `write` itself is made so, for
//! files in one folder: whoever calls it waits, as the kernel would have it.

use airchain::outputs::segments::StoreConfig;

use super::air::{self, Air, Places, assert_alike, files, recorded};
use super::preload::{Number, with_library};

/// Each write takes as many milliseconds as the number says; while it is negative, writes hang.
const SLOW: &str = r#"
static int is_slow(int file) {
    char link[32], path[PATH_MAX], slow[PATH_MAX + 5];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    int slow_length = snprintf(slow, sizeof slow, "%sslow/", folder);
    ssize_t length = readlink(link, path, sizeof path);
    return length > slow_length && !memcmp(path, slow, slow_length);
}

ssize_t write(int file, const void *data, size_t count) {
    int before = errno;
    if (*number && is_slow(file)) {
        if (*number > 0) usleep(1000 * *number);
        while (*number < 0) usleep(10000);
    }
    errno = before;
    return syscall(SYS_write, file, data, count);
}
"#;

/// HLS and recordings on such a disk, beside others on a good one.
fn outputs_on_a_disk(number: &Number, trouble: i64) {
    let slow = number.folder().join("slow");
    let (hls, recordings) = (slow.join("hls"), slow.join("rec"));
    let ids = ["hls-on-it", "recording-on-it"];
    let air = Air::new(|folder| {
        let hls = air::hls(ids[0], StoreConfig::Local(hls.clone()));
        Places { further: vec![hls, air::recording(ids[1], &recordings)], ..Places::below(folder) }
    });
    air.play(2);
    number.set(trouble);
    ids.iter().for_each(|id| air.troubled(id));
    number.set(0);
    std::thread::scope(|scope| ids.iter().for_each(|id| drop(scope.spawn(|| air.back(id)))));
    ids.iter().for_each(|id| assert_eq!(air.stats(id).dropped_frames, 0, "{id}"));
    let delivered = air.verify(&ids);
    // Nothing is lost: not in what was being written, nor of what waited.
    assert_alike(ids[0], &files(&hls), &delivered.hls);
    assert!(recorded(&recordings).concat() == delivered.samples, "the recordings are not what was sent");
}

#[test]
fn a_disk_that_takes_5_s_for_each_write() {
    with_library("slow_disk::a_disk_that_takes_5_s_for_each_write", SLOW, |number| {
        outputs_on_a_disk(number, 5_000);
    });
}

#[test]
fn a_disk_that_hangs() {
    with_library("slow_disk::a_disk_that_hangs", SLOW, |number| outputs_on_a_disk(number, -1));
}
