//! Captures written anew: headers only, and with a redactor under other addresses.
//!
//! Nothing but packets, their times and the names of interfaces is taken over from the old file:
//! its comments, names, keys and records of resolved names stay behind. What is written is pcapng,
//! whatever was read.

use super::Redactor;
use super::layers::{Layers, What};
use super::mend::mend;
use crate::capture::{Decoder, Packet, Step, Writer};
use std::collections::BTreeMap;

/// A capture written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The file.
    pub bytes: Vec<u8>,
    /// Packets in it.
    pub packets: u64,
    /// Packets that lost bytes behind their headers.
    pub cut: u64,
    /// Packets of which no header was understood: nothing of them is kept but their time and
    /// length.
    pub not_understood: u64,
    /// Where reading stopped before the end of the file, and why.
    pub damage: Option<String>,
}

/// A capture without its payload.
pub fn headers_only(file: &[u8], comment: &str) -> Rewritten {
    rewrite(file, comment, &mut |packet, layers| kept(packet, layers).to_vec())
}

fn kept<'a>(packet: &Packet<'a>, layers: &Layers) -> &'a [u8] {
    packet.bytes.get(..layers.end()).unwrap_or_default()
}

impl Redactor {
    /// A capture without its payload, under pseudonyms, its checksums as right or as wrong as they
    /// were. The file's own comments are redacted as text and stand behind `comment`.
    pub fn capture(&mut self, file: &[u8], comment: &str) -> Rewritten {
        let said: Vec<String> = comments(file).iter().map(|said| self.text(said)).collect();
        let comment = [&[comment.to_owned()], &*said].concat().join("; ");
        rewrite(file, comment.trim_matches([';', ' ']), &mut |packet, layers| {
            // The checksum covers the payload as well: it is cut last.
            let mut new = packet.bytes.to_vec();
            for field in &layers.fields {
                let Some(place) = new.get_mut(field.at..) else { continue };
                let short = field.len.min(place.len());
                let place = place.get_mut(..short).unwrap_or_default();
                self.field(field.what, place);
            }
            mend(packet.bytes, &mut new, &layers.sums);
            new.truncate(layers.end());
            new
        })
    }

    /// Replaces an address in place. One that was not kept whole is blanked.
    fn field(&mut self, what: What, place: &mut [u8]) {
        match what {
            What::Mac => {
                if let Ok(raw) = <[u8; 6]>::try_from(&*place) {
                    return place.copy_from_slice(&self.mac(raw));
                }
            }
            What::V4 => {
                if let Ok(raw) = <[u8; 4]>::try_from(&*place) {
                    return place.copy_from_slice(&self.v4(raw.into()).octets());
                }
            }
            What::V6 => {
                if let Ok(raw) = <[u8; 16]>::try_from(&*place) {
                    return place.copy_from_slice(&self.v6(raw.into()).octets());
                }
            }
            What::Blank(with) => return place.fill(with),
        }
        place.fill(0);
    }
}

/// What a file says of itself, read in full.
fn comments(file: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::new();
    let mut rest = file;
    while let Some((_, left)) = step(&mut decoder, rest).ok().flatten() {
        rest = left;
    }
    decoder.about().comments.clone()
}

/// The next packet, if this step gave one, and what follows.
type Stepped<'a> = Option<(Option<Packet<'a>>, &'a [u8])>;

/// One step; `Ok(None)` at the end, the reason where the file cannot be read any further.
fn step<'a>(decoder: &mut Decoder, rest: &'a [u8]) -> Result<Stepped<'a>, String> {
    match decoder.step(rest, true) {
        Step::Packet { consumed, packet, .. } => {
            Ok(Some((Some(packet), rest.get(consumed..).unwrap_or_default())))
        }
        Step::Passed { consumed } => {
            let consumed = usize::try_from(consumed).unwrap_or(usize::MAX);
            Ok(Some((None, rest.get(consumed..).unwrap_or_default())))
        }
        Step::Need { .. } | Step::End => Ok(None),
        Step::Damaged(damage) => Err(format!("at byte {}: {}", damage.at, damage.what)),
    }
}

/// Writes every packet as `make` has it.
fn rewrite(
    file: &[u8],
    comment: &str,
    make: &mut dyn FnMut(&Packet<'_>, &Layers) -> Vec<u8>,
) -> Rewritten {
    const MADE_BY: &str = concat!("hopclock ", env!("CARGO_PKG_VERSION"));
    let mut decoder = Decoder::new();
    let mut writer = Writer::section(comment, MADE_BY);
    let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
    let mut done =
        Rewritten { bytes: Vec::new(), packets: 0, cut: 0, not_understood: 0, damage: None };
    let mut rest = file;
    loop {
        let (packet, left) = match step(&mut decoder, rest) {
            Ok(Some(stepped)) => stepped,
            Ok(None) => break,
            Err(why) => {
                done.damage = Some(why);
                break;
            }
        };
        rest = left;
        let Some(packet) = packet else { continue };
        let next = numbers.len() as u32;
        let number = *numbers.entry(packet.interface).or_insert_with(|| {
            let name = decoder.about().interfaces.get(packet.interface as usize);
            writer.interface(packet.link, name.map_or("", |name| name), 0);
            next
        });
        let layers = Layers::of(packet.link, packet.bytes);
        let bytes = make(&packet, &layers);
        done.packets += 1;
        done.cut += u64::from(bytes.len() < packet.bytes.len());
        done.not_understood += u64::from(bytes.is_empty());
        writer.packet_of(number, packet.at, &bytes, packet.wire_len);
    }
    done.bytes = writer.finish();
    done
}
