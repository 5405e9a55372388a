#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| token_binding::fuzzing::extension(data));
