//! Traces as files: what another kernel answered, recorded once and held against the model in every
//! test run.
//!
//! A file is one line of text (format, kernel as `uname -r` prints it) and then deeds, one after
//! another, as numbers of seven bits a byte; what repeats (ends, log lines) stands once and is
//! named by its place, and zeroes at the end of a packet are counted.

use std::io::{Error, Result};

use hopclock_core::conntrack::{Settings, Tuple};
use hopclock_core::time::Moment;
use hopclock_live::netlink::conntrack::{Told, ToldTcp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::trace::{Answer, Deed, Trace};

const MAGIC: &str = "hopclock-vectors/1 ";

/// A trace, and whose it is.
#[derive(Clone, Debug, Default)]
pub struct Vectors {
    /// Release of the kernel that answered.
    pub release: String,
    /// What was done and answered.
    pub trace: Trace,
}

impl Vectors {
    /// As a file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut writing = Writing::default();
        self.trace.deeds.iter().for_each(|deed| writing.deed(deed));
        [format!("{MAGIC}{}\n", self.release).into_bytes(), writing.out].concat()
    }

    /// From a file.
    ///
    /// # Errors
    ///
    /// `InvalidData` for what is no such file, or one that is cut.
    pub fn read(file: &[u8]) -> Result<Vectors> {
        let wrong = || Error::new(std::io::ErrorKind::InvalidData, "no file of vectors");
        let end = file.iter().position(|b| *b == b'\n').ok_or_else(wrong)?;
        let head = std::str::from_utf8(&file[..end]).map_err(|_| wrong())?;
        let release = head.strip_prefix(MAGIC).ok_or_else(wrong)?.to_owned();
        let mut reading = Reading { rest: &file[end + 1..], ..Reading::default() };
        let mut trace = Trace::default();
        while !reading.rest.is_empty() {
            trace.deeds.push(reading.deed().ok_or_else(wrong)?);
        }
        Ok(Vectors { release, trace })
    }
}

#[derive(Default)]
struct Writing {
    out: Vec<u8>,
    at: i64,
    settings: Settings,
    tuples: Vec<Tuple>,
    lines: Vec<String>,
}

impl Writing {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn some(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.extend(bytes);
    }

    fn moment(&mut self, at: Moment) {
        self.number((at.ns() - self.at).cast_unsigned());
        self.at = at.ns();
    }

    fn tuple(&mut self, tuple: &Tuple) {
        if let Some(known) = self.tuples.iter().rposition(|t| t == tuple) {
            return self.number((self.tuples.len() - known) as u64);
        }
        self.number(0);
        self.tuples.push(*tuple);
        for end in [tuple.src, tuple.dst] {
            match end {
                IpAddr::V4(v4) => self.some(&v4.octets()),
                IpAddr::V6(v6) => self.some(&v6.octets()),
            }
        }
        self.number(u64::from(tuple.sport));
        self.number(u64::from(tuple.dport));
        self.number(u64::from(tuple.proto));
    }

    fn deed(&mut self, deed: &Deed) {
        match deed {
            Deed::Set(settings) => {
                self.number(0);
                let before = self.settings;
                let changed: Vec<(usize, i64)> = settings
                    .all()
                    .zip(before.all())
                    .enumerate()
                    .filter(|(_, (now, then))| now != then)
                    .filter_map(|(place, (now, _))| Some((place, now.1?)))
                    .collect();
                self.number(changed.len() as u64);
                for (place, value) in changed {
                    self.number(place as u64);
                    self.number(value.cast_unsigned());
                }
                self.settings = **settings;
            }
            Deed::Packet { at, bytes, tuple, answer } => {
                self.number(1);
                self.moment(*at);
                let zeroes = bytes.iter().rev().take_while(|b| **b == 0).count();
                self.some(&bytes[..bytes.len() - zeroes]);
                self.number(zeroes as u64);
                self.tuple(tuple);
                self.answer(answer);
            }
            Deed::Timeout { at, tuple, seconds } => {
                self.number(2);
                self.moment(*at);
                self.tuple(tuple);
                self.number(u64::from(*seconds));
            }
            Deed::Remove { tuple } => {
                self.number(3);
                self.tuple(tuple);
            }
        }
    }

