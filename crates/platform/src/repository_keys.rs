//! The root keys of this deployment's repositories.

use crate::root_keys::{self, REPOSITORIES};
use molt_common::repository_keys::{RepositoryKeys, RepositoryKeysError};
use std::rc::Rc;
use worker::Env;

/// The keys of this deployment (secret `MOLT_REPOSITORY_KEYS`).
///
/// # Errors
/// When the secret is missing or malformed.
pub fn keys(env: &Env) -> Result<Rc<RepositoryKeys>, RepositoryKeysError> {
    root_keys::ring(env, REPOSITORIES)
}
