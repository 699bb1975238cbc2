//! The running kernel as judge of the conntrack model: random conversations go through a network
//! namespace as raw packets, and after each one the kernel's answer is held against the model's.
//!
//! What was asked and answered is kept as a [`Trace`], so that changed models can be held against
//! the same answers without the kernel.

pub mod compare;
pub mod frame;
pub mod kernel;
pub mod mutation;
pub mod nat;
pub mod options;
pub mod recording;
pub mod rng;
pub mod rulesets;
pub mod run;
pub mod talk;
pub mod trace;
pub mod vectors;

pub use kernel::Kernel;
pub use trace::{Answer, Deed, Trace};
