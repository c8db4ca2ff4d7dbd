//! What admins ask of one sandbox. Each change is a job that the sandbox's object keeps and drives; the answer comes at once.

pub mod change;
pub mod destroy;
pub mod image;
pub mod keep_alive;
pub mod restart;
pub mod tier;
pub mod wake;
