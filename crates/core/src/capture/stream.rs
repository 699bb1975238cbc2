//! A decoder with its buffer: bytes are fed in as they come, packets are looked at one by one.

use super::{About, Damage, Decoder, Format, Packet, Step};

/// What can be done next with a [`Stream`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// [`Stream::packet`] has a packet.
    Packet,
    /// More bytes must be fed, or the end told.
    Hungry,
    /// No packet will come any more.
    Over,
}

/// Reads a capture from chunks of any size. It keeps no more than one record and one chunk.
#[derive(Debug, Default)]
pub struct Stream {
    decoder: Decoder,
    kept: Vec<u8>,
    start: usize,
    /// Bytes still to be thrown away as they come.
    discard: u64,
    last: bool,
    over: bool,
    /// Bytes wanted before anything more can be said.
    wanted: usize,
    current: Option<Current>,
    damage: Option<Damage>,
    lost_bytes: u64,
    format: Option<Format>,
}

/// The current packet, without the borrow of its bytes.
#[derive(Debug)]
struct Current {
    like: Packet<'static>,
    from: usize,
    to: usize,
}

impl Stream {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file. To keep memory small, call [`Stream::advance`] until it is
    /// hungry before feeding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.over {
            self.lost_bytes = self.lost_bytes.saturating_add(bytes.len() as u64);
            return;
        }
        let skip = usize::try_from(self.discard).unwrap_or(usize::MAX).min(bytes.len());
        self.discard -= skip as u64;
        if self.current.is_none() {
            self.kept.drain(..self.start);
            self.start = 0;
        }
        self.kept.extend_from_slice(bytes.get(skip..).unwrap_or_default());
    }

    /// Tells that no more bytes will come.
    pub fn end(&mut self) {
        self.last = true;
    }

    /// Goes on to the next packet.
    pub fn advance(&mut self) -> Ready {
        self.current = None;
        loop {
            if self.over {
                return Ready::Over;
            }
            if self.discard > 0 && !self.last {
                return Ready::Hungry;
            }
            let bytes = self.kept.get(self.start..).unwrap_or_default();
            let step = self.decoder.step(bytes, self.last);
            self.format = self.format.or(self.decoder.format());
            match step {
                Step::Packet { consumed, from, packet } => {
                    let from = self.start + from;
                    let to = from + packet.bytes.len();
                    let like = Packet { bytes: &[], ..packet };
                    self.current = Some(Current { like, from, to });
                    self.start += consumed;
                    return Ready::Packet;
                }
                Step::Passed { consumed } => self.pass(consumed),
                Step::Need { bytes } => {
                    self.wanted = bytes;
                    return Ready::Hungry;
                }
                Step::End => self.over = true,
                Step::Damaged(damage) => {
                    self.lost_bytes = bytes.len() as u64;
                    self.damage = Some(damage);
                    self.over = true;
                }
            }
        }
    }

    /// Takes the next bytes of the file and shows every packet they complete. The same as feeding
    /// them and advancing until hungry, but packets that lie whole in `chunk` are not copied.
    pub fn each(&mut self, chunk: &[u8], show: &mut impl FnMut(&Packet<'_>)) {
        let mut rest = chunk;
        loop {
            if self.start == self.kept.len() && self.discard == 0 && !self.over {
                self.current = None;
                self.kept.clear();
                self.start = 0;
                let used = self.decoder.each(rest, show);
                rest = rest.get(used..).unwrap_or_default();
            }
            match self.advance() {
                Ready::Packet => {
                    if let Some(packet) = self.packet() {
                        show(&packet);
                    }
                }
                Ready::Over => return self.feed(rest),
                Ready::Hungry if rest.is_empty() => return,
                Ready::Hungry => {
                    let (now, later) = rest.split_at(self.wants().min(rest.len()));
                    self.feed(now);
                    rest = later;
                }
            }
        }
    }

    /// How many more bytes complete what the kept ones begin; at least one.
    fn wants(&self) -> usize {
        let discard = usize::try_from(self.discard).unwrap_or(usize::MAX);
        if discard > 0 {
            return discard;
        }
        self.wanted.saturating_sub(self.kept.len() - self.start).max(1)
    }

    fn pass(&mut self, consumed: u64) {
        let have = self.kept.len() - self.start;
        let here = usize::try_from(consumed).unwrap_or(usize::MAX).min(have);
        self.start += here;
        self.discard = consumed - here as u64;
    }

    /// The packet [`Stream::advance`] went to.
    pub fn packet(&self) -> Option<Packet<'_>> {
        let current = self.current.as_ref()?;
        let bytes = self.kept.get(current.from..current.to)?;
        Some(Packet { bytes, ..current.like })
    }

    /// The format, once known.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// What the file says of itself.
    pub fn about(&self) -> &About {
        self.decoder.about()
    }

    /// Where reading stopped before the end, and how many bytes were lost by it.
    pub fn damage(&self) -> Option<(&Damage, u64)> {
        self.damage.as_ref().map(|damage| (damage, self.lost_bytes))
    }
}
