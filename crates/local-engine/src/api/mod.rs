//! The Docker Engine API, as far as the edge's runtime and its tools speak it.

mod archive;
mod containers;
mod filters;
mod images;
mod route;
mod server;
mod views;

pub use server::serve;
