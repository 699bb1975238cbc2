//! TCP options as bytes: sensible ones, and ones that trip a parser.

use super::rng::Rng;

/// Options of a SYN or SYN/ACK.
pub fn of_syn(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    if rng.percent(10) {
        return bytes;
    }
    if rng.percent(70) {
        bytes.extend([2, 4, 5, 180]);
    }
    if rng.percent(60) {
        bytes.extend([4, 2]);
    }
    if rng.percent(30) {
        bytes.extend([8, 10, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
    if rng.percent(60) {
        if rng.percent(50) {
            bytes.push(1);
        }
        let shift = if rng.percent(15) { rng.word() as u8 } else { rng.below(16) as u8 };
        bytes.extend([3, 3, shift]);
    }
    if rng.percent(5) {
        oddity(rng, &mut bytes);
    }
    bytes
}

/// Options of any other segment; `edge` is where right edges of SACK gather.
pub fn of_segment(rng: &mut Rng, edge: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    match rng.below(10) {
        0..5 => {}
        5 | 6 => bytes.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
        7 => {
            bytes.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
            sack(rng, edge, &mut bytes);
        }
        8 => sack(rng, edge, &mut bytes),
        _ => {
            if rng.percent(40) {
                oddity(rng, &mut bytes);
            }
            if rng.percent(30) {
                bytes.extend([3, 3, rng.below(16) as u8]);
            }
            if rng.percent(30) {
                bytes.extend([4, 2]);
            }
            sack(rng, edge, &mut bytes);
        }
    }
    bytes
}

fn sack(rng: &mut Rng, edge: u32, bytes: &mut Vec<u8>) {
    let blocks = 1 + rng.below(3);
    bytes.extend([1, 1, 5, 2 + 8 * blocks as u8]);
    for _ in 0..blocks {
        let right = match rng.below(4) {
            0 => edge.wrapping_add(rng.within(-3, 3) as u32),
            1 => edge.wrapping_add(rng.within(-70_000, 10) as u32),
            2 => edge,
            _ => edge.wrapping_add(rng.within(-2000, 2000) as u32),
        };
        let left = right.wrapping_sub(100);
        bytes.extend(left.to_be_bytes());
        bytes.extend(right.to_be_bytes());
    }
}

/// Something a careless parser gets wrong.
fn oddity(rng: &mut Rng, bytes: &mut Vec<u8>) {
    match rng.below(7) {
        0 => bytes.extend([30, 4, 0, 0]),
        1 => bytes.extend([3, 4, 7, 0]),
        2 => bytes.extend([9, 1]),
        3 => bytes.extend([9, 0]),
        4 => bytes.extend([9, 60]),
        5 => bytes.extend([5, 6, 0, 0, 0, 1]),
        _ => bytes.push(0),
    }
}
