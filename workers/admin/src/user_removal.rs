//! The removal of a user: one SQLite Durable Object per user, whose alarm empties one place after the other (`molt_lifecycle::removal` decides).

mod bucket;
pub mod calls;
mod database;
pub mod drive;
mod places;
pub mod store;

use molt_common::id::UserId;
use worker::{Env, Result, Stub};

/// Binding of the objects.
const BINDING: &str = "USER_REMOVAL";

/// The one object of a user's removals.
pub fn stub(env: &Env, user: UserId) -> Result<Stub> {
    env.durable_object(BINDING)?.get_by_name(&user.to_string())
}
