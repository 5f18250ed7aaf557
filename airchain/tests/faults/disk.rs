//! Disks that are full, or that nobody may write to any more. The disk is a tmpfs in a mount namespace of its own.

use std::path::Path;
use std::process::Command;

use super::air::{Air, Places, until};

/// Where the disk is, in the process that has it.
const DISK: &str = "AIRCHAIN_TEST_DISK";

/// Runs the body of the test called `name` with a disk of 64 MiB.
pub(crate) fn with_disk(name: &str, test: impl FnOnce(&Path)) {
    if let Some(disk) = std::env::var_os(DISK) {
        return test(Path::new(&disk));
    }
    let dir = tempfile::tempdir().unwrap();
    // Whoever is not root gets a user namespace, where that is permitted.
    let namespaces: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let may = |flags: &&&[&str]| {
        Command::new("unshare").args(**flags).arg("true").output().is_ok_and(|o| o.status.success())
    };
    let flags = namespaces.iter().find(may).expect("unshare (util-linux) may make a mount namespace");
    let script = format!(
        "mount -t tmpfs -o size=64m tmpfs \"$1\" && exec env {DISK}=\"$1\" \"$2\" --exact {name} --nocapture"
    );
    let status = Command::new("unshare")
        .args(*flags)
        .args(["sh", "-c", &script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .status()
        .expect("unshare (util-linux) runs");
    assert!(status.success(), "the test on a disk of its own failed, see above");
}

/// The station with one of its folders on the disk.
fn air(disk: &Path, troubled: &str) -> Air {
    let air = Air::new(|folder| match troubled {
        "hls" => Places { hls: disk.join("hls"), ..Places::below(folder) },
        _ => Places { recording: disk.join("rec"), ..Places::below(folder) },
    });
    air.play(2);
    air
}

/// Somebody else takes all the room there is.
pub(crate) fn fill(disk: &Path) {
    let mut file = std::fs::File::create(disk.join("filler")).unwrap();
    let _ = std::io::copy(&mut std::io::repeat(1), &mut file);
}

/// There is room again.
pub(crate) fn make_room(disk: &Path) {
    std::fs::remove_file(disk.join("filler")).unwrap();
}

fn is_full(disk: &Path, troubled: &str) {
    let air = air(disk, troubled);
    fill(disk);
    air.troubled(troubled);
    make_room(disk);
    air.back(troubled);
    air.verify(&[troubled]);
}

fn is_read_only(disk: &Path, troubled: &str) {
    let air = air(disk, troubled);
    let folder = disk.join(if troubled == "hls" { "hls" } else { "rec" });
    // A disk that is being written to cannot be made so; one that lies over it can. Files that are open stay so.
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "ro", "tmpfs"]).arg(&folder).status();
    assert!(mount.unwrap().success());
    air.troubled(troubled);
    // Somebody may look into it at this moment.
    until("it is unmounted", || Command::new("umount").arg(&folder).status().unwrap().success());
    air.back(troubled);
    air.verify(&[troubled]);
}

#[test]
fn hls_on_a_full_disk() {
    with_disk("disk::hls_on_a_full_disk", |disk| is_full(disk, "hls"));
}

#[test]
fn a_recording_on_a_full_disk() {
    with_disk("disk::a_recording_on_a_full_disk", |disk| is_full(disk, "recording"));
}

#[test]
fn hls_on_a_disk_that_is_read_only() {
    with_disk("disk::hls_on_a_disk_that_is_read_only", |disk| is_read_only(disk, "hls"));
}

#[test]
fn a_recording_on_a_disk_that_is_read_only() {
    with_disk("disk::a_recording_on_a_disk_that_is_read_only", |disk| is_read_only(disk, "recording"));
}
