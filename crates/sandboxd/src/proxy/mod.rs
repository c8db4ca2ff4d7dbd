//! The reverse proxy in front of the agent: identity in, bytes through.

mod activity;
mod answer_body;
mod forward;
mod frames;
mod headers;
mod one_way;
mod problem;
mod sessions;
mod splice;

pub use activity::Activity;
pub use forward::Proxy;
pub use sessions::Sessions;
