//! Starting the first process of a container in its private world.

pub mod enter;
pub mod launcher;
pub mod root_files;
pub mod spawner;
pub mod spec;
pub mod start;
