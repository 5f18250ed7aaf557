//! The airchain command.
fn main() {}
