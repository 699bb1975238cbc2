//! Rules of the firewall and of IPVS, as their own programs print them: their formats are their
//! programs' affair, and every host that has rules has the program.
//!
//! Rules made with iptables-nft are nftables rules, and both programs list them. They are kept
//! once, unless `nft` says that it cannot show all of a rule.

use super::program::{self, Printed, Refused};
use super::{Missing, Piece, now, of_thread};

/// Large sets of addresses make rules long; more than this nobody reads.
const BYTES_MAX: usize = 16 << 20;

/// Why a listing is missing that was asked for and holds nothing.
const NONE: &str = "there are none";
/// Why one is missing whose program is not here.
const NOT_INSTALLED: &str = "that program is not installed";

impl Missing {
    /// Whether it is known that there is nothing of it.
    pub fn is_nothing(&self) -> bool {
        self.why == NONE
    }

    /// Whether the program is missing that would have told.
    pub fn is_not_installed(&self) -> bool {
        self.why == NOT_INSTALLED
    }
}

/// What the listings of the firewall gave: each a piece, or why it is not there.
pub fn rules() -> Vec<Result<Piece, Missing>> {
    let mut all = Vec::new();
    let nft = listing("nft", &["list", "ruleset"], "nft.txt");
    // `nft` marks what it cannot translate of rules made by iptables-nft.
    let complete = match &nft {
        Ok(Some(piece)) => {
            !contains(&piece.bytes, "xt match") && !contains(&piece.bytes, "xt target")
        }
        Ok(None) => true,
        Err(_) => false,
    };
    all.push(nft.and_then(|piece| piece.ok_or_else(|| none("rules of nftables"))));
    let mut legacy_seen = false;
    for (name, file) in [("iptables-save", "iptables.txt"), ("ip6tables-save", "ip6tables.txt")] {
        match listing(name, &[], file) {
            Ok(Some(piece)) if contains(&piece.bytes, "(nf_tables)") && complete => {}
            Ok(Some(piece)) => {
                legacy_seen |= !contains(&piece.bytes, "(nf_tables)");
                all.push(Ok(piece));
            }
            Ok(None) => {}
            Err(missing) => all.push(Err(missing)),
        }
    }
    if !legacy_seen {
        all.extend(legacy());
    }
    all
}

/// Rules of the old tables, where `iptables-save` is the one that does not show them.
fn legacy() -> Vec<Result<Piece, Missing>> {
    let kinds = [("ip_tables_names", "iptables"), ("ip6_tables_names", "ip6tables")];
    let has_tables = |list: &str| of_thread(list, 4096).is_ok_and(|names| !names.trim().is_empty());
    kinds
        .into_iter()
        .filter(|(list, _)| has_tables(list))
        .map(|(_, kind)| {
            let (program, file) = (format!("{kind}-legacy-save"), format!("{kind}-legacy.txt"));
            let what = || none(&format!("rules of {kind}'s old tables"));
            listing(&program, &[], &file).and_then(|piece| piece.ok_or_else(what))
        })
        .collect()
}

/// Whether functions of conntrack are registered with the kernel's hooks, and so see packets;
/// `None` where `nft` cannot tell (it needs root, and a kernel with `NFNETLINK_HOOK`).
pub fn conntrack_is_hooked() -> Option<bool> {
    let printed = program::run("nft", &["list", "hooks"], BYTES_MAX).ok()?;
    // A kernel that cannot tell gives an empty list, as one without any hook does.
    printed.text.contains("hook ").then(|| printed.text.contains("conntrack_in"))
}

/// IPVS: its timeouts and services from `ipvsadm`, or else what `/proc` shows; `None` where the
/// kernel has no IPVS.
pub fn ipvs() -> Option<Result<Piece, Missing>> {
    let at = now();
    let services = match of_thread("ip_vs", BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            let needs = "reading it needs root in this network namespace";
            return Some(Err(Missing::refused("IPVS", &error, needs)));
        }
    };
    let timeouts = listing("ipvsadm", &["-l", "--timeout"], "ipvs.txt");
    let table = listing("ipvsadm", &["-L", "-n", "-c"], "ipvs.txt");
    Some(Ok(match (timeouts, table) {
        (Ok(Some(mut piece)), table) => {
            if let Ok(Some(table)) = table {
                piece.bytes.extend(table.bytes);
                piece.command.push_str("; ipvsadm -L -n -c");
            }
            piece.bytes.extend(services.as_bytes());
            piece
        }
        _ => Piece {
            file: "ipvs.txt".to_owned(),
            command: "cat /proc/net/ip_vs".to_owned(),
            at,
            bytes: services.into_bytes(),
            notes: vec!["without ipvsadm its timeouts are not known".to_owned()],
        },
    }))
}

/// What a program lists; `None` when it lists nothing.
fn listing(name: &str, arguments: &[&str], file: &str) -> Result<Option<Piece>, Missing> {
    let at = now();
    let what = format!("rules by {name}");
    let Printed { mut text, cut, said } =
        program::run(name, arguments, BYTES_MAX).map_err(|refused| missing(&what, refused))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut notes = Vec::new();
    if cut {
        let note = format!("cut at {BYTES_MAX} bytes");
        text.push_str(&format!("\n# {note}\n"));
        notes.push(note);
    }
    notes.extend(said.lines().filter(|line| line.starts_with("# Warning")).map(str::to_owned));
    let command = [&[name], arguments].concat().join(" ");
    let file = file.to_owned();
    Ok(Some(Piece { file, command, at, bytes: text.into_bytes(), notes }))
}

fn missing(what: &str, refused: Refused) -> Missing {
    match refused {
        Refused::NotInstalled => Missing::because(what, NOT_INSTALLED),
        Refused::Failed(why) => {
            let small = why.to_lowercase();
            let privilege = ["not permitted", "permission denied", "must be root"];
            let privilege = privilege.iter().any(|words| small.contains(words));
            Missing { what: what.to_owned(), why, privilege }
        }
    }
}

fn none(what: &str) -> Missing {
    Missing::because(what, NONE)
}

fn contains(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|window| window == words.as_bytes())
}
