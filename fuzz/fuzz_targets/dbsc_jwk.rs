//! ../README.md
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sessions::dbsc_jwk(data));
