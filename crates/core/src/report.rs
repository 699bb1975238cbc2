//! Everything a pen may need, in one numbered document.
