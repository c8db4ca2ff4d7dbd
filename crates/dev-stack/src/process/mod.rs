//! Processes of the stack: started under a guard, logged, stopped, and swept up.

pub mod adopted;
pub mod child;
pub mod enter;
pub mod guard;
pub mod log;
pub mod tree;
