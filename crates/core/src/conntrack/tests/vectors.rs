//! The kernel's own self-tests (nf_conntrack_packetdrill, 6.18) as vectors, and others measured on
//! 6.18.

use super::super::rules::{Overshoot, Reinit};
use super::super::{Rules, Settings};
use super::{Play, absolute, everywhere};

const HANDSHAKE: &str = "
    o S 0 win64240 ws7 sackok => accept new SYN_SENT 120 UNREPLIED fl(3,0) o(1,1,64240,-)
    r SA 0 ack1 win65160 ws7 sackok => established SYN_RECV 60 REPLIED fl(3,23)
    o A 1 ack1 win502 => ESTABLISHED 432000 ASSURED
";

// ── the kernel's self-tests ───────────────────────────────────────────────────────────────────

/// Three loose resets are INVALID, the one at the edge closes.
const T1_OPENING: &str = "
    o S 0 win65535 ws8 sackok
    r SA 0 ack1 win65535
    o A 1 ack1 win65535
    r A 1:1001 ack1
    r A 1001:2001 ack1
    r A 2001:3001 ack1
    o A 1 ack1001
    o A 1 ack2001
    o A 1 ack3001 => ESTABLISHED 432000
";

#[test]
fn t1_conntrack_rst_invalid() {
    everywhere(&format!(
        "{T1_OPENING}
        r R 0 win0 => INVALID ESTABLISHED log invalid rst
        r R 1000000 win0 => INVALID ESTABLISHED log SEQ is over upper bound
        r R 42 win0 => INVALID ESTABLISHED log invalid rst
        o PA 1:1001 ack3001 => accept ESTABLISHED 300
        r A 3001 ack1001 => accept ESTABLISHED 432000
        r RA 3000 ack1001 => INVALID ESTABLISHED
        r RA 3001 ack1001 => accept CLOSE 10"
    ));
}

const T2: &str = "
    o PA 1:1001 ack3001
    r FA 3001 ack1001 => FIN_WAIT 120
    o A 1001 ack3002 => CLOSE_WAIT 60
    o RA 1001 ack3002 => CLOSE 10
";

#[test]
fn t2_conntrack_inexact_rst() {
    everywhere(&format!("{T1_OPENING}{T2} r R 2001 win0 => accept CLOSE 10"));
    let old = Rules { lenient_reset: false, ..Rules::default() };
    absolute(&format!("{T1_OPENING}{T2} r R 2001 win0 => INVALID CLOSE"), old);
}

const T3: &str = "
    o S 0 win1000 => SYN_SENT 120 UNREPLIED
    r A 145824453 ack643160523 win240 => ignored established SYN_SENT REPLIED
    o R 643160523 win0
";

#[test]
fn t3_conntrack_syn_challenge_ack() {
    let rest = "
        o S 0 win1000 => created new SYN_SENT 120 UNREPLIED
        r SA 0 ack1 win250 ws0 => SYN_RECV
        o A 1 ack1 win256 => ESTABLISHED ASSURED";
    absolute(T3, Rules::default());
    let mut play = Play::new(false, (0, 0), Settings::default(), Rules::default());
    play.run(&T3.replace("o R 643160523 win0", "o R 643160523 win0 => accept CLOSE 10"));
    play.run(rest);
    let old = Rules { challenge_in_syn_sent: false, ..Rules::default() };
    let refused = T3.replace("o R 643160523 win0", "o R 643160523 win0 => INVALID SYN_SENT");
    absolute(&refused, old);
}

#[test]
fn t4_conntrack_synack_old() {
    absolute(
        "
        o S 0 win65535 ws8 sackok
        r SA 145824453 ack643160523 win240 ws0 => INVALID SYN_SENT UNREPLIED log ACK is over upper
        o S 0 win65535 ws8 sackok => SYN_SENT UNREPLIED kept
        r SA 145758918 ack1 win250 ws0 => accept SYN_RECV
        o A 1 ack145758919 win256 => ESTABLISHED ASSURED
        ",
        Rules::default(),
    );
}

