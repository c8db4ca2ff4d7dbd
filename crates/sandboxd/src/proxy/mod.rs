//! The reverse proxy in front of the agent: identity in, bytes through.

mod activity;
mod answer_body;
mod forward;
pub mod frames;
pub mod headers;
mod one_way;
mod problem;
mod sessions;
mod splice;
pub mod user_activity;

pub use activity::Activity;
pub use forward::Proxy;
pub use sessions::Sessions;
