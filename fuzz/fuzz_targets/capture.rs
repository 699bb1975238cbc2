//! Any bytes as a capture file, fed in chunks of a size the first byte chooses: the same file in
//! other chunks tells the same.
#![no_main]

use hopclock_core::flow::{CaptureReader, CaptureReading};
use libfuzzer_sys::fuzz_target;

fn read(file: &[u8], chunk: usize) -> CaptureReading {
    let mut reader = CaptureReader::new("fuzzed");
    for bytes in file.chunks(chunk) {
        reader.feed(bytes);
    }
    reader.finish()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, file)) = data.split_first() else { return };
    let whole = read(file, file.len().max(1));
    let parts = read(file, usize::from(*first) + 1);
    assert_eq!(whole.packets, parts.packets);
    assert_eq!(whole.flows, parts.flows);
    assert_eq!(whole.notes, parts.notes);
    assert!(whole.segments <= whole.packets);
});
