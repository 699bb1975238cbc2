//! A recording judged by the kernel: its packets go through the namespace one by one, and the
//! kernel's clock is set for each as the recording's stood.
//!
//! Only TCP and ICMP errors about it: UDP's two seconds cannot be set. Checksums are not looked at,
//! since a recording beside offload shows wrong ones.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hopclock_core::capture;
use hopclock_core::conntrack::packet::{Body, Packet, Tuple, proto};
use hopclock_core::conntrack::read::read;
use hopclock_core::conntrack::{Rules, Settings, Table};
use hopclock_core::wire::ip_packet;

use super::Kernel;
use super::compare::differences;
use super::frame;
use super::run::{Difference, set_timeout};
use crate::evidence::{self, Item, What};

/// One capture of an evidence folder, judged under the settings of its host.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The capture.
    pub capture: PathBuf,
    /// The dump its settings are from.
    pub settings: PathBuf,
    /// What it came to.
    pub outcome: Outcome,
}

/// A kernel and a model, side by side.
#[derive(Debug)]
pub struct Bench {
    kernel: Kernel,
    table: Table,
}

/// What a recording came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Packets both judged.
    pub judged: u64,
    /// Packets that could not be put to the kernel: cut short, fragments, other protocols,
    /// addresses no router forwards.
    pub left_out: u64,
    /// The first packet on which they differ.
    pub difference: Option<Difference>,
}

impl Bench {
    /// Moves the calling thread into a namespace of its own.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EPERM` without root.
    pub fn start() -> io::Result<Self> {
        let mut kernel = Kernel::start()?;
        let checksum = Settings { checksum: false, ..base() };
        kernel.set(&base(), &checksum)?;
        Ok(Self { kernel, table: Table::new(checksum, Rules::default()) })
    }

    /// Judges a capture file's bytes under these settings, beginning with an empty table.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn recording(&mut self, file: &[u8], settings: Settings) -> io::Result<Outcome> {
        let settings =
            Settings { checksum: false, acct: true, log_invalid: 255, max: None, ..settings };
        self.kernel.table.flush()?;
        self.kernel.set(&self.table.settings, &settings)?;
        self.table = Table::new(settings, Rules::default());
        let mut stream = capture::Stream::new();
        stream.feed(file);
        stream.end();
        let mut outcome = Outcome::default();
        while matches!(stream.advance(), capture::Ready::Packet) {
            let Some(packet) = stream.packet() else { break };
            match self.one(&packet)? {
                None => outcome.left_out += 1,
                Some(None) => outcome.judged += 1,
                Some(difference) => {
                    outcome.difference = difference;
                    break;
                }
            }
        }
        Ok(outcome)
    }

    /// Judges every capture of an evidence folder that was taken at a host whose conntrack sysctls
    /// are in the folder, too: hops first of all, and ends, whose tables are hops as well. Empty
    /// when the folder holds no such pair.
    ///
    /// # Errors
    ///
    /// What the kernel or the file system says.
    pub fn folder(&mut self, folder: &Path) -> io::Result<Vec<Judged>> {
        let items = evidence::items(folder)?;
        let mut all = Vec::new();
        for item in &items {
            let What::Capture(bytes) = &item.what else { continue };
            let Some((settings, from)) = settings_of(&items, item) else { continue };
            let outcome = self.recording(bytes, settings)?;
            all.push(Judged { capture: item.path.clone(), settings: from, outcome });
        }
        Ok(all)
    }

    /// `None` if the packet cannot be put to the kernel.
    fn one(&mut self, captured: &capture::Packet<'_>) -> io::Result<Option<Option<Difference>>> {
        let Some((ip, packet)) = presentable(captured) else { return Ok(None) };
        let tuple = match packet.body {
            Body::IcmpError { about } => about.unwrap_or(packet.tuple),
            _ => packet.tuple,
        };
        self.table.advance_to(captured.at);
        self.same_clock(&tuple)?;
        let now = self.table.now();
        let before = self.table.find(&tuple).map(|(entry, _)| *entry);
        let judged = self.table.packet(now, &packet);
        let answer = self.kernel.packet(&ip, &tuple)?;
        let what = differences(&self.table, &packet, &judged, &tuple, &answer);
        if what.is_empty() {
            return Ok(Some(None));
        }
        let about = format!("{packet:?}\nbefore {before:?}\njudged {judged:?}\nkernel {answer:?}");
        let deed = usize::try_from(captured.number).unwrap_or(usize::MAX);
        Ok(Some(Some(Difference { deed, what, about })))
    }

    /// Gives the kernel's entry the seconds the model's has left, or ends it.
    fn same_clock(&mut self, tuple: &Tuple) -> io::Result<()> {
        let now = self.table.now();
        let Some((entry, _)) = self.table.find(tuple) else {
            return self.kernel.table.delete(tuple);
        };
        let seconds = entry.remaining_s(now).max(1);
        self.kernel.table.set_timeout(tuple, seconds)?;
        set_timeout(&mut self.table, tuple, seconds, now);
        Ok(())
    }
}

/// The conntrack settings of a capture's host: of several dumps the one that sets most, since a
/// box has one table.
pub fn settings_of(items: &[Item], capture: &Item) -> Option<(Settings, PathBuf)> {
    let own = items.iter().filter(|i| i.is_of(capture)).filter_map(|i| match &i.what {
        What::Settings(settings, set) => Some((*set, **settings, i.path.clone())),
        _ => None,
    });
    own.max_by_key(|(set, _, _)| *set).map(|(_, settings, path)| (settings, path))
}

fn base() -> Settings {
    Settings { log_invalid: 255, acct: true, ..Settings::default() }
}

/// The IP packet, whole and without padding, if a router would forward it and the model judges it.
///
/// Its header is mended: a recording made anonymous has wrong header checksums, and one made
/// behind routers short lives; the kernel would drop both before its table sees them.
fn presentable(captured: &capture::Packet<'_>) -> Option<(Vec<u8>, Packet)> {
    let ip = ip_packet(captured)?;
    let packet = read(ip).ok()?;
    let ours = match packet.body {
        Body::Tcp(_) | Body::BrokenTcp { .. } => true,
        Body::IcmpError { about: Some(tuple) } => tuple.proto == proto::TCP,
        _ => false,
    };
    let forwarded = [packet.tuple.src, packet.tuple.dst].into_iter().all(unicast);
    let mut ip = ip.get(..packet.l3_len as usize)?.to_vec();
    frame::mend(&mut ip);
    (ours && forwarded).then_some((ip, packet))
}

fn unicast(address: IpAddr) -> bool {
    let odd = address.is_loopback() || address.is_multicast() || address.is_unspecified();
    let local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !odd && !local
}
