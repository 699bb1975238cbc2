//! Every scenario of the lab, by name.

mod closing;
mod expiry;
mod freeze;
mod resets;

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
];
