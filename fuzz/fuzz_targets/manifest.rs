//! See `src/targets/manifest.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segkit_fuzz::targets::manifest::run(data));
