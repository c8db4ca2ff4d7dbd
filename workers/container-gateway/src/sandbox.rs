//! The parts of the `Sandbox` object.

pub mod alarm;
pub mod boot;
pub mod calls;
pub mod changes;
pub mod drive;
pub mod launch;
pub mod observe;
pub mod ownership;
pub mod refusal;
pub mod store;
pub mod supervisor;
pub mod traffic;
pub mod trail;
pub mod waits;
