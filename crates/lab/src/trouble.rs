//! Why a run could not be played to its end. Never what it found: that is a check.

use std::fmt;
use std::io;

use crate::tool::Tool;

/// Why a run stopped.
#[derive(Debug)]
pub enum Trouble {
    /// A privilege or something of the kernel is missing: one sentence.
    Missing(String),
    /// The machine refused: what was being done, and its answer.
    Machine(String, io::Error),
    /// A program that it takes is not there.
    Absent(Tool),
    /// Somebody asked to stop.
    Interrupted,
    /// The scenario is broken.
    Broken(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) | Self::Broken(what) => f.write_str(what),
            Self::Machine(what, error) => write!(f, "{what}: {error}"),
            Self::Absent(tool) => f.write_str(&tool.lacking()),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Says what was being done when the machine refused.
pub(crate) trait Doing<T> {
    /// Names it; EPERM becomes a missing privilege.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Trouble>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Trouble> {
        self.map_err(|error| {
            let error = error.into();
            if error.kind() == io::ErrorKind::PermissionDenied {
                Trouble::Missing(format!("{} is not permitted: {error}", what()))
            } else {
                Trouble::Machine(what(), error)
            }
        })
    }
}

/// What the lab needs and this machine lacks, in one sentence; `None` when all is there.
pub fn missing() -> Option<String> {
    let new = hopclock_live::namespace::Namespace::new();
    let fresh = match new {
        Ok(fresh) => fresh,
        Err(error) => {
            return Some(format!("the lab makes network namespaces, which takes root: {error}"));
        }
    };
    let works = fresh.run(|| -> Result<(), String> {
        let mut links = hopclock_live::netlink::link::Links::open().map_err(|e| e.to_string())?;
        let end = |name: &str, last| hopclock_live::netlink::link::End {
            name: name.to_owned(),
            mac: [0, 0, 0x5e, 0, 0x53, last],
        };
        links
            .pair(&end("a", 1), &end("b", 2), &fresh)
            .map_err(|e| format!("this kernel makes no veth pairs: {e}"))?;
        hopclock_live::netlink::conntrack::Conntrack::open()
            .and_then(|mut table| table.dump())
            .map_err(|e| {
                format!("this kernel shows no conntrack table (nf_conntrack_netlink): {e}")
            })?;
        crate::net::nft("table inet probe { chain c { ct state new accept; }; }")
            .map_err(|e| e.to_string())
    });
    match works {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(error) => Some(format!("the lab cannot enter the namespace it made: {error}")),
    }
}
