//! Headers of packets, recorded while waiting, within limits that are told.
//!
//! Payload never reaches the folder: what is recorded is cut where its headers end.

use hopclock_core::capture::LinkType;
use hopclock_core::dump::conntrack;
use hopclock_core::redact::{self, Ends, Layers};
use hopclock_core::time::Moment;
use hopclock_live::clock;
use hopclock_live::gather::{Missing, Piece};
use hopclock_live::record::{Options, Recorded as OfTap, Recorder, Tap};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Cooked header, IPv6 and TCP with all its options, and a tunnel or a quote around them.
const SNAPLEN: usize = 192;
/// Packets recorded at most.
pub const PACKETS_MAX: u64 = 200_000;
/// Bytes recorded at most.
const BYTES_MAX: u64 = 32 << 20;
const WHAT: &str = "packets";

/// A recording at work.
pub struct Recording {
    recorder: Option<Recorder>,
    ended: Option<io::Result<Vec<OfTap>>>,
    file: Shared,
    accepted: Arc<AtomicU64>,
    began: Moment,
    comment: String,
}

/// What a recording came to.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Packets in the file.
    pub packets: u64,
    /// Packets that were wanted when a limit was reached already; more may have come after.
    pub left_out: u64,
    /// Packets the kernel had no room for.
    pub dropped: u64,
}

impl Recording {
    /// Begins, on all links of this namespace; with `peer`, what has that address or one its
    /// connections are translated to, as `table` has them.
    pub fn start(peer: Option<IpAddr>, table: Option<&Piece>, host: &str) -> Result<Self, Missing> {
        let missing = |error: io::Error| {
            let privilege = error.kind() == io::ErrorKind::PermissionDenied;
            let needs = "recording needs CAP_NET_RAW in this network namespace (root has it)";
            let why = if privilege { needs.to_owned() } else { error.to_string() };
            Missing { what: WHAT.to_owned(), why, privilege }
        };
        let tap = Tap::any().map_err(missing)?;
        let (file, accepted) = (Shared::default(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&accepted);
        let mut wanted = peer.map(|peer| Wanted::new(peer, table));
        let keep = move |link: LinkType, frame: &[u8]| {
            let keep = wanted.as_mut().is_none_or(|wanted| wanted.has(link, frame));
            counted.fetch_add(u64::from(keep), Ordering::Relaxed);
            keep
        };
        let options = Options {
            snaplen: SNAPLEN,
            packets_max: PACKETS_MAX,
            bytes_max: BYTES_MAX,
            keep: Some(Box::new(keep)),
            comment: String::new(),
        };
        let began = clock::now();
        let recorder = Recorder::start(vec![tap], file.clone(), options).map_err(missing)?;
        let comment = format!("hopclock collect on {host}: headers only");
        Ok(Self { recorder: Some(recorder), ended: None, file, accepted, began, comment })
    }

    /// Stops the recorder once its limit is reached: it would read on for nothing.
    pub fn mind(&mut self) {
        if self.accepted.load(Ordering::Relaxed) > PACKETS_MAX {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            self.ended = Some(recorder.stop());
        }
    }

    /// Stops, and cuts every packet to its headers.
    pub fn stop(mut self) -> Result<(Piece, Recorded), Missing> {
        self.end();
        let missing = |why: String| Missing { what: WHAT.to_owned(), why, privilege: false };
        let of_taps = match self.ended.take() {
            Some(Ok(of_taps)) => of_taps,
            Some(Err(error)) => return Err(missing(error.to_string())),
            None => Vec::new(),
        };
        let written = redact::headers_only(&self.file.bytes(), &self.comment);
        let recorded = Recorded {
            packets: written.packets,
            left_out: of_taps.iter().map(|tap| tap.left_out).sum(),
            dropped: of_taps.iter().map(|tap| tap.dropped).sum(),
        };
        if recorded.packets == 0 {
            return Err(missing("none that were wanted came by in that time".to_owned()));
        }
        let mut notes = Vec::new();
        if recorded.left_out > 0 {
            notes.push(format!(
                "full after {} packets; what came later is not in it",
                recorded.packets
            ));
        }
        if recorded.dropped > 0 {
            notes.push(format!("the kernel had no room for {} packets", recorded.dropped));
        }
        let piece = Piece {
            file: "headers.pcapng".to_owned(),
            command: format!("tcpdump -i any -s {SNAPLEN}"),
            at: self.began,
            bytes: written.bytes,
            notes,
        };
        Ok((piece, recorded))
    }
}

/// Which packets have to do with the peer.
struct Wanted {
    peer: IpAddr,
    /// Ends its connections are translated to, which tell its packets on the other side.
    translated: BTreeSet<(SocketAddr, SocketAddr)>,
}

impl Wanted {
    fn new(peer: IpAddr, table: Option<&Piece>) -> Self {
        let text = table.map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned());
        let (entries, _) = conntrack::read(&text.unwrap_or_default());
        let both = entries.iter().flat_map(|entry| [Some(entry.original), entry.reply]);
        let ends = both.flatten().map(|tuple| {
            let at = |address, port| SocketAddr::new(address, port);
            (at(tuple.src, tuple.sport), at(tuple.dst, tuple.dport))
        });
        let translated = ends.flat_map(|(src, dst)| [(src, dst), (dst, src)]).collect();
        Self { peer, translated }
    }

    fn has(&mut self, link: LinkType, frame: &[u8]) -> bool {
        let layers = Layers::of(link, frame);
        let of_entry = |ends: &Ends| self.translated.contains(&(ends.src, ends.dst));
        layers.addresses(frame).any(|address| address == self.peer)
            || layers.ends().iter().any(of_entry)
    }
}

/// A file in memory that the recorder writes and the collector reads.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
