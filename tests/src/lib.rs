//! Helpers shared by the tests of this package.
pub mod examples;