    fn answer(&mut self, answer: &Answer) {
        self.number(answer.ct_state.map_or(0, |s| u64::from(s) + 1));
        self.number(answer.log.len() as u64);
        for line in &answer.log {
            let known = self.lines.iter().position(|l| l == line);
            self.number(known.map_or(0, |place| place as u64 + 1));
            if known.is_none() {
                self.some(line.as_bytes());
                self.lines.push(line.clone());
            }
        }
        let Some(told) = &answer.told else { return self.number(0) };
        self.number(told.timeout_s.map_or(1, |s| u64::from(s) + 2));
        self.tuple(&told.original);
        self.tuple(&told.reply);
        self.number(u64::from(told.status));
        let tcp = told.tcp.unwrap_or_default();
        self.out.push(u8::from(told.tcp.is_some()));
        if told.tcp.is_some() {
            self.out.extend([tcp.state, tcp.scale[0], tcp.scale[1], tcp.flags[0], tcp.flags[1]]);
        }
        let counted = told.counted.unwrap_or_default();
        self.out.push(u8::from(told.counted.is_some()));
        counted.iter().for_each(|(packets, bytes)| {
            self.number(*packets);
            self.number(*bytes);
        });
    }
}

#[derive(Default)]
struct Reading<'a> {
    rest: &'a [u8],
    at: i64,
    settings: Settings,
    tuples: Vec<Tuple>,
    lines: Vec<String>,
}

impl<'a> Reading<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    fn some(&mut self) -> Option<&'a [u8]> {
        let length = self.small()?;
        let (now, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(now)
    }

    fn moment(&mut self) -> Option<Moment> {
        self.at = self.at.wrapping_add(self.number()?.cast_signed());
        Some(Moment::from_ns(self.at))
    }

    fn address(&mut self) -> Option<IpAddr> {
        let bytes = self.some()?;
        let v4 = <[u8; 4]>::try_from(bytes).map(|o| IpAddr::V4(Ipv4Addr::from(o)));
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|o| IpAddr::V6(Ipv6Addr::from(o)))).ok()
    }

    fn tuple(&mut self) -> Option<Tuple> {
        let back: usize = self.small()?;
        if back > 0 {
            return self.tuples.get(self.tuples.len().checked_sub(back)?).copied();
        }
        let (src, dst) = (self.address()?, self.address()?);
        let (sport, dport, proto) = (self.small()?, self.small()?, self.small()?);
        let tuple = Tuple { src, dst, sport, dport, proto };
        self.tuples.push(tuple);
        Some(tuple)
    }

    fn deed(&mut self) -> Option<Deed> {
        Some(match self.number()? {
            0 => {
                let names: Vec<&str> = self.settings.all().map(|(name, _)| name).collect();
                for _ in 0..self.number()? {
                    let name = names.get(self.small::<usize>()?)?;
                    let value = self.number()?.cast_signed();
                    self.settings.set(name, value).ok()?;
                }
                Deed::Set(Box::new(self.settings))
            }
            1 => {
                let at = self.moment()?;
                let mut bytes = self.some()?.to_vec();
                bytes.resize(bytes.len() + self.small::<u16>()? as usize, 0);
                let (tuple, answer) = (self.tuple()?, self.answer()?);
                Deed::Packet { at, bytes, tuple, answer }
            }
            2 => Deed::Timeout { at: self.moment()?, tuple: self.tuple()?, seconds: self.small()? },
            3 => Deed::Remove { tuple: self.tuple()? },
            _ => return None,
        })
    }

    fn answer(&mut self) -> Option<Answer> {
        let ct_state = self.number()?.checked_sub(1).map(|s| s as u8);
        let mut log = Vec::new();
        for _ in 0..self.number()? {
            let place: usize = self.small()?;
            if place == 0 {
                let line = String::from_utf8(self.some()?.to_vec()).ok()?;
                self.lines.push(line.clone());
                log.push(line);
            } else {
                log.push(self.lines.get(place - 1)?.clone());
            }
        }
        let told = match self.number()? {
            0 => None,
            timeout => Some(Box::new(self.told(timeout)?)),
        };
        Some(Answer { ct_state, told, log })
    }

    fn told(&mut self, timeout: u64) -> Option<Told> {
        let timeout_s = timeout.checked_sub(2).and_then(|s| u32::try_from(s).ok());
        let (original, reply, status) = (self.tuple()?, self.tuple()?, self.small()?);
        let tcp = match self.byte()? {
            0 => None,
            _ => Some(ToldTcp {
                state: self.byte()?,
                scale: [self.byte()?, self.byte()?],
                flags: [self.byte()?, self.byte()?],
            }),
        };
        let has = self.byte()? != 0;
        let counted = [(self.number()?, self.number()?), (self.number()?, self.number()?)];
        let counted = has.then_some(counted);
        let (id, mark, zone, held_by) = (0, 0, 0, 0);
        Some(Told { original, reply, status, timeout_s, tcp, counted, id, mark, zone, held_by })
    }
}
