//! Jobs about many users: one SQLite Durable Object per job, driven by its alarm. Its parts are ordinary jobs: commands in
//! the users' stores of results, or changes that the users' sandboxes drive.

pub mod calls;
pub mod child;
pub mod drive;
pub mod notes;
pub mod store;
mod work;

use molt_common::job_id::JobId;
use worker::{Env, Result, Stub};

/// Binding of the objects.
const BINDING: &str = "BULK_JOB";

/// The one object of a job about many users.
pub fn stub(env: &Env, id: &JobId) -> Result<Stub> {
    env.durable_object(BINDING)?.get_by_name(&id.to_string())
}
