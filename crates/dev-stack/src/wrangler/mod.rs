//! `wrangler`: what it runs with, and how its processes are laid out.

pub mod command;
pub mod database;
pub mod topology;
pub mod workspace;

pub use wrangler_config as config;
