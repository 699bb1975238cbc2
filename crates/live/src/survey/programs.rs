//! Programs that run and keep connections for others: which, and what their configuration sets.
//!
//! None of them is asked, signalled or run: their arguments and files are read.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hopclock_core::clocks::Catalogue;
use hopclock_core::dump::config::{self, Configured, envoy, haproxy, nginx};
use hopclock_core::map::snapshot::{Program, Timer};

use super::Lacks;
use super::files::{NoRoot, Root};
use super::namespaces::{comm, processes};

/// More programs than this are not read.
const PROGRAMS_MAX: usize = 64;

/// What reads a program's configuration.
type Read = fn(&Process, &mut Root) -> Result<Told, (String, io::ErrorKind)>;

/// Programs by the name of their process.
const KNOWN: [(&str, Read); 3] =
    [("nginx", of_nginx), ("haproxy", of_haproxy), ("envoy", of_envoy)];

/// A process.
struct Process {
    pid: u32,
    arguments: Vec<String>,
}

/// What was read of one.
struct Told {
    configured: Configured,
    version: Option<String>,
}

pub(super) fn read(catalogue: &Catalogue, lacks: &mut Lacks) -> Vec<Program> {
    let mut found = Vec::new();
    let mut more = 0_usize;
    for pid in processes() {
        let name = comm(pid);
        let Some((name, read)) = KNOWN.into_iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let Some(process) = Process::of(pid).filter(|_| !is_child_of(pid, name)) else { continue };
        if found.len() >= PROGRAMS_MAX {
            more += 1;
            continue;
        }
        let what = format!("configuration of {name}, process {pid}");
        match one(name, read, &process, catalogue) {
            Ok(program) => found.push(program),
            Err((why, privilege)) => lacks.add(what, why, privilege),
        }
    }
    if more > 0 {
        let why = format!("no more than {PROGRAMS_MAX} are read");
        lacks.add(format!("configuration of {more} more programs"), why, false);
    }
    found
}

fn one(
    name: &str,
    read: Read,
    process: &Process,
    catalogue: &Catalogue,
) -> Result<Program, (String, bool)> {
    let mut root = match Root::of(process.pid) {
        Ok(root) => root,
        Err(NoRoot::Refused) => return Err(("looking at its files needs root".to_owned(), true)),
        Err(NoRoot::Gone) => return Err(("it ended".to_owned(), false)),
    };
    let mut told = read(process, &mut root);
    // One that shut itself into a folder after it had read its files: they lie outside.
    if matches!(&told, Err((_, io::ErrorKind::NotFound)))
        && let Some(mut own) = Root::own().filter(|_| shares_mounts(process.pid))
    {
        let again = read(process, &mut own);
        if again.is_ok() {
            (told, root) = (again, own);
        }
    }
    let Told { configured, version } =
        told.map_err(|(why, kind)| (why, kind == io::ErrorKind::PermissionDenied))?;
    let mut notes = configured.notes;
    notes.append(&mut root.notes);
    let namespace = fs::metadata(format!("/proc/{}/ns/net", process.pid));
    Ok(Program {
        name: name.to_owned(),
        pid: process.pid,
        namespace: namespace.ok().map(|about| about.ino()),
        version,
        files: configured.files,
        timers: configured.timers.into_iter().map(|t| Timer::of(t, catalogue)).collect(),
        notes,
    })
}

impl Process {
    fn of(pid: u32) -> Option<Self> {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = bytes.split(|byte| *byte == 0).map(|w| String::from_utf8_lossy(w).into_owned());
        let mut arguments: Vec<String> = words.collect();
        // Each argument ends with a zero, the last one too.
        if arguments.last().is_some_and(String::is_empty) {
            arguments.pop();
        }
        (!arguments.is_empty()).then_some(Self { pid, arguments })
    }

    /// A path of an argument as the process would take it.
    fn path(&self, argument: &str, folder: Option<&str>) -> PathBuf {
        let current = fs::read_link(format!("/proc/{}/cwd", self.pid));
        let current = current.unwrap_or_else(|_| PathBuf::from("/"));
        current.join(folder.unwrap_or_default()).join(argument)
    }
}

