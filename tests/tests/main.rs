//! One integration binary: each module is a topic, and `tidy` fails when a file beside this one
//! is not listed here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]
#![expect(unreachable_pub, reason = "nothing in a test binary is reachable from outside")]

mod advice;
mod browser;
mod captures;
mod cause_pages;
mod collect;
mod commands;
mod dumps;
mod examples;
mod fuzz;
mod gather;
mod grouping;
mod hostile_logs;
mod html;
mod inquest;
mod kernel_conntrack;
mod kernel_nat;
mod kernel_vectors;
mod lab;
mod lab_pages;
mod letter;
mod log_cost;
mod log_rotation;
mod log_times;
mod logs;
mod manual;
mod map;
mod map_drawing;
mod markdown;
mod own_clocks;
mod pair;
mod pieces;
mod progress;
mod purity;
mod readme;
mod recorder;
mod redact;
mod replay;
mod replayed_examples;
mod replayed_rules;
mod rhythm;
mod schemas;
mod survey;
mod sweep;
mod tables;
mod terminal;
mod threads;
mod tidy;
mod translation;
mod tried;
mod tshark;
mod two_captures;
mod words_and_wire;
