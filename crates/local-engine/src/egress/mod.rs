//! What leaves a sandbox: names, and connections to the edge, to permitted addresses of the host's network, or to the internet.

pub mod allow_host;
pub mod config;
pub mod intercept;
pub mod listener;
pub mod name_service;
pub mod names;
pub mod plan;
pub mod policy;
pub mod sniff;
pub mod tls;