/// Whether its parent is a process of the same program, which is then the one to be read.
fn is_child_of(pid: u32, name: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let parent = after.split(' ').nth(1).and_then(|word| word.parse().ok());
    parent.is_some_and(|parent: u32| comm(parent) == name)
}

fn shares_mounts(pid: u32) -> bool {
    let of = |who: &str| fs::metadata(format!("/proc/{who}/ns/mnt")).ok().map(|about| about.ino());
    let own = of("self");
    own.is_some() && own == of(&pid.to_string())
}

/// The value of an option, `-c FILE` or `--config-path=FILE`; the last one counts.
fn option<'a>(arguments: &'a [String], names: &[&str]) -> Option<&'a str> {
    options(arguments, names).into_iter().next_back()
}

fn options<'a>(arguments: &'a [String], names: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, argument) in arguments.iter().enumerate().skip(1) {
        for name in names {
            if argument == name {
                found.extend(arguments.get(at + 1).map(String::as_str));
            } else if name.starts_with("--")
                && let Some(value) = argument.strip_prefix(name).and_then(|v| v.strip_prefix('='))
            {
                found.push(value);
            }
        }
    }
    found
}

/// What stands in a program's bytes behind some words, up to what cannot belong to it.
fn behind(bytes: &[u8], words: &str, belongs: fn(u8) -> bool) -> Option<String> {
    let words = words.as_bytes();
    let found = bytes.windows(words.len()).enumerate().filter(|(_, window)| *window == words);
    let value = |at: usize| {
        let rest = bytes.get(at + words.len()..)?;
        let length = rest.iter().take(200).take_while(|byte| belongs(**byte)).count();
        let value = rest.get(..length).filter(|value| !value.is_empty())?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    found.filter_map(|(at, _)| value(at)).next()
}

const fn of_path(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'\''
}

const fn of_version(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// The master writes its arguments anew: `nginx: master process /usr/sbin/nginx -c FILE`.
fn nginx_arguments(process: &Process) -> Vec<String> {
    let title = process.arguments.first().map_or("", String::as_str);
    match title.strip_prefix("nginx: master process ") {
        Some(words) => words.split_whitespace().map(str::to_owned).collect(),
        None => process.arguments.clone(),
    }
}

fn of_nginx(process: &Process, root: &mut Root) -> Result<Told, (String, io::ErrorKind)> {
    let arguments = nginx_arguments(process);
    let program = arguments.first().map(Path::new).filter(|path| path.is_absolute());
    let bytes = root.program(process.pid, program);
    let given = option(&arguments, &["-p"]).map(str::to_owned);
    let prefix = given.or_else(|| behind(&bytes, "--prefix=", of_path));
    let prefix = prefix.unwrap_or_else(|| "/usr/local/nginx".to_owned());
    let given = option(&arguments, &["-c"]).map(str::to_owned);
    let path = given.or_else(|| behind(&bytes, "--conf-path=", of_path));
    let path = process.path(&prefix, None).join(path.as_deref().unwrap_or("conf/nginx.conf"));
    let first = root.read(&path)?;
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    // Includes count from the folder of the first file (ngx_conf_full_name).
    let configured = nginx::read(first, &mut |pattern| Ok(root.matching(&folder.join(pattern))));
    let version = behind(&bytes, "nginx/", of_version);
    Ok(Told { configured, version: version.or_else(|| behind(&bytes, "openresty/", of_version)) })
}

fn of_haproxy(process: &Process, root: &mut Root) -> Result<Told, (String, io::ErrorKind)> {
    let arguments = &process.arguments;
    let folder = option(arguments, &["-C"]);
    let mut named: Vec<&str> = options(arguments, &["-f"]);
    let rest = arguments.iter().skip_while(|argument| *argument != "--").skip(1);
    named.extend(rest.map(String::as_str));
    let mut files = Vec::new();
    for name in named {
        let path = process.path(name, folder);
        if root.is_folder(&path) {
            let names = root.names(&path).into_iter();
            let names = names.filter(|name| name.ends_with(".cfg") && !name.starts_with('.'));
            files
                .extend(names.flat_map(|name| root.matching(&path.join(name))).collect::<Vec<_>>());
        } else {
            files.push(root.read(&path)?);
        }
    }
    if files.is_empty() {
        let why = "its arguments name no file".to_owned();
        return Err((why, io::ErrorKind::InvalidInput));
    }
    let bytes = root.program(process.pid, arguments.first().map(Path::new));
    Ok(Told { configured: haproxy::read(&files), version: haproxy_version(&bytes) })
}

/// The text before this one is the version (src/haproxy.c, `haproxy -vv`).
fn haproxy_version(bytes: &[u8]) -> Option<String> {
    const NEXT: &[u8] = b"\0HAProxy version follows";
    let at = bytes.windows(NEXT.len()).position(|window| window == NEXT)?;
    let before = bytes.get(at.saturating_sub(100)..at)?;
    // The linker may leave room between two texts.
    let last = before.rsplit(|byte| *byte == 0).find(|text| !text.is_empty())?;
    let version = String::from_utf8_lossy(last).into_owned();
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

fn of_envoy(process: &Process, root: &mut Root) -> Result<Told, (String, io::ErrorKind)> {
    let arguments = &process.arguments;
    let mut files = Vec::new();
    if let Some(path) = option(arguments, &["-c", "--config-path"]) {
        files.push(root.read(&process.path(path, None))?);
    }
    if let Some(text) = option(arguments, &["--config-yaml"]) {
        let (path, text) = ("--config-yaml".to_owned(), text.to_owned());
        files.push(config::File { path, text });
    }
    if files.is_empty() {
        let why = "its arguments name no file".to_owned();
        return Err((why, io::ErrorKind::InvalidInput));
    }
    let mut open = |path: &str| {
        let path = process.path(path, None);
        root.read(&path).map(|file| vec![file]).map_err(|(why, _)| why)
    };
    Ok(Told { configured: envoy::read(files, &mut open), version: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(arguments: &[&str]) -> Process {
        Process { pid: 0, arguments: arguments.iter().map(|a| (*a).to_owned()).collect() }
    }

    #[test]
    fn arguments_are_taken_as_the_programs_take_them() {
        let title = process(&["nginx: master process /usr/sbin/nginx -p /srv -c a.conf"]);
        let nginx = nginx_arguments(&title);
        assert_eq!(option(&nginx, &["-c"]), Some("a.conf"));
        assert_eq!(option(&nginx, &["-p"]), Some("/srv"));
        let haproxy = process(&["haproxy", "-Ws", "-f", "a.cfg", "-f", "conf.d"]);
        assert_eq!(options(&haproxy.arguments, &["-f"]), ["a.cfg", "conf.d"]);
        let envoy = process(&["envoy", "-c", "a.yaml", "--config-path=b.yaml"]);
        assert_eq!(option(&envoy.arguments, &["-c", "--config-path"]), Some("b.yaml"));
        assert_eq!(option(&envoy.arguments, &["--config-yaml"]), None);
    }

    #[test]
    fn a_program_is_looked_through_and_never_run() {
        let bytes =
            b"xx\0nginx/\0nginx/1.28.0\0--prefix=/usr/share/nginx --conf-path=/etc/n.conf'\0";
        assert_eq!(behind(bytes, "nginx/", of_version).as_deref(), Some("1.28.0"));
        assert_eq!(behind(bytes, "--conf-path=", of_path).as_deref(), Some("/etc/n.conf"));
        assert_eq!(behind(bytes, "--none=", of_path), None);
        let bytes = b"\0\x002.6.12-1\0\0\0HAProxy version follows\0";
        assert_eq!(haproxy_version(bytes).as_deref(), Some("2.6.12-1"));
        assert_eq!(haproxy_version(b"\0HAProxy version follows"), None);
    }

    #[test]
    fn paths_of_arguments_count_from_the_programs_folder() {
        let own = Process { pid: std::process::id(), arguments: Vec::new() };
        let here = std::env::current_dir().unwrap();
        assert_eq!(own.path("a", None), here.join("a"));
        assert_eq!(own.path("a", Some("/etc")), Path::new("/etc/a"));
        assert_eq!(own.path("/x/a", Some("/etc")), Path::new("/x/a"));
        assert!(!is_child_of(own.pid, "no such program"));
    }
}
