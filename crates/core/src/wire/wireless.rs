//! IEEE 802.11 data frames in clear, and the headers captures put before them.

use super::view::View;
use super::walk::{Layer, Onward, Walk};

impl Walk<'_, '_> {
    /// Data frames lead to LLC; management, control and protected frames lead nowhere.
    pub(super) fn dot11<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [kind, flags] = view.head("802.11")?;
        let is_data = kind & 0x0c == 0x08;
        // Bit 6 of the subtype: a frame without data.
        if !is_data || kind & 0x40 != 0 || flags & 0x40 != 0 {
            return Ok((Layer::Nothing, view));
        }
        let mut length = 24;
        if flags & 3 == 3 {
            length += 6;
        }
        let with_qos = kind & 0x80 != 0;
        let mut aggregated = false;
        if with_qos {
            let [qos] = view.after(length, "802.11")?.head("802.11 QoS")?;
            aggregated = qos & 0x80 != 0;
            length += 2;
            if flags & 0x80 != 0 {
                length += 4;
            }
        }
        let rest = view.after(length, "802.11")?;
        if aggregated {
            // The first of several: destination, source, length, then LLC.
            let [.., high, low] = rest.head::<14>("aggregated frame")?;
            let inner = usize::from(u16::from_be_bytes([high, low]));
            return Ok((Layer::Llc, rest.after(14, "aggregated frame")?.limit(inner)));
        }
        Ok((Layer::Llc, rest))
    }

    /// Its length stands at byte 2, little-endian; flag 0x10 of field 1 tells of a check sequence.
    pub(super) fn radiotap<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [_, _, low, high, present @ ..] = view.head::<8>("radiotap")?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let rest = view.after(length, "radiotap")?;
        let present = u32::from_le_bytes(present);
        let mut flags_at = 8;
        let mut word = present;
        while word & 0x8000_0000 != 0 && flags_at < length {
            word = u32::from_le_bytes(view.after(flags_at, "radiotap")?.head("radiotap")?);
            flags_at += 4;
        }
        if present & 1 != 0 {
            flags_at = flags_at.next_multiple_of(8) + 8;
        }
        if present & 2 != 0 {
            let [flags] = view.after(flags_at, "radiotap")?.head("radiotap flags")?;
            if flags & 0x10 != 0 {
                return Ok((Layer::Dot11, rest.limit(rest.len.saturating_sub(4))));
            }
        }
        Ok((Layer::Dot11, rest))
    }

    /// AVS: its length stands at byte 4.
    pub(super) fn avs<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [_, _, _, _, length @ ..] = view.head::<8>("AVS")?;
        Ok((Layer::Dot11, view.after(u32::from_be_bytes(length) as usize, "AVS")?))
    }

    /// Per-packet information: a length and the link type that follows.
    pub(super) fn ppi<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [_, _, low, high, link @ ..] = view.head::<8>("PPI")?;
        let rest = view.after(usize::from(u16::from_le_bytes([low, high])), "PPI")?;
        let link = u32::from_le_bytes(link);
        Ok(match u16::try_from(link) {
            Ok(link) => (Layer::Link(link), rest),
            Err(_) => (Layer::Nothing, rest),
        })
    }
}
