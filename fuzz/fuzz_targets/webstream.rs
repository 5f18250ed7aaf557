#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| airchain_fuzz::run("webstream", data));
