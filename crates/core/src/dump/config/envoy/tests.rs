//! A bootstrap in the form of Envoy's own examples, in YAML and in JSON.

use super::*;

const BOOTSTRAP: &str = include_str!("../samples/envoy.yaml");

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

fn alone(text: &str) -> Configured {
    read(vec![file("e.yaml", text)], &mut |_| Err("there is none".to_owned()))
}

fn told(read: &Configured) -> Vec<String> {
    let one = |t: &Timer| {
        let line = t.at.as_ref().map_or("built in".to_owned(), |at| at.line.to_string());
        let value = t.value.as_deref().unwrap_or("-");
        format!(
            "{} {value} {:?} {line} {}",
            t.setting,
            t.seconds,
            t.scope.as_deref().unwrap_or("-")
        )
    };
    read.timers.iter().map(one).collect()
}

#[test]
fn a_bootstrap_tells_its_timers_and_what_is_built_in() {
    let read = alone(BOOTSTRAP);
    assert!(read.notes.is_empty(), "{:?}", read.notes);
    let options = "common_http_protocol_options";
    let ping = "http2_protocol_options.connection_keepalive";
    let keepalive = "upstream_connection_options.tcp_keepalive";
    let route = "listener ingress, virtual host local, route /ws";
    assert_eq!(
        told(&read),
        [
            format!("{options}.max_connection_duration 7200s Some(7200.0) 17 listener ingress"),
            "stream_idle_timeout 0s None 15 listener ingress".to_owned(),
            format!("{ping}.interval 30s Some(30.0) 19 listener ingress"),
            format!("{ping}.timeout 5s Some(5.0) 19 listener ingress"),
            format!("timeout 0s None 26 {route}"),
            format!("idle_timeout 0.5s Some(0.5) 26 {route}"),
            "max_downstream_connection_duration 86400s Some(86400.0) 41 listener database"
                .to_owned(),
            "connect_timeout 0.25s Some(0.25) 44 cluster app".to_owned(),
            format!("{options}.idle_timeout 900s Some(900.0) 49 cluster app"),
            format!("{keepalive}.keepalive_time 300 Some(300.0) 54 cluster db"),
            format!("{keepalive}.keepalive_probes 3 None 54 cluster db"),
            format!("{options}.idle_timeout - None built in listener ingress"),
            "idle_timeout - None built in listener database".to_owned(),
            "timeout - None built in listener ingress".to_owned(),
        ]
    );
}

#[test]
fn files_beside_it_are_read_and_servers_are_named() {
    let text = "dynamic_resources:\n  lds_config: { path_config_source: { path: /l.yaml } }\n  \
        cds_config: { path: /gone.yaml }\n  ads_config: { api_type: GRPC }\n";
    let listener = "resources:\n- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n  \
        name: l\n  filter_chains:\n  - filters:\n    - typed_config: {\"@type\": x.TcpProxy, \
        idleTimeout: 60s}\n";
    let mut open = |path: &str| match path {
        "/l.yaml" => Ok(vec![file("/l.yaml", listener)]),
        _ => Err("no such file".to_owned()),
    };
    let read = read(vec![file("e.yaml", text)], &mut open);
    assert_eq!(told(&read), ["idle_timeout 60s Some(60.0) 6 listener l"]);
    assert_eq!(read.files, ["e.yaml", "/l.yaml"]);
    assert!(read.notes.iter().any(|n| n.contains("management server")), "{:?}", read.notes);
    assert!(read.notes.iter().any(|n| n.contains("no such file")), "{:?}", read.notes);
}

#[test]
fn what_is_broken_costs_a_note() {
    let read = alone(
        "static_resources:\n  clusters:\n  - name: c\n    connect_timeout: hunter2\n  - {name: d, connect_timeout: 5s",
    );
    assert_eq!(told(&read), ["connect_timeout 5s Some(5.0) 5 cluster d"]);
    assert_eq!(read.notes.len(), 2, "{:?}", read.notes);
    assert!(!read.notes.iter().any(|note| note.contains("hunter2")), "{:?}", read.notes);
    let own = "lds_config: { path: e.yaml }";
    let read = super::read(vec![file("e.yaml", own)], &mut |_| Ok(vec![file("e.yaml", own)]));
    assert_eq!(read.files, ["e.yaml"]);
}