/// A SYN on a live connection is ignored, challenged, and the connection reset; then the pair is
/// used again.
#[test]
fn t5_conntrack_synack_reuse() {
    everywhere(
        "
        o S 0 win65535 ws7
        r SA 0 ack1 win65535 ws8
        o A 1 ack1 win257
        o PA 1:101 ack1 win257
        r A 1 ack101 win256
        wait 1
        o S 2000 win65535 ws7 => ignored established ESTABLISHED 431999 log ignored, state ESTABLISHED
        r A 1 ack101 win256 => accept ESTABLISHED 432000
        o RA 101 ack1 win0 => accept CLOSE 10
        wait 1.5
        o S 2000 win65535 ws0 => created SYN_SENT 120
        r SA 0 ack2001 win65535 => accept SYN_RECV
        ",
    );
}

fn t6_script(last: &str) -> String {
    let mut script = "
        o S 0 win32792
        r SA 0 ack1 win65535
        o A 1 ack1 win257
    "
    .to_owned();
    for n in 0..46 {
        let (from, to) = (1 + n * 1460, 1 + (n + 1) * 1460);
        script += &format!("o PA {from}:{to} ack1 win257\nr A 1 ack{to} win65535\n");
    }
    script + last
}

#[test]
fn t6_conntrack_ack_loss_stall() {
    let again = "
        wait 5
        o PA 1:1461 ack1 win257 => ignored ESTABLISHED 431995 log SEQ is under lower bound";
    everywhere(&t6_script(again));
    let old = Rules { old_segments_pass: false, ..Rules::default() };
    absolute(&t6_script("o PA 1:1461 ack1 win257 => INVALID"), old);
}

// ── measured on 6.18 ──────────────────────────────────────────────────────────────────────────

#[test]
fn v1_a_normal_life() {
    everywhere(&format!(
        "{HANDSHAKE}
        o PA 1:101 ack1 win502 => 300 fl(33,23) o(101,65161,64256,1) r(1,64257,65160,1)
        r A 1 ack101 win509 => 432000 o(101,65253,64256,1)
        r PA 1:1001 ack101 win509 => 300
        o A 101 ack1001 win501 => 432000
        o FA 101 ack1001 win501 => FIN_WAIT 120 fl(37,23)
        r A 1001 ack102 win509 => CLOSE_WAIT 60 fl(27,23)
        r FA 1001 ack102 win509 => LAST_ACK 30 fl(27,33)
        o A 102 ack1002 win501 => TIME_WAIT 120 fl(27,23)"
    ));
}

#[test]
fn v2_taken_up_midstream() {
    everywhere(
        "
        o PA 5000:5100 ack7000 win200 => created new ESTABLISHED 300 UNREPLIED fl(a,a) o(5100,5300,200,-)
        r A 7000 ack5100 win300 => ESTABLISHED 300 unassured fl(a,2a) r(7000,7300,300,5100)
        o PA 5100:5200 ack7000 win200 => ESTABLISHED 300 ASSURED fl(3a,2a)
        r A 7000 ack5200 win300 => 432000
        ",
    );
}

#[test]
fn v3_a_little_beyond_the_window() {
    everywhere(
        "
        o S 0 win64240
        r SA 0 ack1 win1000
        o A 1 ack1 win64240
        o PA 1:1001 ack1 win64240 => 300
        o PA 1501:1601 ack1 win64240 => ignored 300 log 601 bytes more than expected
        r A 1 ack1601 win1000 => accept 432000
        ",
    );
    let moved = Rules { overshoot: Overshoot::InvalidMoved, ..Rules::default() };
    let script = "
        o S 0 win64240
        r SA 0 ack1 win1000
        o A 1 ack1 win64240
        o PA 1:1001 ack1 win64240
        o PA 1501:1601 ack1 win64240 => INVALID
        r A 1 ack1601 win1000 => ";
    absolute(&format!("{script} accept"), moved);
    let plain = Rules { overshoot: Overshoot::Invalid, ..Rules::default() };
    absolute(&format!("{script} INVALID log ACK is over upper"), plain);
}

