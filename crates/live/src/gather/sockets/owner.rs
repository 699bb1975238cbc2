//! Which processes and which control groups sockets belong to, from `/proc` and the control group
//! file system, as far as this user may look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Holders;

/// Descriptors looked at before the search is given up, all processes together.
const DESCRIPTORS_MAX: usize = 1_000_000;
/// Holders named of one socket.
const HOLDERS_MAX: usize = 4;
/// Folders of control groups looked at.
const GROUPS_MAX: usize = 50_000;

/// Holders of sockets by inode number.
#[derive(Debug, Default)]
pub(super) struct Owners(Holders);

impl Owners {
    /// Looks through the processes for holders of these sockets.
    pub(super) fn find(inodes: impl Iterator<Item = u32>) -> Self {
        let wanted: BTreeSet<u32> = inodes.collect();
        let mut found = Self::default();
        let mut left = DESCRIPTORS_MAX;
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = process.file_name();
            let Ok(pid) = name.to_string_lossy().parse::<u32>() else { continue };
            // Other users' processes may not be looked into; theirs stay without a name.
            let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
            for descriptor in descriptors.flatten().take(left) {
                left -= 1;
                found.take(pid, &descriptor.path(), &wanted);
            }
        }
        found
    }

    fn take(&mut self, pid: u32, descriptor: &Path, wanted: &BTreeSet<u32>) {
        let Ok(target) = fs::read_link(descriptor) else { return };
        let target = target.to_string_lossy();
        let number = target.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']'));
        let Some(inode) = number.and_then(|n| n.parse().ok()).filter(|n| wanted.contains(n)) else {
            return;
        };
        let holders = self.0.entry(inode).or_default();
        if holders.len() < HOLDERS_MAX {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let fd = descriptor.file_name().unwrap_or_default().to_string_lossy();
            holders.push(format!("(\"{}\",pid={pid},fd={fd})", name.trim_end()));
        }
    }

    /// `("name",pid=1,fd=2),…`.
    pub(super) fn of(&self, inode: u32) -> Option<String> {
        self.0.get(&inode).map(|holders| holders.join(","))
    }
}

/// Paths of control groups by number: the inode of a group's folder.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<u64, String>);

impl Groups {
    /// Looks for the folders of these groups.
    pub(super) fn find(numbers: impl Iterator<Item = u64>) -> Self {
        let mut wanted: BTreeSet<u64> = numbers.collect();
        let mut found = Self::default();
        let Some(root) = mounted() else { return found };
        let mut to_read = vec![root.clone()];
        let mut left = GROUPS_MAX;
        while let Some(folder) = to_read.pop() {
            if wanted.is_empty() || left == 0 {
                break;
            }
            left -= 1;
            if let Ok(about) = fs::metadata(&folder)
                && wanted.remove(&about.ino())
            {
                let path = folder.strip_prefix(&root).unwrap_or(&folder);
                found.0.insert(about.ino(), format!("/{}", path.display()));
            }
            let inside = fs::read_dir(&folder).into_iter().flatten().flatten();
            to_read.extend(
                inside.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()),
            );
        }
        found
    }

    /// The path; what `ss` prints where it is not found.
    pub(super) fn of(&self, number: u64) -> String {
        self.0.get(&number).cloned().unwrap_or_else(|| format!("unreachable:{number:x}"))
    }
}

/// Where the second version of control groups is mounted.
fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut found = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    });
    found.next()
}
