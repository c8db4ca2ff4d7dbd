//! What the workers need of the runtime and `worker` 0.8.7 does not give: the container with its options, forwarding without
//! touching a byte, transactions, typed calls to Durable Objects, and one place that turns problems into responses.
//!
//! The only crate with `extern "C"` declarations of ours.

pub mod admitted;
pub mod ask;
pub mod audit_log;
pub mod bucket;
pub mod call;
pub mod container;
pub mod d1;
pub mod disconnect;
pub mod entropy;
pub mod forward;
#[cfg(feature = "induced-panic")]
pub mod induced;
pub mod job_index;
pub mod jwks;
pub mod kv;
pub mod log;
pub mod look;
pub mod object;
pub mod outbound;
pub mod page;
pub mod providers;
pub mod recovery;
pub mod relay;
pub mod repository_keys;
pub mod respond;
pub mod root_keys;
pub mod settings;
pub mod sql;
pub mod transaction;
pub mod unwound;
pub mod verify;
