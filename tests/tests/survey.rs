//! `hopclock snapshot`, run as a user runs it, held against the programs that tell the same:
//! sysctl, ip, ss, nft; nginx about its own configuration, HAProxy about what it misses.
//!
//! Needs root for namespaces; skipped by name without.

use crate::collect::{connection, holds, in_namespace, nft};
use hopclock_live::namespace::{self, Namespace};
use hopclock_tests::command::{Ran, binary, run};
use hopclock_tests::{schema, scratch, tool};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a program prints, run in the calling thread's namespace.
fn printed(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let path = tool("printed", words[0]).unwrap();
    let output = Command::new(path).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A snapshot by the schema.
fn taken() -> Value {
    let ran = run(["snapshot", "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let snapshot = ran.json();
    schema::validate("snapshot", &snapshot);
    snapshot
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

/// Timers of a program or a namespace, as setting, value, place and scope.
fn timers(of: &Value) -> Vec<(&str, &str, &str, &str)> {
    let one = |t| (word(t, "setting"), word(t, "value"), word(t, "read_in"), word(t, "scope"));
    list(of, "timers").iter().map(one).collect()
}

/// A child that is ended with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let term = ["-TERM".to_owned(), self.0.id().to_string()];
        // It may have ended already.
        let _ = Command::new("kill").args(term).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

// ── the kernel ───────────────────────────────────────────────

const RULES: &str = "table inet f {
  chain pass {
    type filter hook forward priority 0; policy drop;
    ct state invalid counter drop comment \"the-secret-office\"
    ct state { established, related } accept
    ip saddr 192.168.7.9 accept
    tcp flags & (fin | syn) == syn counter accept
  }
}
table ip nat {
  chain post {
    type nat hook postrouting priority 100;
    oifname \"v0\" masquerade
  }
}
";

/// A link with an address, rules, and settings of their own.
fn box_of_ones_own() -> (TcpListener, TcpStream, TcpStream) {
    for line in [
        "ip link add v0 type veth peer name v1",
        "ip addr add 192.168.7.1/24 dev v0",
        "ip link set v0 mtu 1400 up",
        "ip link set v1 up",
    ] {
        printed(line);
    }
    nft(RULES);
    for (key, value) in [
        ("netfilter/nf_conntrack_tcp_timeout_established", "43200"),
        ("ipv4/tcp_keepalive_time", "600"),
        ("ipv4/ip_forward", "1"),
    ] {
        namespace::set_sysctl(key, value).unwrap();
    }
    let listener = TcpListener::bind("192.168.7.1:9001").unwrap();
    let near = TcpStream::connect("192.168.7.1:9001").unwrap();
    let (far, _) = listener.accept().unwrap();
    (listener, near, far)
}

#[test]
fn a_namespace_is_told_as_the_tools_tell_it() {
    const NAME: &str = "a_namespace_is_told_as_the_tools_tell_it";
    in_namespace(NAME, &["nft", "ip", "ss", "sysctl"], || {
        let _kept = box_of_ones_own();
        let snapshot = taken();
        let own = &list(&snapshot, "namespaces")[0];
        assert!(own["name"].is_null() && own["forwards"] == true, "{own:#}");
        assert_eq!(own["inode"], Namespace::current().unwrap().number().unwrap());
        assert_eq!((&own["tracks"], &own["translates"]), (&true.into(), &true.into()), "{own:#}");
        // Settings, against sysctl; the table's fill moves.
        let settings = own["settings"].as_object().unwrap();
        assert!(settings.len() > 50, "{settings:?}");
        for (key, value) in settings {
            let theirs = printed(&format!("sysctl -n {key}"));
            let moves = key.ends_with("nf_conntrack_count");
            let same = theirs.split_whitespace().eq(value.as_str().unwrap().split_whitespace());
            assert!(moves || same, "{key}: {value} and {theirs}");
        }
        let all = timers(own);
        for (setting, value) in [
            ("net.netfilter.nf_conntrack_tcp_timeout_established", "43200"),
            ("net.ipv4.tcp_keepalive_time", "600"),
        ] {
            assert!(all.contains(&(setting, value, "sysctl", "")), "{setting}: {all:?}");
        }
        links_are_those_of_ip(own);
        rules_are_those_of_nft(own);
        let text = snapshot.to_string();
        for telling in ["the-secret-office", "192.168.7.9", "packets"] {
            assert!(!text.contains(telling), "{telling}");
        }
        // Sockets, against ss.
        let theirs = printed("ss -tnH state established");
        let others = theirs.lines().filter(|line| !line.contains("127.0.0.1:")).count();
        assert_eq!(own["sockets"]["established"], others, "{theirs}");
        assert_eq!(own["sockets"]["at_port"]["9001"]["established"], 1, "{own:#}");
        assert_eq!(own["sockets"]["to_port"].as_object().unwrap().len(), 1, "{own:#}");
    });
}

fn links_are_those_of_ip(own: &Value) {
    let theirs: Value = serde_json::from_str(&printed("ip -j addr")).unwrap();
    let interfaces = list(own, "interfaces");
    let links = theirs.as_array().unwrap().iter().filter(|l| word(l, "ifname") != "lo");
    assert_eq!(interfaces.len(), links.clone().count());
    for (ours, theirs) in interfaces.iter().zip(links) {
        assert_eq!((&ours["name"], &ours["mtu"]), (&theirs["ifname"], &theirs["mtu"]));
        let up = list(theirs, "flags").contains(&"UP".into());
        assert_eq!(ours["up"], up, "{theirs:#}");
        let address = |a: &Value| format!("{}/{}", word(a, "local"), a["prefixlen"]);
        let addresses: BTreeSet<String> = list(theirs, "addr_info").iter().map(address).collect();
        let ours = list(ours, "addresses").iter().map(|a| a.as_str().unwrap().to_owned());
        assert_eq!(ours.collect::<BTreeSet<_>>(), addresses);
    }
}

/// Held against what nft prints without what counts.
fn rules_are_those_of_nft(own: &Value) {
    let ruleset = printed("nft -s list ruleset").replace(" counter", "");
    let rules = list(own, "rules");
    assert_eq!(rules.len(), 5, "{rules:#?}");
    for rule in rules.iter().filter(|rule| word(rule, "text") != "policy drop") {
        assert!(ruleset.contains(word(rule, "text")), "{rule} is not in\n{ruleset}");
    }
}

#[test]
fn a_namespace_without_rules_tracks_and_translates_nothing() {
    const NAME: &str = "a_namespace_without_rules_tracks_and_translates_nothing";
    in_namespace(NAME, &["nft", "sysctl"], || {
        let snapshot = taken();
        let own = &list(&snapshot, "namespaces")[0];
        assert_eq!((&own["tracks"], &own["translates"]), (&false.into(), &false.into()), "{own:#}");
        // The kernel's own word: no connection makes an entry.
        let _kept = connection("127.0.0.1:9001");
        let entries = || printed("sysctl -n net.netfilter.nf_conntrack_count").trim().to_owned();
        assert_eq!(entries(), "0");
        nft(
            "table ip t { \n chain c { \n type filter hook input priority 0 \n ct state new \n } \n }\n",
        );
        let snapshot = taken();
        let own = &list(&snapshot, "namespaces")[0];
        assert_eq!((&own["tracks"], &own["translates"]), (&true.into(), &false.into()), "{own:#}");
        assert_eq!(own["entries"]["now"], 0, "{own:#}");
        let _more = connection("127.0.0.1:9002");
        assert_ne!(entries(), "0");
    });
}

#[test]
fn the_namespace_of_another_program_is_entered_and_named_after_it() {
    const NAME: &str = "the_namespace_of_another_program_is_entered_and_named_after_it";
    in_namespace(NAME, &["nft", "sleep"], || {
        let sleep = tool(NAME, "sleep").unwrap();
        let elsewhere = Namespace::new().unwrap();
        let child = elsewhere.run(|| {
            namespace::set_sysctl("ipv4/tcp_keepalive_time", "4321").unwrap();
            Command::new(sleep).arg("600").spawn().unwrap()
        });
        let _child = Running(child.unwrap());
        let snapshot = taken();
        let number = elsewhere.number().unwrap();
        let all = list(&snapshot, "namespaces");
        let found = all.iter().find(|n| n["inode"] == number).unwrap();
        assert_eq!(word(found, "name"), "sleep", "{found:#}");
        assert_eq!(word(&found["settings"], "net.ipv4.tcp_keepalive_time"), "4321");
        assert_ne!(word(&all[0]["settings"], "net.ipv4.tcp_keepalive_time"), "4321");
    });
}

#[test]
fn an_ordinary_user_gets_what_anybody_may_know() {
    const NAME: &str = "an_ordinary_user_gets_what_anybody_may_know";
    in_namespace(NAME, &["nft", "ip", "setpriv"], || {
        let _kept = box_of_ones_own();
        let root = scratch("snapshot");
        // The build's own folder may be closed to others.
        let program = root.join("hopclock");
        fs::copy(binary(), &program).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&root, open).unwrap();
        let mut command = Command::new(tool(NAME, "setpriv").unwrap());
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
        let ran = command.arg(&program).arg("snapshot").output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        // Into a pipe it is the document, without being asked.
        let snapshot: Value = serde_json::from_slice(&ran.stdout).unwrap();
        schema::validate("snapshot", &snapshot);
        let all = list(&snapshot, "namespaces");
        assert_eq!(all.len(), 1, "no other namespace may be entered");
        let own = &all[0];
        assert!(own["settings"].as_object().unwrap().len() > 50, "{own:#}");
        assert!(list(own, "interfaces").len() >= 2, "{own:#}");
        assert_eq!(own["sockets"]["established"], 2);
        assert!(own["translates"].is_null() && list(own, "rules").is_empty(), "{own:#}");
        // The connection made an entry, and anybody may know how many there are.
        assert_eq!(own["tracks"], true, "{own:#}");
        let missing = list(&snapshot, "missing");
        assert!(missing.iter().any(|m| word(m, "why").contains("root")), "{missing:#?}");
        let distinct: BTreeSet<String> = missing.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), missing.len(), "one line, not one a process: {missing:#?}");
        fs::remove_dir_all(root).unwrap();
    });
}

