//! See `src/targets/checkpoint.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segkit_fuzz::targets::checkpoint::run(data));
