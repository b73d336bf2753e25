//! See `src/targets/round_trip.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segkit_fuzz::targets::round_trip::run(data));
