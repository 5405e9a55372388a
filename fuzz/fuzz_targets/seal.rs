#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mod_token_binding::fuzzing::seal(data));
