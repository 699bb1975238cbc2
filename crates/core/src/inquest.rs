//! Facts become evidence, evidence becomes a verdict.