#[test]
fn v4_a_closed_window_shortens_an_idle_entry() {
    everywhere(&format!(
        "{HANDSHAKE}
        r A 1 ack1 win0 => ESTABLISHED 300
        o A 1 ack1 win65535 => 432000"
    ));
}

#[test]
fn v5_both_sides_open() {
    let opening = "
        o S 0 win64240 => SYN_SENT
        r S 0 win64240 => SYN_SENT2 120
        o SA 0 ack1 win64240 => SYN_RECV 60
    ";
    everywhere(&format!(
        "{opening}
        r SA 0 ack1 win64240 => ignored SYN_RECV 60
        r A 1 ack1 win64240 => ESTABLISHED 432000 ASSURED"
    ));
    everywhere(&format!("{opening} r A 1 ack1 win64240 => ESTABLISHED ASSURED"));
}

#[test]
fn v6_a_challenge_in_last_ack() {
    everywhere(&format!(
        "{HANDSHAKE}
        o FA 1 ack1 win502 => FIN_WAIT
        r FA 1 ack2 win509 => LAST_ACK 30
        wait 2
        o S 9000 win64240 => ignored LAST_ACK 28
        r A 2 ack2 win509 => ignored LAST_ACK 28 log challenge-ack ignored
        o R 2 win0 => accept CLOSE 10"
    ));
}

#[test]
fn v7_both_ends_out_of_window_lower_the_timer() {
    everywhere(&format!(
        "{HANDSHAKE}
        o FA 9000000 ack1 win502 => INVALID ESTABLISHED 432000
        r R 9000000 win0 => INVALID ESTABLISHED 300"
    ));
}

#[test]
fn v8_one_side_repeats_its_fin() {
    everywhere(&format!(
        "{HANDSHAKE}
        o FA 1 ack1 win502 => FIN_WAIT 120
        o FA 1 ack1 win502 => LAST_ACK 30
        r A 1 ack2 win509 => TIME_WAIT 120"
    ));
}

#[test]
fn v9_half_closed_for_good() {
    everywhere(&format!(
        "{HANDSHAKE}
        o FA 1 ack1 win502 => FIN_WAIT 120
        r A 1 ack2 win509 => CLOSE_WAIT 60
        r PA 1:500 ack2 win509 => CLOSE_WAIT 60
        o A 2 ack500 win502 => CLOSE_WAIT 60"
    ));
}

#[test]
fn v10_a_syn_answered_by_a_reset_leaves_nothing() {
    for isn in [7000, u32::MAX] {
        let mut play = Play::new(false, (isn, 0), Settings::default(), Rules::default());
        play.run("o S 0 win64240 => SYN_SENT");
        play.run("r RA 0 ack1 win0 => accept established gone");
    }
}

#[test]
fn v11_reset_before_the_handshake_is_done() {
    everywhere(
        "
        o S 0 win64240
        r SA 0 ack1 win65160
        o R 1 win0 => accept CLOSE 10 unassured
        ",
    );
}

#[test]
fn v12_the_count_of_identical_segments_wraps() {
    let mut script = format!("{HANDSHAKE} o A 1 ack1 win502 => 432000\n");
    for dup in 2..=259 {
        let seconds = if dup < 3 || (256..=258).contains(&dup) { 432_000 } else { 300 };
        script += &format!("o A 1 ack1 win502 => {seconds}\n");
    }
    everywhere(&script);
}

