//! Files that the embedded check reads.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| countersign_fuzz::machine::run(input));
