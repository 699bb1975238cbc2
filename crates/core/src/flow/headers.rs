//! The headers of a capture's TCP packets, kept: what a table of a box on the path made of them can
//! be worked out once the box's settings are known, which other files hold.
//!
//! Bounded: a capture with more packets than are kept loses all of them, since a table replayed
//! over half a connection is wrong about the rest. Payload, fragments and other protocols are not
//! kept.

use crate::capture::{LinkType, Packet};
use crate::time::Moment;
use crate::wire::ip_packet;

/// Packets kept of one capture: about 90 MB with the headers of most.
pub const HEADERS_MAX: usize = 1 << 20;
/// Bytes kept of one packet: the longest IPv4 and TCP headers there are.
const KEPT_MAX: usize = 120;
/// Bytes that begin with an IP header.
const RAW_IP: LinkType = LinkType(101);
const TCP: u8 = 6;

#[derive(Clone, Copy, Debug)]
struct Kept {
    number: u64,
    at: Moment,
    from: u32,
    length: u8,
    place: u32,
}

/// TCP headers in the order of the capture.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    packets: Vec<Kept>,
    /// Where packets were seen: interface and the bytes before the IP header, as far as they tell
    /// one sighting from another.
    places: Vec<(u32, Vec<u8>)>,
    too_many: bool,
}

impl Headers {
    /// Keeps a packet's headers, if it is TCP and stamped.
    pub(super) fn keep(&mut self, captured: &Packet<'_>) {
        if self.too_many || !captured.stamped {
            return;
        }
        let Some(ip) = ip_packet(captured) else { return };
        let Some(length) = headers_length(ip) else { return };
        if self.packets.len() >= HEADERS_MAX {
            *self = Headers { too_many: true, ..Headers::default() };
            return;
        }
        let kept = ip.get(..length.min(KEPT_MAX).min(ip.len())).unwrap_or_default();
        let before = captured.bytes.len().saturating_sub(ip.len());
        let place = self.place(captured.interface, captured.bytes.get(..before));
        let Ok(from) = u32::try_from(self.bytes.len()) else { return };
        let (number, at, length) = (captured.number, captured.at, kept.len() as u8);
        self.bytes.extend_from_slice(kept);
        self.packets.push(Kept { number, at, from, length, place });
    }

    /// Number of a place; beyond a handful of places they are no longer told apart.
    fn place(&mut self, interface: u32, before: Option<&[u8]>) -> u32 {
        const PLACES_MAX: usize = 64;
        let before = before.unwrap_or_default();
        let known = self.places.iter().rposition(|(i, b)| *i == interface && b == before);
        let number = known.unwrap_or_else(|| {
            if self.places.len() < PLACES_MAX {
                self.places.push((interface, before.to_vec()));
            }
            self.places.len().saturating_sub(1)
        });
        number as u32
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// There were more than [`HEADERS_MAX`], and none is kept.
    pub fn too_many(&self) -> bool {
        self.too_many
    }

    /// The packets again, each beginning with its IP header; `interface` is the number of its
    /// place.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'_>> {
        self.packets.iter().filter_map(|kept| {
            let from = kept.from as usize;
            let bytes = self.bytes.get(from..from + usize::from(kept.length))?;
            Some(Packet {
                number: kept.number,
                at: kept.at,
                stamped: true,
                link: RAW_IP,
                interface: kept.place,
                fcs_bytes: 0,
                bytes,
                wire_len: bytes.len() as u32,
            })
        })
    }
}

/// Bytes of an IP and a TCP header; `None` where it is not TCP, or nothing of TCP is there. A
/// header that makes no sense is kept as long as it may be: the table has an answer to it, too.
fn headers_length(ip: &[u8]) -> Option<usize> {
    let (protocol, at) = match ip.first()? >> 4 {
        4 => (*ip.get(9)?, usize::from(ip.first()? & 0x0f) * 4),
        6 => (*ip.get(6)?, 40),
        _ => return None,
    };
    if protocol != TCP {
        // Extension headers before TCP are rare; such a packet is kept as it is.
        return (protocol != 17 && protocol != 58 && ip.first()? >> 4 == 6).then_some(KEPT_MAX);
    }
    let offset = usize::from(ip.get(at + 12).copied().unwrap_or(0xf0) >> 4) * 4;
    Some(at + offset.max(20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(bytes: &[u8]) -> Packet<'_> {
        Packet {
            number: 7,
            at: Moment::from_secs(1),
            stamped: true,
            link: RAW_IP,
            interface: 0,
            fcs_bytes: 0,
            bytes,
            wire_len: bytes.len() as u32,
        }
    }

    #[test]
    fn headers_stay_and_payload_goes() {
        let mut bytes = vec![0u8; 100];
        bytes[0] = 0x45;
        bytes[3] = 100;
        bytes[9] = TCP;
        bytes[32] = 0x80; // data offset: 32 bytes
        let mut headers = Headers::default();
        headers.keep(&packet(&bytes));
        let kept: Vec<usize> = headers.packets().map(|p| p.bytes.len()).collect();
        assert_eq!(kept, [52]);
        bytes[9] = 17;
        headers.keep(&packet(&bytes));
        assert_eq!(headers.len(), 1);
    }
}
