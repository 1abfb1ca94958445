//! The stages of an atlas, their order, what is stale, and what a run reports.
