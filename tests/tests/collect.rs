//! `hopclock collect`, run as a user runs it, in a namespace with traffic of its own: what it
//! writes, what it leaves out, and that `diagnose` reads it.
//!
//! Needs root for the namespace; skipped by name without.

use hopclock_live::namespace;
use hopclock_live::netlink::link::Links;
use hopclock_tests::command::{Ran, binary, run};
use hopclock_tests::{schema, scratch, skip, tool};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a test in a network namespace of its own, where the link to itself is up; skips it by name
/// where one cannot be made, or a program is missing.
pub fn in_namespace(name: &'static str, tools: &[&str], test: fn()) {
    if tools.iter().any(|wanted| tool(name, wanted).is_none()) {
        return;
    }
    // Cargo is asked outside: in the namespace there is nobody to talk to.
    binary();
    let ran = std::thread::spawn(move || {
        if let Err(why) = namespace::enter_new() {
            return skip(name, &format!("no network namespace: {why}"));
        }
        Links::open().unwrap().up(1, 65_536).unwrap();
        test();
    });
    if let Err(panic) = ran.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Loads rules into the calling thread's namespace.
pub fn nft(rules: &str) {
    let path = tool("nft", "nft").unwrap();
    let mut child = Command::new(path).args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{rules}");
}

/// A connection to oneself: the listener, both ends.
pub fn connection(address: &str) -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind(address).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (listener, near, far)
}

/// What is said on the connection, which no file may hold.
const PAYLOAD: &[u8] = b"the-secret-word";

