//! What may not be written down: the one place that takes credentials out of logs, errors and audit records.
//!
//! Two rules, applied together. By name: the value of a header, field, parameter or variable whose name announces a secret, in any
//! spelling ([`names`]). By shape: what looks like a credential wherever it stands ([`shapes`]). [`text`] takes free text, [`query`] and
//! [`url`] take addresses, [`json`] takes whole documents. Ids of ours stay readable: a log without them helps nobody.
//!
//! Everything is a single pass by hand instead of regular expressions: the workers carry it, and an expression engine would outweigh it.

mod address;
mod document;
mod names;
mod pem;
mod scan;
mod shapes;

pub use address::{query, url};
pub use document::{field, json};
pub use names::is_secret_name;
pub use scan::text;

/// What stands in place of a secret.
pub const MASK: &str = "[redacted]";

#[cfg(test)]
#[path = "redaction_tests.rs"]
mod tests;
