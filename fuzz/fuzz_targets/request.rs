//! See `src/targets/request.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segkit_fuzz::targets::request::run(data));