/// Every file below a folder, by its path within it.
pub fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read(&entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

pub fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Tracks connections, and talks on one until told to stop.
struct Traffic {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Traffic {
    fn start() -> Self {
        nft(
            "table ip t { \n chain c { \n type filter hook output priority 0 \n ct state new counter comment \"office of jo\" \n } \n }\n",
        );
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asked = std::sync::Arc::clone(&stop);
        let (_listener, mut near, mut far) = connection("127.0.0.1:9001");
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while !asked.load(std::sync::atomic::Ordering::Relaxed) {
                near.write_all(PAYLOAD).unwrap();
                far.read_exact(&mut buffer[..PAYLOAD.len()]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            drop(_listener);
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn collect(arguments: &[&str], out: &Path) -> Ran {
    let out = out.to_string_lossy().into_owned();
    let all = ["collect"].into_iter().chain(arguments.iter().copied()).chain([&*out]);
    run(all.collect::<Vec<_>>())
}

/// How `diagnose` took each file.
fn kinds(folder: &Path) -> Vec<(String, String)> {
    let report = run(["diagnose", "--format", "json", &folder.to_string_lossy()]).json();
    let inputs = report["inputs"].as_array().unwrap().clone();
    let word = |input: &Value, key: &str| input[key].as_str().unwrap().to_owned();
    inputs.iter().map(|input| (word(input, "file"), word(input, "kind"))).collect()
}

#[test]
fn a_folder_is_what_diagnose_wants() {
    in_namespace("a_folder_is_what_diagnose_wants", &["nft", "ip"], || {
        let _traffic = Traffic::start();
        let root = scratch("collect");
        let out = root.join("box");
        let ran = collect(&["--for", "300ms", "--role", "hop", "--host", "box-1"], &out);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let all = files(&out);
        let names: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["conntrack", "conntrack-stat", "nstat", "ss"] {
            for when in ["before", "after"] {
                assert!(names.contains(&*format!("hop-box-1/{name}-{when}.txt")), "{names:?}");
            }
        }
        for (name, bytes) in &all {
            assert!(!holds(bytes, PAYLOAD), "{name} holds what was said");
        }
        let kinds = kinds(&out);
        let kind = |file: &str| {
            let found = kinds.iter().find(|(name, _)| name == file);
            found.map(|(_, kind)| kind.as_str()).unwrap_or("not an input").to_owned()
        };
        for (file, wanted) in [
            ("conntrack-before.txt", "conntrack"),
            ("conntrack-after.txt", "conntrack"),
            ("sysctl.txt", "sysctl"),
            ("headers.pcapng", "pcapng"),
            ("nft.txt", "nft rules"),
            ("nstat-after.txt", "nstat"),
            ("conntrack-stat-after.txt", "conntrack -S"),
            ("ss-before.txt", "ss"),
            ("links.txt", "links and routes"),
        ] {
            assert_eq!(kind(&format!("hop-box-1/{file}")), wanted, "{file}: {kinds:?}");
        }
        assert_eq!(kind("collect.md"), "not evidence");
        fs::remove_dir_all(root).unwrap();
    });
}

#[test]
fn every_file_is_stamped_twice_and_alike() {
    in_namespace("every_file_is_stamped_twice_and_alike", &["nft"], || {
        let _traffic = Traffic::start();
        let root = scratch("collect");
        let out = root.join("box");
        assert_eq!(collect(&["--for", "0", "--host", "box-1"], &out).code, Some(0));
        let manifest = fs::read_to_string(out.join("evidence.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        assert_eq!(manifest["schema"].as_str(), Some("hopclock.evidence/1"));
        schema::validate("evidence", &serde_json::to_value(&manifest).unwrap());
        assert!(manifest["missing"].as_array().is_some_and(|all| !all.is_empty()), "no packets");
        let listed = manifest["file"].as_array().unwrap();
        let on_disk = files(&out);
        assert_eq!(listed.len() + 2, on_disk.len());
        for entry in listed {
            let word = |key: &str| entry[key].as_str().unwrap().to_owned();
            let text = fs::read_to_string(out.join(word("path"))).unwrap();
            let first = text.lines().next().unwrap();
            let header = hopclock_core::dump::header::Header::parse(first).unwrap();
            assert_eq!(header.host, Some(word("host")));
            assert_eq!(header.command, Some(word("command")));
            let at = hopclock_core::dump::header::moment(&word("taken_at"));
            assert!(at.is_some() && header.at == at, "{first}");
        }
        fs::remove_dir_all(root).unwrap();
    });
}

#[test]
fn nothing_is_written_over() {
    let root = scratch("collect");
    fs::write(root.join("mine.txt"), "mine").unwrap();
    fs::write(root.join("mine.tgz"), "mine").unwrap();
    for (out, why) in [(root.clone(), "is not empty"), (root.join("mine.tgz"), "exists already")] {
        let ran = collect(&["--for", "0"], &out);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.err.contains(why), "{ran:#?}");
    }
    let missing = collect(&["--for", "0"], &root.join("not/there"));
    assert_eq!(missing.code, Some(2), "{missing:#?}");
    assert_eq!(files(&root).len(), 2);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_tar_unpacks_into_one_folder() {
    const NAME: &str = "a_tar_unpacks_into_one_folder";
    let Some(tar) = tool(NAME, "tar") else { return };
    let root = scratch("collect");
    for (file, flags) in [("nat.tar", "tf"), ("nat.tar.gz", "tzf"), ("nat.tgz", "tzf")] {
        let out = root.join(file);
        assert_eq!(collect(&["--for", "0", "--role", "client"], &out).code, Some(0));
        let listed = Command::new(&tar).arg(flags).arg(&out).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.lines().all(|line| line.starts_with("nat/")), "{listed}");
        assert!(listed.contains("nat/client/sysctl.txt\n"), "{listed}");
        assert!(listed.contains("nat/evidence.toml\n"), "{listed}");
    }
    let piped = Command::new(binary()).args(["collect", "--for", "0", "-"]).output().unwrap();
    assert!(holds(&piped.stdout, b"ustar"), "a tar, and nothing else, on standard output");
    assert!(!piped.stderr.is_empty(), "the summary goes elsewhere");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn an_archive_is_read_as_the_folder_it_holds() {
    let root = scratch("collect");
    let (tar, folder) = (root.join("nat.tgz"), root.join("box"));
    for out in [&tar, &folder] {
        assert_eq!(collect(&["--for", "0", "--role", "hop", "--host", "a"], out).code, Some(0));
    }
    let of_folder: BTreeSet<_> = kinds(&folder).into_iter().collect();
    let of_tar = kinds(&tar).into_iter().map(|(name, kind)| {
        let within = name.split("nat.tgz/nat/").nth(1).unwrap_or(&name).to_owned();
        (within, kind)
    });
    assert_eq!(of_tar.collect::<BTreeSet<_>>(), of_folder);
    // One whose paths lead out of it, or that ends in the middle, harms nobody.
    let whole = Command::new(binary()).args(["collect", "--for", "0", "-"]).output().unwrap();
    let mut bytes = whole.stdout;
    let cut = root.join("cut.tar");
    fs::write(&cut, &bytes[..9_000]).unwrap();
    let ran = run(["diagnose", &cut.to_string_lossy()]);
    assert!([Some(3), Some(4)].contains(&ran.code), "{ran:#?}");
    let evil = root.join("evil.tar");
    bytes[..10].copy_from_slice(b"/../../../");
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fs::write(&evil, &bytes).unwrap();
    let ran = run(["diagnose", &evil.to_string_lossy()]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.out.contains("left in the archive"), "{ran:#?}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn an_ordinary_user_gets_what_anybody_may_have() {
    const NAME: &str = "an_ordinary_user_gets_what_anybody_may_have";
    in_namespace(NAME, &["nft", "setpriv"], || {
        let _traffic = Traffic::start();
        let root = scratch("collect");
        // The build's own folder may be closed to others.
        let program = root.join("hopclock");
        fs::copy(binary(), &program).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&root, open).unwrap();
        let setpriv = tool(NAME, "setpriv").unwrap();
        let mut command = Command::new(setpriv);
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
        command.arg(&program).args(["collect", "--for", "100ms"]).arg(root.join("out"));
        let ran = command.current_dir(&root).output().unwrap();
        let told = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(0), "{told}");
        for missing in ["CAP_NET_ADMIN", "CAP_NET_RAW"] {
            assert!(told.contains(missing), "{told}");
        }
        let names: Vec<String> = files(&root.join("out")).into_iter().map(|file| file.0).collect();
        for there in ["sysctl.txt", "ss-after.txt", "nstat-after.txt", "conntrack-stat-after.txt"] {
            assert!(names.iter().any(|name| name.ends_with(there)), "{there}: {names:?}");
        }
        assert!(!names.iter().any(|name| name.ends_with("conntrack-after.txt")), "{names:?}");
        fs::remove_dir_all(root).unwrap();
    });
}

#[test]
fn an_interrupt_ends_the_wait_and_loses_nothing() {
    let Some(kill) = tool("an_interrupt_ends_the_wait_and_loses_nothing", "kill") else { return };
    let root = scratch("collect");
    let out = root.join("out");
    let mut command = Command::new(binary());
    command.args(["collect", "--for", "1h"]).arg(&out).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    // The folder is made after signals are listened to, and before anything is waited for.
    while !out.exists() {
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(Command::new(kill).args(["-INT", &pid]).status().unwrap().success());
    let ran = child.wait_with_output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(0), "{told}");
    assert!(told.contains("cut short"), "{told}");
    let names: Vec<String> = files(&out).into_iter().map(|file| file.0).collect();
    assert!(names.iter().any(|name| name.ends_with("nstat-after.txt")), "{names:?}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn of_a_peer_only_what_has_to_do_with_it() {
    in_namespace("of_a_peer_only_what_has_to_do_with_it", &["nft"], || {
        let _traffic = Traffic::start();
        let _other = connection("127.0.0.2:9005");
        let root = scratch("collect");
        let out = root.join("out");
        let ran = collect(&["--for", "200ms", "--peer", "127.0.0.2"], &out);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        for (name, bytes) in files(&out) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if name.contains("conntrack-before") || name.contains("ss-before") {
                assert!(text.contains("9005") && !text.contains("9001"), "{name}:\n{text}");
            }
            assert!(!name.ends_with(".pcapng"), "that connection was silent");
        }
        fs::remove_dir_all(root).unwrap();
    });
}

const KEY: &str = "00112233445566778899aabbccddeeff";

#[test]
fn a_redacted_folder_holds_no_original() {
    in_namespace("a_redacted_folder_holds_no_original", &["nft", "ip"], || {
        let ip = tool("ip", "ip").unwrap();
        let added = Command::new(ip).args(["addr", "add", "10.9.8.7/24", "dev", "lo"]).status();
        assert!(added.unwrap().success());
        let _traffic = Traffic::start();
        let _kept = connection("10.9.8.7:9007");
        let root = scratch("collect");
        let (out, map) = (root.join("out"), root.join("map.tsv"));
        let map_text = map.to_string_lossy().into_owned();
        let ran = collect(
            &[
                "--for",
                "200ms",
                "--host",
                "egress-1",
                "--redact-key",
                KEY,
                "--redact-map",
                &map_text,
            ],
            &out,
        );
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(!ran.out.contains(KEY), "a key that was given is not told again");
        let all = files(&out);
        for (name, bytes) in &all {
            for telling in ["10.9.8.7", "egress-1", "office of jo", KEY] {
                assert!(!holds(bytes, telling.as_bytes()), "{telling} is left in {name}");
                assert!(!name.contains(telling), "{telling} is left in the name {name}");
            }
            assert!(!holds(bytes, &[10, 9, 8, 7]), "the address is left in {name}");
        }
        let map = fs::read_to_string(&map).unwrap();
        let pseudonym = map.lines().find_map(|line| line.strip_suffix("\t10.9.8.7")).unwrap();
        let conntrack = all.iter().find(|(name, _)| name.contains("conntrack-before")).unwrap();
        assert!(holds(&conntrack.1, format!("src={pseudonym} ").as_bytes()), "{map}");
        fs::remove_dir_all(root).unwrap();
    });
}
