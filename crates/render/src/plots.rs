//! The plots of a rhythm, for a terminal and as pictures. What is drawn was reckoned by
//! `hopclock_core::rhythm::plot`; here values only become places.

mod picture;
mod terminal;

pub use picture::survival as survival_picture;
pub use picture::{course as course_picture, histogram as histogram_picture};
pub use terminal::{course, histogram, survival};

use hopclock_core::rhythm::plot::{Course, Histogram, Shows, Survival, length};

/// The title of a course.
fn course_title(plot: &Course) -> String {
    let against = length(plot.against_s);
    match plot.shows {
        Shows::Phase => format!("Phase: how late each end is on a grid of {against}"),
        Shows::Age => format!("Age at the end, less {against}"),
    }
}

/// The title of a histogram.
fn histogram_title(plot: &Histogram) -> &'static str {
    if plot.lifetimes { "Lifetimes" } else { "Times between endings" }
}

/// The title of a survival curve.
fn survival_title(plot: &Survival) -> &'static str {
    if plot.lifetimes {
        "Survival: share of connections older than this"
    } else {
        "Survival: share of pauses between endings longer than this"
    }
}

/// The quantiles of a histogram in words.
fn quantiles(plot: &Histogram) -> String {
    let (half, most) = plot.quantiles_s;
    format!("half were over after {}, nine in ten after {}", length(half), length(most))
}
