//! The Linux connection tracking table, as a pure model.
