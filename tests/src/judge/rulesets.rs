//! Random small rulesets in the words of nftables and of iptables.

use super::rng::Rng;

const PRE: [&str; 6] = [
    "dnat ip to 203.0.113.99",
    "dnat ip to 203.0.113.99:8443",
    "dnat ip to 203.0.113.98:8000-8003",
    "redirect to :3128",
    "dnat ip to 192.0.2.1:3129",
    "accept",
];

const POST: [&str; 8] = [
    "masquerade",
    "masquerade random",
    "masquerade fully-random",
    "masquerade to :2000-2999",
    "snat ip to 198.51.100.1",
    "snat ip to 198.51.100.9:5000-5003",
    "snat ip to 198.51.100.9:1024-65535 persistent",
    "accept",
];

const FILTER: [&str; 9] = [
    "accept",
    "drop",
    "counter accept",
    "reject with tcp reset",
    "reject",
    "jump other",
    "goto other",
    "return",
    "ct state vmap { invalid : drop, established : accept, new : jump other }",
];

const OTHER: [&str; 5] = [
    "ct state invalid drop",
    "ct state new tcp flags & (fin | syn | rst | ack) != syn drop",
    "tcp flags ! syn counter reject with tcp reset",
    "ct state new accept",
    "ip saddr 192.0.2.200 return",
];

const ASKED: [&str; 10] = [
    "",
    "iifname \"lan0\" ",
    "ip saddr 192.0.2.0/25 ",
    "ip saddr != 192.0.2.10 ",
    "ip daddr { 203.0.113.7, 203.0.113.20-203.0.113.99 } ",
    "tcp dport 443 ",
    "tcp dport { 80, 8000-8100 } ",
    "tcp sport 1024-65535 ",
    "tcp dport != 443 ",
    "iifname { \"lan0\", \"lan1\" } ip protocol tcp ",
];

fn rules(rng: &mut Rng, acts: &[&str], most: u32) -> String {
    let count = rng.below(most + 1);
    let rule = |rng: &mut Rng| format!("meta l4proto tcp {}{}\n", rng.pick(&ASKED), rng.pick(acts));
    (0..count).map(|_| rule(rng)).collect()
}

/// For `nft -f`.
pub fn nft(rng: &mut Rng) -> String {
    let policy = |rng: &mut Rng| if rng.percent(25) { "drop" } else { "accept" };
    let chain = |name: &str, base: &str, policy: &str, rules: &str| {
        format!("chain {name} {{\ntype {base}; policy {policy};\n{rules}}}\n")
    };
    let other: String = (0..rng.below(4)).map(|_| format!("{}\n", rng.pick(&OTHER))).collect();
    let pre = chain("pre", "nat hook prerouting priority dstnat", "accept", &rules(rng, &PRE, 2));
    let post =
        chain("post", "nat hook postrouting priority srcnat", "accept", &rules(rng, &POST, 3));
    let forward = policy(rng);
    let forward =
        chain("forward", "filter hook forward priority filter", forward, &rules(rng, &FILTER, 3));
    let input = policy(rng);
    let input = chain("input", "filter hook input priority filter", input, &rules(rng, &FILTER, 2));
    format!("table inet t {{\nchain other {{\n{other}}}\n{pre}{post}{forward}{input}}}\n")
}

const ASKED_OLD: [&str; 9] = [
    "",
    "-i lan0 ",
    "-s 192.0.2.0/25 ",
    "! -s 192.0.2.10 ",
    "-d 203.0.113.7 ",
    "--dport 443 ",
    "-m multiport --dports 80,8000:8100 ",
    "--sport 1024:65535 ",
    "! --dport 443 ",
];

const PRE_OLD: [&str; 4] = [
    "DNAT --to-destination 203.0.113.99",
    "DNAT --to-destination 203.0.113.99:8443",
    "REDIRECT --to-ports 3128",
    "ACCEPT",
];

const POST_OLD: [&str; 6] = [
    "MASQUERADE",
    "MASQUERADE --random-fully",
    "MASQUERADE --to-ports 2000-2999",
    "SNAT --to-source 198.51.100.9",
    "SNAT --to-source 198.51.100.9:5000-5003",
    "ACCEPT",
];

const FILTER_OLD: [&str; 8] = [
    "ACCEPT",
    "DROP",
    "REJECT --reject-with tcp-reset",
    "REJECT",
    "OTHER",
    "RETURN",
    "LOG --log-prefix \"seen: \"",
    "ACCEPT -m comment --comment \"let -j it\"",
];

const OTHER_OLD: [&str; 4] = [
    "-m conntrack --ctstate INVALID -j DROP",
    "-p tcp -m conntrack --ctstate NEW -m tcp ! --syn -j REJECT --reject-with tcp-reset",
    "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
    "-m conntrack --ctstate NEW -j ACCEPT",
];

/// For `iptables-restore`.
pub fn iptables(rng: &mut Rng) -> String {
    let rules = |rng: &mut Rng, chain: &str, acts: &[&str], most: u32| -> String {
        let rule = |rng: &mut Rng| {
            let (mut asked, act) = (rng.pick(&ASKED_OLD), rng.pick(acts));
            if asked.starts_with("-i") && chain == "POSTROUTING" {
                asked = "-o wan0 ";
            }
            format!("-A {chain} -p tcp {asked}-j {act}\n")
        };
        (0..rng.below(most + 1)).map(|_| rule(rng)).collect()
    };
    let policy = |rng: &mut Rng| if rng.percent(25) { "DROP" } else { "ACCEPT" };
    let pre = rules(rng, "PREROUTING", &PRE_OLD, 2);
    let post = rules(rng, "POSTROUTING", &POST_OLD, 3);
    let (forward, input) = (policy(rng), policy(rng));
    let fwd = rules(rng, "FORWARD", &FILTER_OLD, 3);
    let own = rules(rng, "INPUT", &FILTER_OLD, 2);
    let other: String =
        (0..rng.below(4)).map(|_| format!("-A OTHER {}\n", rng.pick(&OTHER_OLD))).collect();
    format!(
        "*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\n{pre}{post}COMMIT\n\
         *filter\n:INPUT {input}\n:FORWARD {forward}\n:OTHER -\n{fwd}{own}{other}COMMIT\n"
    )
}
