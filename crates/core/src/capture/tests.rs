//! Captures made here and read back, whole, in small chunks, cut, and damaged.

use super::*;

/// Number, nanoseconds, bytes kept, bytes on the wire.
type Seen = (u64, i64, Vec<u8>, u32);

/// Everything a stream gives when fed `chunk` bytes at a time.
fn read(file: &[u8], chunk: usize) -> (Vec<Seen>, Stream) {
    let mut stream = Stream::new();
    let mut packets = Vec::new();
    let mut drain = |stream: &mut Stream| {
        loop {
            match stream.advance() {
                Ready::Packet => {
                    let p = stream.packet().unwrap();
                    packets.push((p.number, p.at.ns(), p.bytes.to_vec(), p.wire_len));
                }
                ready => break ready,
            }
        }
    };
    for bytes in file.chunks(chunk) {
        stream.feed(bytes);
        drain(&mut stream);
    }
    stream.end();
    assert_eq!(drain(&mut stream), Ready::Over);
    (packets, stream)
}

fn sample() -> Vec<u8> {
    let mut writer = Writer::new(LinkType(101), "made on a virtual clock", "a test");
    writer.packet(Moment::from_ns(1_715_310_862_000_000_001), &[1, 2, 3, 4, 5]);
    writer.cut_packet(Moment::from_ns(1_715_310_863_000_000_002), &[6; 7], 1500);
    writer.finish()
}

#[test]
fn what_is_written_is_read_back_in_chunks_of_any_size() {
    let file = sample();
    for chunk in [1, 2, 3, 7, 64, file.len()] {
        let (packets, stream) = read(&file, chunk);
        let want = vec![
            (1, 1_715_310_862_000_000_001, vec![1, 2, 3, 4, 5], 5),
            (2, 1_715_310_863_000_000_002, vec![6; 7], 1500),
        ];
        assert_eq!(packets, want, "chunks of {chunk}");
        assert_eq!(stream.about().comments, ["made on a virtual clock"]);
        assert_eq!(stream.about().made_by, ["a test"]);
        assert_eq!(stream.format(), Some(Format::Pcapng));
        assert_eq!(stream.damage(), None);
    }
}

#[test]
fn a_file_cut_anywhere_gives_what_stood_before_and_says_so() {
    let file = sample();
    let (whole, _) = read(&file, 16);
    for cut in 1..file.len() {
        let (packets, stream) = read(&file[..cut], 16);
        assert!(whole.starts_with(&packets), "cut at {cut}");
        // Only a cut between two blocks goes unnoticed; there are three such places.
        let lost = stream.damage().map(|(_, lost)| lost);
        assert!(lost.is_some_and(|lost| lost > 0) || cut % 4 == 0, "cut at {cut}");
    }
}

fn pcap(order: fn(u32) -> [u8; 4], magic: u32, records: &[(u32, u32, u32, u32, &[u8])]) -> Vec<u8> {
    let version = if order(1)[0] == 1 { [2, 0, 4, 0] } else { [0, 2, 0, 4] };
    let mut file = [&order(magic)[..], &version].concat();
    for word in [0, 0, 65_535, 1] {
        file.extend(order(word));
    }
    for (seconds, ticks, kept, wire, bytes) in records {
        for word in [*seconds, *ticks, *kept, *wire] {
            file.extend(order(word));
        }
        file.extend(*bytes);
    }
    file
}

#[test]
fn pcap_in_both_orders_and_both_resolutions() {
    for order in [u32::to_le_bytes, u32::to_be_bytes] {
        for (magic, ns) in [(0xa1b2_c3d4, 5_000), (0xa1b2_3c4d, 5)] {
            let file = pcap(order, magic, &[(9, 5, 3, 60, &[7, 8, 9])]);
            let (packets, stream) = read(&file, 5);
            assert_eq!(packets, [(1, 9_000_000_000 + ns, vec![7, 8, 9], 60)]);
            assert_eq!(stream.format(), Some(Format::Pcap));
        }
    }
}

#[test]
fn a_record_that_makes_no_sense_stops_reading_and_counts_the_loss() {
    let file =
        pcap(u32::to_le_bytes, 0xa1b2_c3d4, &[(9, 5, 1, 1, &[7]), (9, 5, 300_000, 1, &[0; 40])]);
    let (packets, stream) = read(&file, 1000);
    assert_eq!(packets.len(), 1);
    let (damage, lost) = stream.damage().unwrap();
    assert_eq!((damage.at, lost), (24 + 17, 56));
}

#[test]
fn what_is_no_capture_is_refused_at_once() {
    for file in [&b""[..], b"abc", b"2024-05-10T03:14:22Z INFO reconnecting upstream"] {
        let (packets, stream) = read(file, 1000);
        assert!(packets.is_empty());
        assert_eq!(stream.format(), None);
        assert!(stream.damage().is_some());
    }
}
