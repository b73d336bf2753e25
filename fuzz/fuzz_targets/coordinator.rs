//! See `src/targets/coordinator.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segkit_fuzz::targets::coordinator::run(data));
