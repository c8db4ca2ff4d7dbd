//! The reverse proxy in front of the agent: identity in, bytes through.

mod activity;
pub mod address;
mod answer;
mod answer_body;
mod coded_body;
mod coding;
mod control_frame;
mod forward;
pub mod frames;
pub mod headers;
mod heartbeat;
pub mod inject;
mod lost;
mod one_way;
mod problem;
mod resume;
mod sessions;
mod splice;
pub mod user_activity;

pub use activity::{Activity, OpenExchange};
pub use forward::Proxy;
pub use sessions::{Admitted, Sessions};
#[cfg(test)]
pub use sessions::{Exchange, Session};
