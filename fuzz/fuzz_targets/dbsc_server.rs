//! ../README.md
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::server::dbsc_server(data));
