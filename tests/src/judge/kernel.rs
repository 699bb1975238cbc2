//! A namespace with two TUN devices: what goes into one comes out of the other, through the
//! kernel's connection tracking.

use std::io;

use hopclock_core::conntrack::{Settings, Tuple};
use hopclock_live::namespace::{enter_new, set_sysctl};
use hopclock_live::netlink::conntrack::Conntrack;
use hopclock_live::netlink::link::Links;
use hopclock_live::netlink::log::Log;
use hopclock_live::netlink::mirror;
use hopclock_live::tun::Tun;

use super::trace::Answer;

/// The kernel's side of the comparison. Its namespace is that of the thread that made it.
#[derive(Debug)]
pub struct Kernel {
    into: Tun,
    out: Tun,
    /// The table.
    pub table: Conntrack,
    log: Log,
    buffer: Vec<u8>,
}

/// Large enough for any payload.
const MTU: u32 = 65_535;

impl Kernel {
    /// Moves the calling thread into a new namespace and builds the path.
    ///
    /// # Errors
    ///
    /// What the kernel says; without root it says `EPERM`.
    pub fn start() -> io::Result<Self> {
        enter_new()?;
        let into = Tun::make("into")?;
        let out = Tun::make("out")?;
        for (name, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv4/conf/into/rp_filter", "0"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv6/conf/into/addr_gen_mode", "1"),
            ("ipv6/conf/out/addr_gen_mode", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            ("netfilter/nf_log/2", "nfnetlink_log"),
            ("netfilter/nf_log/10", "nfnetlink_log"),
            ("netfilter/nf_conntrack_log_invalid", "255"),
            ("netfilter/nf_conntrack_acct", "1"),
        ] {
            set_sysctl(name, value)
                .map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")))?;
        }
        let mut links = Links::open()?;
        for tun in [&into, &out] {
            links.up(tun.index, MTU)?;
        }
        for v6 in [false, true] {
            links.default_route(out.index, v6)?;
        }
        mirror::load()?;
        Ok(Self {
            into,
            out,
            table: Conntrack::open()?,
            log: Log::open()?,
            buffer: vec![0; MTU as usize + 64],
        })
    }

    /// Sets every sysctl the model reads.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn set(&mut self, before: &Settings, settings: &Settings) -> io::Result<()> {
        for (name, value) in settings.all() {
            let Some(value) = value else { continue };
            let fixed = matches!(
                name,
                "nf_conntrack_acct"
                    | "nf_conntrack_log_invalid"
                    | "nf_conntrack_tcp_no_window_check"
            );
            if fixed || before.get(name) == Some(value) {
                continue;
            }
            set_sysctl(&format!("netfilter/{name}"), &value.to_string())?;
        }
        Ok(())
    }

    /// Sends a packet and gathers the answer.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn packet(&mut self, bytes: &[u8], tuple: &Tuple) -> io::Result<Answer> {
        self.into.send(bytes)?;
        let mut ct_state = None;
        while let Some(length) = self.out.take(&mut self.buffer)? {
            let packet = self.buffer.get(..length).unwrap_or_default();
            if let Some(state) = state_of(packet, bytes) {
                ct_state = Some(state);
            }
        }
        let told = self.table.get(tuple)?.map(Box::new);
        let mut log = Vec::new();
        self.log.lines(&mut log)?;
        Ok(Answer { ct_state, told, log })
    }
}

/// The state written into a packet that came out, if it is the one that went in: the kernel sends
/// packets of its own, too (router solicitations and the like).
fn state_of(out: &[u8], sent: &[u8]) -> Option<u8> {
    let (ttl, ends) = match sent.first()? >> 4 {
        4 => (8, 12..20),
        _ => (7, 8..40),
    };
    (out.get(ends.clone()) == sent.get(ends)).then(|| out.get(ttl).copied())?
}
