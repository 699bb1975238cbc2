//! The pcapng format: sections of blocks, each block with its length before and after.
//!
//! Enhanced, simple and the obsolete packet blocks give packets; comments, names and the counts of
//! packets the capture lost are kept; every other block is stepped over by its length. Source:
//! draft-ietf-opsawg-pcapng.

use super::cursor::{Cursor, Order, Short};
use super::{About, LinkType, Lost, PACKET_BYTES_MAX, Packet, Step, damaged};
use crate::time::Moment;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Blocks that are no packets but have a number of their own in Wireshark: a systemd journal entry,
/// sysdig events, custom blocks.
const NUMBERED: [u32; 5] = [9, 0x204, 0x208, 0xbad, 0x4000_0bad];
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Largest block that must be read whole: a packet of the largest size with its options. Longer
/// blocks of a kind nobody reads here are passed over without being kept.
const BLOCK_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Bounds on what is kept for [`About`] and on interfaces of one section.
const COMMENTS_MAX: usize = 64;
const COMMENT_BYTES_MAX: usize = 1024;
const INTERFACES_MAX: usize = 65_536;

const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

/// The first four bytes are those of a section header.
pub(super) fn looks_like(head: &[u8]) -> bool {
    head.starts_with(&SECTION.to_be_bytes())
}

/// What the blocks so far tell of those to come.
#[derive(Debug, Default)]
pub(super) struct File {
    order: Order,
    interfaces: Vec<Interface>,
    interfaces_before: u32,
    packets: u64,
    latest: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snap_length: u32,
    resolution: Resolution,
    offset_seconds: i64,
    fcs_bytes: u8,
    lost: Lost,
}

/// How many ticks a second has (`if_tsresol`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resolution {
    Decimal(u8),
    Binary(u8),
}

impl Resolution {
    fn of(byte: u8) -> Self {
        if byte & 0x80 == 0 { Self::Decimal(byte) } else { Self::Binary(byte & 0x7f) }
    }

    /// Nanoseconds of `ticks`, rounded down; a resolution finer than can be counted gives zero.
    fn nanoseconds(self, ticks: u64) -> i128 {
        // The usual ones come without a division, which would cost as much as all the rest.
        match self {
            Self::Decimal(6) => return i128::from(ticks) * 1000,
            Self::Decimal(9) => return i128::from(ticks),
            Self::Decimal(_) | Self::Binary(_) => {}
        }
        let per_second = match self {
            Self::Decimal(power) => 10_i128.checked_pow(u32::from(power)),
            Self::Binary(power) => 1_i128.checked_shl(u32::from(power)).filter(|n| *n > 0),
        };
        let nanoseconds = i128::from(ticks) * 1_000_000_000;
        per_second.map_or(0, |n| nanoseconds / n)
    }
}

impl Interface {
    fn moment(&self, high: u32, low: u32) -> Moment {
        let ticks = u64::from(high) << 32 | u64::from(low);
        let whole =
            self.resolution.nanoseconds(ticks) + i128::from(self.offset_seconds) * 1_000_000_000;
        let lowest = i128::from(i64::MIN);
        let clamped = whole.clamp(lowest, i128::from(i64::MAX));
        Moment::from_ns(i64::try_from(clamped).unwrap_or(i64::MAX))
    }
}

/// One block, whole: its type and what stands between its two lengths.
struct Block<'a> {
    kind: u32,
    body: &'a [u8],
    whole: usize,
}

