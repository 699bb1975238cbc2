//! The convenient way in: push a capture's bytes, get its connections at the end.
//!
//! [`Observer`] takes packets one by one and is what everything else is made of; [`CaptureReader`]
//! adds the decoding of one file.

use super::Finished;
use super::headers::Headers;
use super::sift::{Batch, Sifter};
use super::table::{FLOWS_MAX, Table};
use crate::capture::{Packet, Stream};
use crate::time::{Gap, Moment};

/// A step backwards smaller than this is two clocks of one machine, and not worth a word.
const BACKWARDS_MIN: Gap = Gap::from_millis(1);

/// Packets in, connections out: decodes, counts, and fills a [`Table`].
#[derive(Debug)]
pub struct Observer {
    sifter: Sifter,
    table: Table,
    /// The packet at hand.
    one: Batch,
}

/// What was counted on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Packets of any protocol.
    pub packets: u64,
    /// TCP segments.
    pub segments: u64,
    /// ICMP errors that quote a TCP segment.
    pub icmp_errors: u64,
    /// Packets that could not be read to the end of a TCP header they claim to have.
    pub stopped: u64,
    /// Of these, because the capture kept too little of them.
    pub cut: u64,
    /// Packets without a time stamp of their own.
    pub unstamped: u64,
    /// Times the stamps went backwards.
    pub backwards: u64,
    /// The largest step backwards.
    pub backwards_most: Gap,
    latest: Option<Moment>,
}

impl Observer {
    /// For captures of these names.
    pub fn new(files: Vec<String>) -> Self {
        Self::bounded(files, FLOWS_MAX)
    }

    /// The same, keeping at most `most` connections.
    pub fn bounded(files: Vec<String>, most: usize) -> Self {
        Self::of(Sifter::new(), Table::new(files, most))
    }

    /// Of a sifter and the table that took what it sifted.
    pub fn of(sifter: Sifter, table: Table) -> Self {
        Self { sifter, table, one: Batch::default() }
    }

    /// Takes a packet of the file of this number. Its `number` may run on over several files. Gives
    /// back a connection that had to be forgotten.
    pub fn packet(&mut self, packet: &Packet<'_>, file: usize) -> Option<Finished> {
        self.sifter.packet(packet, file, &mut self.one);
        let mut gone = None;
        self.table.fold(&self.one, &mut |flow| gone = Some(flow));
        self.one.clear();
        gone
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        self.sifter.tally()
    }

    /// The connections, and those that were forgotten for want of room.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Every connection, in order of first packet.
    pub fn finish(self) -> impl Iterator<Item = Finished> {
        self.table.finish()
    }
}

impl Tally {
    #[inline]
    pub(super) fn packet(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        if !packet.stamped {
            self.unstamped += 1;
            return;
        }
        if let Some(latest) = self.latest {
            let back = latest.since(packet.at);
            if back >= BACKWARDS_MIN {
                self.backwards += 1;
                self.backwards_most = self.backwards_most.max(back);
            }
        }
        self.latest = Some(packet.at);
    }

    /// What was odd, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.backwards > 0 {
            let most = self.backwards_most.secs_f64();
            notes.push(format!(
                "time runs backwards {} times, by at most {most:.3} s",
                self.backwards
            ));
        }
        if self.unstamped > 0 {
            notes.push(format!("{} packets carry no time stamp", self.unstamped));
        }
        if self.stopped > 0 {
            let cut = self.cut;
            notes.push(format!("{} packets could not be read to the end of their headers, {cut} of them because they were cut", self.stopped));
        }
        notes
    }
}

/// Reads one capture from chunks of bytes of any size.
#[derive(Debug)]
pub struct CaptureReader {
    stream: Stream,
    observer: Observer,
    headers: Headers,
}

/// Everything a capture told.
#[derive(Clone, Debug, Default)]
pub struct CaptureReading {
    /// Connections in order of first packet.
    pub flows: Vec<Finished>,
    /// `pcap` or `pcapng`; `None` when it is neither.
    pub format: Option<&'static str>,
    /// Packets read, of any protocol.
    pub packets: u64,
    /// Of these, TCP segments.
    pub segments: u64,
    /// Packets that could not be read to the end of a TCP header.
    pub skipped: u64,
    /// Connections forgotten because there were too many at once.
    pub evicted: u64,
    /// First and last time stamp.
    pub span: Option<(Moment, Moment)>,
    /// Comments of the file's sections and interfaces.
    pub comments: Vec<String>,
    /// Programs that wrote it (`shb_userappl`), as the file says.
    pub made_by: Vec<String>,
    /// What was odd, one sentence each: damage, cut packets, time running backwards.
    pub notes: Vec<String>,
    /// Bytes of the file that could not be read as packets.
    pub lost_bytes: u64,
    /// It lost packets by its own account.
    pub lost_packets: bool,
    /// The headers of its TCP packets.
    pub headers: Headers,
}

impl CaptureReader {
    /// A reader; `name` is how the file is called in records.
    pub fn new(name: impl Into<String>) -> Self {
        let observer = Observer::new(vec![name.into()]);
        Self { stream: Stream::new(), observer, headers: Headers::default() }
    }

    /// Takes the next bytes of the (unpacked) file.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Self { stream, observer, headers } = self;
        stream.each(bytes, &mut |packet| {
            observer.packet(packet, 0);
            headers.keep(packet);
        });
    }

    /// Tells what was read.
    pub fn finish(mut self) -> CaptureReading {
        self.stream.end();
        self.feed(&[]);
        let tally = *self.observer.tally();
        let mut notes = tally.notes();
        if let Some((damage, lost)) = self.stream.damage() {
            notes.insert(
                0,
                format!("damaged at byte {}: {}; {lost} bytes lost", damage.at, damage.what),
            );
        }
        let evicted = self.observer.table().evicted();
        if evicted > 0 {
            notes.push(format!("{evicted} connections were forgotten: too many at once"));
        }
        let about = self.stream.about();
        notes.extend(about.lost.sentence());
        let lost_packets = about.lost != crate::capture::Lost::default();
        CaptureReading {
            format: self.stream.format().map(crate::capture::Format::word),
            packets: tally.packets,
            segments: tally.segments,
            skipped: tally.stopped,
            evicted,
            span: self.observer.table().span(),
            comments: about.comments.clone(),
            made_by: about.made_by.clone(),
            notes,
            lost_bytes: self.stream.damage().map_or(0, |(_, lost)| lost),
            lost_packets,
            headers: self.headers,
            flows: self.observer.finish().collect(),
        }
    }
}
