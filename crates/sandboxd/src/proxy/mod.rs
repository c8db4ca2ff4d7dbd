//! The reverse proxy in front of the agent: identity in, bytes through.

mod activity;
mod forward;
mod frames;
mod headers;
mod problem;
mod splice;

pub use activity::Activity;
pub use forward::Proxy;
