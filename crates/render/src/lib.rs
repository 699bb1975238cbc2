//! hopclock-render: pens. They read a document and write it; they never compute.
#![forbid(unsafe_code)]
