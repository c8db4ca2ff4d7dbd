//! What operators decide about the whole platform: admin keys, ended sessions, suspended users, invitations, flags. One SQLite Durable Object, whose
//! alarm carries each change to where it is read: D1, the copy for routers in KV, the sandboxes' sockets.

pub mod adoption;
pub mod calls;
pub mod deliver;
pub mod flag_calls;
mod profile;
pub mod recovery;
pub mod store;

use worker::{Env, Result, Stub};

const BINDING: &str = "CONTROL_PLANE";
/// There is one.
const NAME: &str = "control-plane";

/// The object.
pub fn stub(env: &Env) -> Result<Stub> {
    env.durable_object(BINDING)?.get_by_name(NAME)
}
