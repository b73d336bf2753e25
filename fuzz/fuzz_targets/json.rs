//! See `src/targets/json.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segkit_fuzz::targets::json::run(data));
