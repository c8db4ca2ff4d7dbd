//! The index of jobs in D1, for lists. Each object that drives jobs announces them by its own outbox (`outbox`); whoever wants the truth about one
//! job asks its object.

pub mod list;

pub use molt_platform::job_index::{KEPT_MS, announcing, outbox};

const DATABASE: &str = "PLATFORM_DB";
