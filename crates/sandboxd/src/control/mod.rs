//! The control API: what the edge asks of the supervisor. The contract is `molt_common::control`.

mod auth;
mod body;
pub mod query;
mod respond;
mod routes;

pub use routes::Control;