// ── where it goes ────────────────────────────────────────────

#[test]
fn a_file_gets_the_document_and_the_terminal_the_words() {
    let root = scratch("snapshot");
    let out = root.join("host.json");
    let path = out.to_string_lossy().into_owned();
    let ran = run(["snapshot", "--host", "egress-1", "--utc", "-o", &path]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.out.starts_with("egress-1, Linux ") && ran.out.contains(" UTC\n"), "{}", ran.out);
    assert!(ran.out.contains("tcp_keepalive_time"), "{}", ran.out);
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let document: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    schema::validate("snapshot", &document);
    assert_eq!(word(&document, "host"), "egress-1");
    let again = run(["snapshot", "-o", &path]);
    assert_eq!(again.code, Some(2), "{again:#?}");
    assert!(again.err.contains("it exists already"), "{again:#?}");
    for format in ["text", "json", "jsonl", "markdown"] {
        let ran = run(["snapshot", "--format", format]);
        assert_eq!(ran.code, Some(0), "{format}: {ran:#?}");
        match format {
            "json" => schema::validate("snapshot", &ran.json()),
            "jsonl" => schema::validate("snapshot", &ran.jsonl()[0]),
            _ => assert!(ran.out.contains("tcp_keepalive_time"), "{format}: {}", ran.out),
        }
    }
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_redacted_snapshot_holds_no_original() {
    const NAME: &str = "a_redacted_snapshot_holds_no_original";
    in_namespace(NAME, &["nft", "ip"], || {
        let _kept = box_of_ones_own();
        nft("add rule inet f pass ip daddr 192.168.7.77 ct state new accept");
        let ran = run(["snapshot", "--host", "egress-1", "--redact", "--format", "json"]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        schema::validate("snapshot", &ran.json());
        for telling in ["192.168.7.1", "192.168.7.77", "egress-1"] {
            assert!(!ran.out.contains(telling), "{telling}");
        }
        assert!(ran.err.contains("--redact-key"), "{}", ran.err);
    });
}

// ── programs ─────────────────────────────────────────────────

/// Writes files below a folder.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Waits until somebody listens there.
fn listens(port: u16, child: &mut Running) {
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert_eq!(child.0.try_wait().unwrap(), None, "it ended");
        std::thread::yield_now();
    }
}

fn program<'a>(snapshot: &'a Value, child: &Running) -> &'a Value {
    let all = list(snapshot, "programs");
    let found = all.iter().find(|p| p["pid"] == child.0.id());
    assert!(found.is_some(), "{} is not in {all:#?}", child.0.id());
    found.unwrap()
}