#[test]
fn v13_what_opens_no_entry() {
    for settings in [true, false] {
        for packet in ["SA 0 ack1", "FA 1 ack1", "R 1", "RA 1 ack1"] {
            let settings = Settings { tcp_loose: settings, ..Settings::default() };
            let mut play = Play::new(false, (1, 1), settings, Rules::default());
            play.run(&format!("o {packet} win100 => INVALID none log invalid new"));
        }
        for packet in ["F 1", "N 1", "U 1", "SF 1", "SAU 0"] {
            let mut play = Play::new(false, (1, 1), Settings::default(), Rules::default());
            let script = format!("o {packet} => INVALID none log invalid tcp flag combination");
            play.run(&script);
        }
    }
    let tight = Settings { tcp_loose: false, ..Settings::default() };
    Play::new(false, (1, 1), tight, Rules::default()).run("o A 1 ack1 win100 => INVALID none");
}

#[test]
fn v14_the_pair_is_used_again_from_either_side() {
    let closed = format!(
        "{HANDSHAKE}
        o FA 1 ack1 win502
        r FA 1 ack2 win509
        o A 2 ack2 win502 => TIME_WAIT 120
    "
    );
    everywhere(&format!("{closed} o S 90000 win64240 => created new SYN_SENT 120"));
    let mut play = Play::new(false, (1, 1), Settings::default(), Rules::default());
    play.run(&closed);
    play.run("r S 90000 win64240 => created new SYN_SENT 120");
    let (entry, dir) = play.table.find(&play.tuple).unwrap();
    assert_eq!(dir, super::Dir::Reply);
    assert_eq!((entry.id, play.table.invalid()), (2, 0));
    assert_eq!(play.table.drain_events().count(), 1);
}

// ── other behaviour ───────────────────────────────────────────────────────────────────────────

#[test]
fn a_syn_sent_again_does_not_keep_the_entry() {
    let script = |last| {
        format!(
            "
            o S 0 win64240 => SYN_SENT 120
            wait 100
            o S 0 win64240 => accept new SYN_SENT {last}
            wait 25
            "
        )
    };
    everywhere(&format!("{} r SA 0 ack1 win100 => INVALID none", script("20 kept")));
    let old = Rules { syn_again_keeps_timer: false, ..Rules::default() };
    absolute(&format!("{} r SA 0 ack1 win100 => accept SYN_RECV", script("120")), old);
}

#[test]
fn an_inexact_reset_cuts_the_timer_and_keeps_the_state() {
    let script = format!(
        "{HANDSHAKE}
        o PA 1:101 ack1 win502
        r A 1 ack101 win509 => 432000
        r PA 1:11 ack101 win509
        o A 101 ack11 win502 => 432000
        o R 150 win0 => accept ESTABLISHED "
    );
    everywhere(&format!("{script} 10"));
    let spared = Rules { inexact_reset_unacknowledged: true, ..Rules::default() };
    absolute(&format!("{script} 300"), spared);
}

#[test]
fn old_kernels_initialise_again_on_any_packet() {
    let script = "
        o S 0 win1000 ws7
        o A 500 ack0 win1000 => INVALID SYN_SENT
        o S 700 win1000 ws7 => SYN_SENT o(701,701,1000,-)
    ";
    for reinit in [Reinit::AnyPacket, Reinit::AnyPacketOrSyn, Reinit::SynOnly] {
        absolute(script, Rules { reinit, ..Rules::default() });
    }
}

#[test]
fn liberal_waives_the_window_but_no_old_reset() {
    let script = "
        set nf_conntrack_tcp_be_liberal=1
        HANDSHAKE
        o PA 1:101 ack1 win502 => 300
        r A 1 ack101 win509 => 432000
        o A 9000000 ack1 win502 => accept ESTABLISHED 432000
        o R 9000000 win0 => accept ESTABLISHED 10
        o R 0 win0 => INVALID log invalid rst
        set nf_conntrack_tcp_ignore_invalid_rst=1
        o R 0 win0 => accept ESTABLISHED 10
    ";
    everywhere(&script.replace("HANDSHAKE", HANDSHAKE));
}
