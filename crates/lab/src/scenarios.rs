//! Every scenario of the lab, by name.

mod brokers;
mod closing;
mod expiry;
mod forged;
mod freeze;
mod gone;
mod grpc;
mod haproxy;
mod mixed;
mod nginx;
mod paths;
mod resets;
mod stores;
mod story;

pub use grpc::is_there as story_speaks_grpc;
pub(crate) use paths::SecondPath;
pub use story::STORY;

use crate::scenario::Scenario;

/// All of them, in the order they are listed.
pub static ALL: &[Scenario] = &[
    expiry::CLIENT_FIRST,
    expiry::UPSTREAM_ROUTES_PRIVATE,
    expiry::SERVER_FIRST,
    expiry::NAT_EXPIRY,
    expiry::INPUT_DROPS,
    expiry::PICKED_UP,
    expiry::FULLY_RANDOM,
    expiry::PORT_TAKEN,
    expiry::ROUTING_ONLY,
    expiry::BARE_FIN,
    expiry::BARE_RST,
    freeze::WINDOW_IGNORED,
    freeze::FIXED_TIMEOUT,
    freeze::LIBERAL_CURES,
    freeze::INVALID_ROUTED,
    freeze::INVALID_REPLY,
    closing::UNACKNOWLEDGED,
    closing::ZERO_WINDOW,
    closing::FLUSH,
    closing::DNAT_CLIENT,
    closing::DNAT_SERVER,
    closing::HALF_CLOSE,
    closing::ADDRESS_CHANGE,
    resets::CLOSE_UNREAD,
    resets::LINGER_ZERO,
    resets::KILL,
    resets::KILL_UNREAD,
    resets::PROCESS_RESTART,
    resets::HOST_RESTART,
    resets::REJECT,
    nginx::KEEPALIVE_TIMEOUT,
    nginx::KEEPALIVE_REQUESTS,
    nginx::PROXY_READ_TIMEOUT,
    nginx::GATEWAY_TIMEOUT,
    nginx::RELOAD,
    haproxy::CLIENT,
    haproxy::SERVER,
    haproxy::TUNNEL,
    haproxy::THINK_TIME,
    haproxy::HARD_STOP,
    stores::IDLE_SESSION,
    stores::TERMINATE,
    stores::REDIS_TIMEOUT,
    stores::REDIS_KEEPALIVE,
    stores::POOL_LIFETIME,
    stores::POOL_IDLE,
    brokers::MQTT_KEEPALIVE,
    brokers::MQTT_TAKEOVER,
    brokers::SSH_ALIVE,
    grpc::TONIC_AGE,
    grpc::TONIC_GRACE,
    grpc::TONIC_KEEPALIVE,
    grpc::CORE_AGE,
    grpc::CORE_IDLE,
    grpc::CORE_PINGS,
    gone::RETRANSMISSION,
    gone::KEEPALIVE,
    gone::USER_TIMEOUT,
    gone::CRASHES,
    gone::RESTARTS,
    gone::LOOP,
    mixed::CREDENTIAL,
    mixed::SEVERAL,
    mixed::NOTHING_WRONG,
    paths::MTU_BLACK_HOLE,
    paths::ONE_SIDED,
    paths::SILENT_AGE,
    paths::SILENT_IDLE,
    paths::SIDECAR,
    forged::FORGED,
    forged::RIGHT_TTL,
    forged::OUT_OF_WINDOW,
];
