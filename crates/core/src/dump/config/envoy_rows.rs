//! Which fields of Envoy's configuration are timers, by message of its API (v3), and what is built
//! in where a field is not set (envoyproxy.io/docs, 1.36: api-v3).

use super::{Kind, Known};

const fn time(within: &'static str, setting: &'static str, clock: Option<&'static str>) -> Known {
    // "A value of 0 disables" stands at each of these.
    Known { within, setting, kind: Kind::TimeOrOff, clock }
}

/// Fields by the message they stand in, dots for fields of fields.
pub(super) const KNOWN: &[Known] = &[
    time("http", "common_http_protocol_options.idle_timeout", Some("envoy-http-idle")),
    time(
        "http",
        "common_http_protocol_options.max_connection_duration",
        Some("envoy-max-connection-duration"),
    ),
    time("http", "common_http_protocol_options.max_stream_duration", None),
    time("http", "stream_idle_timeout", Some("envoy-stream-idle")),
    time("http", "request_timeout", None),
    time("http", "request_headers_timeout", None),
    time("http", "drain_timeout", Some("envoy-drain-timeout")),
    time("http", "delayed_close_timeout", None),
    time(
        "http",
        "http2_protocol_options.connection_keepalive.interval",
        Some("envoy-h2-keepalive"),
    ),
    time("http", "http2_protocol_options.connection_keepalive.timeout", Some("envoy-h2-keepalive")),
    time("route", "timeout", Some("envoy-route-timeout")),
    time("route", "idle_timeout", Some("envoy-stream-idle")),
    time("route", "max_stream_duration.max_stream_duration", None),
    time("tcp", "idle_timeout", Some("envoy-tcp-proxy-idle")),
    time("tcp", "max_downstream_connection_duration", Some("envoy-tcp-proxy-max-duration")),
    time("cluster", "connect_timeout", None),
    time("cluster", "common_http_protocol_options.idle_timeout", Some("envoy-http-idle")),
    time(
        "cluster",
        "common_http_protocol_options.max_connection_duration",
        Some("envoy-max-connection-duration"),
    ),
    time(
        "cluster",
        "http2_protocol_options.connection_keepalive.interval",
        Some("envoy-h2-keepalive"),
    ),
    time(
        "cluster",
        "http2_protocol_options.connection_keepalive.timeout",
        Some("envoy-h2-keepalive"),
    ),
    time(
        "cluster",
        "upstream_connection_options.tcp_keepalive.keepalive_time",
        Some("linux-tcp-keepalive-time"),
    ),
    Known {
        within: "cluster",
        setting: "upstream_connection_options.tcp_keepalive.keepalive_interval",
        kind: Kind::Time,
        clock: None,
    },
    Known {
        within: "cluster",
        setting: "upstream_connection_options.tcp_keepalive.keepalive_probes",
        kind: Kind::Count,
        clock: None,
    },
];

/// Fields told though nobody set them.
pub(super) const BUILT_IN: [(&str, &str); 4] = [
    ("http", "common_http_protocol_options.idle_timeout"),
    ("http", "stream_idle_timeout"),
    ("tcp", "idle_timeout"),
    ("route", "timeout"),
];
