//! hopclock-render: pens. They read a document and write it; they never compute.
#![forbid(unsafe_code)]

pub mod clocks;
pub mod flows;
pub mod html;
pub mod json;
pub mod letter;
pub mod map;
pub mod markdown;
mod page;
pub mod pair;
pub mod plots;
pub mod replay;
pub mod rhythm;
pub mod snapshot;
pub mod svg;
pub mod sweep;
pub mod text;

pub use page::{Label, Page, columns, percent, visible};