const NGINX: &[(&str, &str)] = &[
    (
        "nginx.conf",
        "pid nginx.pid; error_log error.log; worker_processes 1; worker_shutdown_timeout 5m;
events { worker_connections 16; }
http {
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
  uwsgi_temp_path t4; scgi_temp_path t5;
  keepalive_timeout 75s 60s; # proxy_read_timeout 1s;
  map $http_upgrade $mapped { default \"a; keepalive_timeout 3s;\"; '' close; }
  upstream app { server 127.0.0.1:1; keepalive 4; keepalive_timeout 90s; keepalive_requests 100; }
  include sites/*.conf;
  include \"sites/deep/[ab]?.inc\";
}
",
    ),
    (
        "sites/a.conf",
        "server {\n  listen 127.0.0.1:18081 so_keepalive=30m::10;\n  server_name a.example b.example;
  location /ws { proxy_pass http://app; proxy_read_timeout \"1h 30m\"; proxy_send_timeout 1d; }
  location ~ \"^/x{1,2};\" { proxy_pass http://app; proxy_socket_keepalive on; }
  location / { return 200 \"} keepalive_timeout 9; {\"; send_timeout 500ms; include loc.inc; }
}
",
    ),
    ("sites/.hidden.conf", "server { keepalive_timeout 1h; }\n"),
    ("sites/deep/a1.inc", "server { listen 127.0.0.1:18082; keepalive_timeout 0; }\n"),
    ("sites/deep/c1.inc", "server { keepalive_timeout 2h; }\n"),
    ("loc.inc", "client_body_timeout 10;\nkeepalive_requests 1000;\n"),
];

/// Timers in what `nginx -T` prints: place, name, value. The value is compared without quotes.
fn dumped(text: &str) -> BTreeSet<(String, String, String)> {
    let others = ["keepalive_requests", "proxy_socket_keepalive"];
    let is_wanted = |name: &str| name.ends_with("_timeout") || others.contains(&name);
    let mut found = BTreeSet::new();
    let (mut file, mut line) = (String::new(), 0);
    for raw in text.lines() {
        if let Some(name) = raw.strip_prefix("# configuration file ") {
            (file, line) = (name.trim_end_matches(':').to_owned(), 0);
            continue;
        }
        line += 1;
        let code = raw.split(" #").next().unwrap_or(raw);
        // Texts of `return` and `map` are no directives.
        let code = code.split(['"', '\'']).enumerate().map(|(at, part)| match at % 2 {
            1 if part.contains([';', '{']) => "TEXT",
            _ => part,
        });
        let code = code.collect::<String>();
        for statement in code.split([';', '{', '}']) {
            if let Some((name, value)) = statement.trim().split_once(' ')
                && is_wanted(name)
            {
                found.insert((format!("{file}:{line}"), name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    found
}

#[test]
fn nginx_is_told_as_it_tells_itself() {
    const NAME: &str = "nginx_is_told_as_it_tells_itself";
    in_namespace(NAME, &["nginx", "nft"], || {
        let root = scratch("nginx");
        write(&root, NGINX);
        let nginx = tool(NAME, "nginx").unwrap();
        let common = ["-p", &*root.to_string_lossy(), "-c", "nginx.conf", "-e", "error.log"]
            .map(str::to_owned);
        let mut child = Command::new(&nginx);
        child.args(&common).args(["-g", "daemon off; user root;"]);
        let mut child = Running(child.spawn().unwrap());
        listens(18_081, &mut child);
        let snapshot = taken();
        let told = program(&snapshot, &child);
        assert_eq!(list(told, "notes").len(), 0, "{told:#}");
        assert_eq!(told["namespace"], list(&snapshot, "namespaces")[0]["inode"]);
        // nginx's own word on what it reads.
        let output = Command::new(&nginx).args(&common).arg("-T").output().unwrap();
        let dump = String::from_utf8(output.stdout).unwrap();
        let ours = timers(told);
        let set = ours.iter().filter(|t| t.2 != "default" && t.0 != "so_keepalive");
        let place = |text: &str| text.to_owned();
        let set: BTreeSet<_> = set.map(|t| (place(t.2), t.0.to_owned(), t.1.to_owned())).collect();
        assert_eq!(set, dumped(&dump), "{dump}");
        assert!(set.len() >= 11, "{set:?}");
        let files: BTreeSet<&str> = list(told, "files").iter().filter_map(Value::as_str).collect();
        let theirs = dump.lines().filter_map(|l| l.strip_prefix("# configuration file "));
        assert_eq!(files, theirs.map(|f| f.trim_end_matches(':')).collect());
        let output = Command::new(&nginx).arg("-v").output().unwrap();
        let version = String::from_utf8(output.stderr).unwrap();
        assert!(version.contains(&format!("nginx/{}", word(told, "version"))), "{version}");
        // What nobody set.
        let built_in: Vec<_> = ours.iter().filter(|t| t.2 == "default").collect();
        assert_eq!(built_in, [&("proxy_read_timeout", "60s", "default", "http")]);
        let at = format!("{}/sites/a.conf:2", root.display());
        assert!(ours.contains(&("so_keepalive", "30m::10", &at, "server a.example")), "{ours:?}");
        drop(child);
        fs::remove_dir_all(root).unwrap();
    });
}

const HAPROXY: &[(&str, &str)] = &[
    ("a.cfg", "global\n  hard-stop-after 30s\n  stats socket SOCKET\n"),
    (
        "conf.d/1.cfg",
        "defaults base\n  timeout connect 5s\n  timeout client 30s # not 1s\ndefaults web from base\n  \
        mode http\n  timeout server \"1m\"\nfrontend full from web\n  bind 127.0.0.1:18083\n  \
        timeout client 1500\nbackend app from web\n  timeout tunnel 1h\n  server s 127.0.0.1:1\n\
        backend bare from base\n  server s 127.0.0.1:1\n",
    ),
    (
        "conf.d/2.cfg",
        "defaults\n  timeout connect 5s\nfrontend open\n  bind 127.0.0.1:18084\nlisten both\n  \
        bind 127.0.0.1:18085\n  timeout client 2d\n  server s 127.0.0.1:1\n",
    ),
    ("conf.d/3.txt", "defaults\n  timeout client 9s\n"),
];

#[test]
fn haproxy_is_told_as_it_warns() {
    const NAME: &str = "haproxy_is_told_as_it_warns";
    in_namespace(NAME, &["haproxy", "nft"], || {
        let root = scratch("haproxy");
        write(&root, HAPROXY);
        let socket = fs::read_to_string(root.join("a.cfg")).unwrap();
        let socket = socket.replace("SOCKET", &root.join("socket").to_string_lossy());
        fs::write(root.join("a.cfg"), socket).unwrap();
        let haproxy = tool(NAME, "haproxy").unwrap();
        let mut command = Command::new(&haproxy);
        command.current_dir(&root).args(["-db", "-f", "a.cfg", "-f", "conf.d"]);
        let mut child = Running(command.stderr(Stdio::null()).spawn().unwrap());
        listens(18_084, &mut child);
        let snapshot = taken();
        let told = program(&snapshot, &child);
        assert_eq!(list(told, "notes").len(), 0, "{told:#}");
        let ours = timers(told);
        let at = |file: &str, line: u32| format!("{}/{file}:{line}", root.display());
        for (setting, value, place, scope) in [
            ("hard-stop-after", "30s", at("a.cfg", 2), "global"),
            ("timeout client", "1500", at("conf.d/1.cfg", 9), "frontend full"),
            ("timeout server", "1m", at("conf.d/1.cfg", 6), "defaults web for backend app"),
            ("timeout tunnel", "1h", at("conf.d/1.cfg", 11), "backend app"),
            ("timeout client", "2d", at("conf.d/2.cfg", 7), "listen both"),
        ] {
            assert!(ours.contains(&(setting, value, &place, scope)), "{setting}: {ours:#?}");
        }
        // HAProxy's own word on where a timeout is missing.
        let mut command = Command::new(&haproxy);
        command.current_dir(&root).args(["-c", "-f", "a.cfg", "-f", "conf.d"]);
        let warned = String::from_utf8(command.output().unwrap().stderr).unwrap();
        let quoted = |line: &str| Some(line.split('\'').nth(1)?.to_owned());
        let theirs = warned.lines().filter(|line| line.contains("missing timeouts for"));
        let theirs: BTreeSet<String> = theirs.filter_map(quoted).collect();
        let unset = ours.iter().filter(|t| t.2 == "default" && t.1 == "none");
        let unset: BTreeSet<String> = unset
            .flat_map(|t| t.3.split(", "))
            .filter_map(|section| Some(section.split(' ').nth(1)?.to_owned()))
            .collect();
        assert_eq!(unset, theirs, "{warned}");
        assert_eq!(unset.len(), 3, "{unset:?}");
        let output = Command::new(&haproxy).arg("-v").output().unwrap();
        let version = String::from_utf8(output.stdout).unwrap();
        assert!(version.contains(&format!("version {} ", word(told, "version"))), "{version}");
        drop(child);
        fs::remove_dir_all(root).unwrap();
    });
}

/// A process that is called like Envoy and was given a file: a shell that waits for a line.
#[test]
fn a_running_envoy_is_known_by_its_arguments_and_nothing_secret_leaves() {
    const NAME: &str = "a_running_envoy_is_known_by_its_arguments_and_nothing_secret_leaves";
    let Some(shell) = tool(NAME, "bash") else { return };
    let root = scratch("envoy");
    let program_file = root.join("envoy");
    fs::copy(shell, &program_file).unwrap();
    let text = "static_resources:\n  clusters:\n  - name: app\n    connect_timeout: 5s\n    \
        transport_socket: {password: hunter2}\n    common_http_protocol_options: {idle_timeout: 900s}\n\
        admin: {address: hunter2}\n";
    write(&root, &[("etc/e.yaml", text)]);
    let mut command = Command::new(program_file);
    command.current_dir(&root).args(["-c", "echo; read -r _", "--config-path", "etc/e.yaml"]);
    let mut child = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    // It has begun, and its name is its own.
    child.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let ran: Ran = run(["snapshot", "--format", "json"]);
    let snapshot = ran.json();
    schema::validate("snapshot", &snapshot);
    let told = program(&snapshot, &child);
    assert_eq!(word(told, "name"), "envoy");
    let at = format!("{}/etc/e.yaml", root.display());
    let expected = [
        ("connect_timeout", "5s", format!("{at}:4")),
        ("common_http_protocol_options.idle_timeout", "900s", format!("{at}:6")),
    ];
    let ours = timers(told);
    for (setting, value, place) in &expected {
        assert!(ours.contains(&(setting, value, place, "cluster app")), "{setting}: {ours:#?}");
    }
    assert!(!holds(ran.out.as_bytes(), b"hunter2"), "{told:#}");
    child.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    drop(child);
    fs::remove_dir_all(root).unwrap();
}