impl File {
    /// Shows the packets of every whole enhanced packet block `bytes` begin with; gives the number
    /// of bytes they take. What follows them is for [`File::step`] to judge.
    pub(super) fn each(&mut self, bytes: &[u8], show: &mut impl FnMut(&Packet<'_>)) -> usize {
        let mut rest = bytes;
        while self.peek(rest) == Some(ENHANCED_PACKET) {
            let Ok(block) = self.block(rest) else { break };
            let Step::Packet { consumed, packet, .. } = self.packet(&block, Self::enhanced) else {
                break;
            };
            show(&packet);
            rest = rest.get(consumed..).unwrap_or_default();
        }
        bytes.len() - rest.len()
    }

    /// The type of the block `bytes` begin with.
    fn peek(&self, bytes: &[u8]) -> Option<u32> {
        Cursor::new(bytes).u32(self.order, "block type").ok()
    }

    /// Reads the block `bytes` begin with.
    pub(super) fn step<'a>(&mut self, bytes: &'a [u8], about: &mut About) -> Step<'a> {
        let block = match self.block(bytes) {
            Ok(block) => block,
            Err(step) => return step,
        };
        let done = match block.kind {
            SECTION => self.section(&block, about),
            INTERFACE => self.interface(&block, about),
            INTERFACE_STATISTICS => self.statistics(&block, about),
            ENHANCED_PACKET => return self.packet(&block, Self::enhanced),
            OLD_PACKET => return self.packet(&block, Self::old),
            SIMPLE_PACKET => return self.packet(&block, Self::simple),
            kind => {
                if NUMBERED.contains(&kind) {
                    self.packets += 1;
                }
                Ok(())
            }
        };
        match done {
            Ok(()) => Step::Passed { consumed: block.whole as u64 },
            Err(short) => damaged(format!("a block too short for its {}", short.what)),
        }
    }

    /// Finds the block's bounds. A section header decides the byte order it is itself read in.
    fn block<'a>(&mut self, bytes: &'a [u8]) -> Result<Block<'a>, Step<'a>> {
        let need = |_: Short| Step::Need { bytes: 12 };
        let mut cursor = Cursor::new(bytes);
        let mut kind = cursor.u32(self.order, "block type").map_err(need)?;
        if looks_like(bytes) {
            kind = SECTION;
            let mut ahead = cursor;
            ahead.take(4, "length").map_err(need)?;
            self.order = match ahead.be32("byte order").map_err(need)? {
                BYTE_ORDER_MAGIC => Order::Big,
                swapped if swapped.swap_bytes() == BYTE_ORDER_MAGIC => Order::Little,
                _ => return Err(damaged("a section without a byte order")),
            };
        }
        let length = cursor.u32(self.order, "block length").map_err(need)?;
        if length < 12 {
            return Err(damaged(format!("a block of {length} bytes")));
        }
        // Lengths that are no multiple of four are a known mistake of writers: padded up.
        let whole = length.checked_next_multiple_of(4).unwrap_or(!3);
        if whole > BLOCK_BYTES_MAX {
            return Err(damaged(format!("a block of {length} bytes, too long to be one")));
        }
        let whole = whole as usize;
        let body = match bytes.get(8..whole.saturating_sub(4)) {
            Some(body) if bytes.len() >= whole => body,
            _ => return Err(Step::Need { bytes: whole }),
        };
        let mut tail = Cursor::new(bytes.get(whole - 4..).unwrap_or_default());
        if tail.u32(self.order, "length again").map_err(need)? != length {
            return Err(damaged("the two lengths of a block differ"));
        }
        Ok(Block { kind, body, whole })
    }

    fn section(&mut self, block: &Block<'_>, about: &mut About) -> Result<(), Short> {
        let mut cursor = Cursor::new(block.body);
        cursor.take(4, "byte order")?;
        cursor.take(4, "version")?;
        cursor.take(8, "section length")?;
        let known = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces_before = self.interfaces_before.saturating_add(known);
        self.interfaces.clear();
        for (code, value) in Options::new(cursor, self.order) {
            match code {
                OPT_COMMENT => keep(&mut about.comments, COMMENTS_MAX, value),
                SHB_USERAPPL => keep(&mut about.made_by, 16, value),
                _ => {}
            }
        }
        Ok(())
    }

    fn interface(&mut self, block: &Block<'_>, about: &mut About) -> Result<(), Short> {
        let mut cursor = Cursor::new(block.body);
        let link = LinkType(cursor.u16(self.order, "link type")?);
        cursor.take(2, "reserved")?;
        let snap_length = cursor.u32(self.order, "snap length")?;
        let mut made = Interface {
            link,
            snap_length,
            resolution: Resolution::Decimal(6),
            offset_seconds: 0,
            fcs_bytes: 0,
            lost: Lost::default(),
        };
        for (code, value) in Options::new(cursor, self.order) {
            match (code, value) {
                (OPT_COMMENT, _) => keep(&mut about.comments, COMMENTS_MAX, value),
                (IF_NAME, _) => keep(&mut about.interfaces, COMMENTS_MAX, value),
                (IF_TSRESOL, [byte, ..]) => made.resolution = Resolution::of(*byte),
                (IF_FCSLEN, [byte, ..]) => made.fcs_bytes = *byte,
                (IF_TSOFFSET, _) => made.offset_seconds = self.long(value).unwrap_or(0),
                _ => {}
            }
        }
        if self.interfaces.len() < INTERFACES_MAX {
            self.interfaces.push(made);
        }
        Ok(())
    }

    /// The counts run from the start of the capture: the latest of an interface stands for all.
    fn statistics(&mut self, block: &Block<'_>, about: &mut About) -> Result<(), Short> {
        let mut cursor = Cursor::new(block.body);
        let interface = cursor.u32(self.order, "interface")?;
        cursor.take(8, "time")?;
        let mut now = Lost::default();
        for (code, value) in Options::new(cursor, self.order) {
            match code {
                ISB_IFDROP => now.by_interface = self.count(value),
                ISB_OSDROP => now.by_system = self.count(value),
                _ => {}
            }
        }
        if let Some(interface) = self.interfaces.get_mut(interface as usize) {
            let before = std::mem::replace(&mut interface.lost, now);
            about.lost = about.lost.with(now, before);
        }
        Ok(())
    }

    fn count(&self, value: &[u8]) -> u64 {
        self.long(value).map_or(0, i64::cast_unsigned)
    }

    fn long(&self, value: &[u8]) -> Option<i64> {
        let raw = *value.first_chunk::<8>()?;
        Some(match self.order {
            Order::Big => i64::from_be_bytes(raw),
            Order::Little => i64::from_le_bytes(raw),
        })
    }

    fn packet<'a>(
        &mut self,
        block: &Block<'a>,
        read: impl Fn(&Self, &mut Cursor<'a>) -> Result<Raw, Short>,
    ) -> Step<'a> {
        let mut cursor = Cursor::new(block.body);
        let raw = match read(self, &mut cursor) {
            Ok(raw) => raw,
            Err(short) => return damaged(format!("a packet block without its {}", short.what)),
        };
        let Some(interface) = self.interfaces.get(raw.interface as usize) else {
            return damaged(format!("a packet of interface {}, never described", raw.interface));
        };
        if raw.kept > PACKET_BYTES_MAX {
            return damaged(format!("a packet of {} bytes", raw.kept));
        }
        let from = cursor.taken();
        let Ok(body) = cursor.take(raw.kept as usize, "packet") else {
            return damaged("a packet longer than its block");
        };
        let own = raw.stamp.map(|(high, low)| interface.moment(high, low));
        let at = own.or(self.latest).unwrap_or(Moment::from_ns(0));
        self.latest = Some(at);
        self.packets += 1;
        let packet = Packet {
            number: self.packets,
            at,
            stamped: own.is_some(),
            link: interface.link,
            interface: self.interfaces_before.saturating_add(raw.interface),
            fcs_bytes: interface.fcs_bytes,
            bytes: body,
            wire_len: raw.wire.max(raw.kept),
        };
        Step::Packet { consumed: block.whole, from: from + 8, packet }
    }

    fn enhanced(&self, cursor: &mut Cursor<'_>) -> Result<Raw, Short> {
        let interface = cursor.u32(self.order, "interface")?;
        self.stamped(cursor, interface)
    }

    fn old(&self, cursor: &mut Cursor<'_>) -> Result<Raw, Short> {
        let interface = u32::from(cursor.u16(self.order, "interface")?);
        cursor.u16(self.order, "drop count")?;
        self.stamped(cursor, interface)
    }

    fn stamped(&self, cursor: &mut Cursor<'_>, interface: u32) -> Result<Raw, Short> {
        let high = cursor.u32(self.order, "time")?;
        let low = cursor.u32(self.order, "time")?;
        let kept = cursor.u32(self.order, "kept length")?;
        let wire = cursor.u32(self.order, "length on the wire")?;
        Ok(Raw { interface, stamp: Some((high, low)), kept, wire })
    }

    fn simple(&self, cursor: &mut Cursor<'_>) -> Result<Raw, Short> {
        let wire = cursor.u32(self.order, "length on the wire")?;
        let limit = self.interfaces.first().map_or(0, |interface| interface.snap_length);
        let limit = if limit == 0 { u32::MAX } else { limit };
        Ok(Raw { interface: 0, stamp: None, kept: wire.min(limit), wire })
    }
}

/// A packet block's numbers.
struct Raw {
    interface: u32,
    stamp: Option<(u32, u32)>,
    kept: u32,
    wire: u32,
}

/// Keeps a text the file says of itself, within bounds.
fn keep(list: &mut Vec<String>, most: usize, text: &[u8]) {
    if list.len() < most {
        let text = text.get(..COMMENT_BYTES_MAX).unwrap_or(text);
        let text = String::from_utf8_lossy(text);
        list.push(text.trim_end_matches('\0').to_owned());
    }
}

/// The options at the end of a block: code and value, until the list ends or makes no sense.
struct Options<'a> {
    cursor: Cursor<'a>,
    order: Order,
}

impl<'a> Options<'a> {
    fn new(cursor: Cursor<'a>, order: Order) -> Self {
        Self { cursor, order }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.cursor.u16(self.order, "option").ok()?;
        let length = self.cursor.u16(self.order, "option length").ok()?;
        if code == 0 {
            return None;
        }
        let value = self.cursor.take(usize::from(length), "option value").ok()?;
        // Padding at the very end is often left out; nothing follows it then.
        let padding = usize::from(length.wrapping_neg() % 4);
        let _ = self.cursor.take(padding, "padding");
        Some((code, value))
    }
}
