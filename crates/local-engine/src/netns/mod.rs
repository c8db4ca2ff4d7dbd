//! Network namespaces: one per sandbox, held open by a small process.

pub mod holder;
mod namespace;
mod network;
mod protocol;

pub use namespace::{NamespaceError, NetworkNamespace, Opened};
