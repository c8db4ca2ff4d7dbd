//! The question that a router puts to the admin worker, and that worker to the object that keeps a strict counter.

use super::{CounterKey, Policy, Standing};
use crate::object_call::Call;
use serde::{Deserialize, Serialize};

/// Path at the admin worker that takes `POST` with a [`Take`] from a service identity and answers with a [`Standing`].
pub const TAKE_PATH: &str = "/internal/limits/take";

/// May one more request of this counter be admitted? If so it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// Which counter.
    pub key: CounterKey,
    /// What it allows. The router is configured with policies, whoever counts is not.
    pub policy: Policy,
}

impl Call for Take {
    const PATH: &'static str = "/take";
    type Answer = Standing;
}
