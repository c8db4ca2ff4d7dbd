//! The control API: what the edge asks of the supervisor. The contract is `molt_common::control`.

mod auth;
mod body;
mod disk;
pub mod query;
mod respond;
mod routes;

pub use respond::json;
pub use routes::{Control, Parts};
