//! The ring of the sandboxes' repositories (secret `MOLT_REPOSITORY_KEYS`): tokens for a repository are signed under it, and the repositories' own keys
//! are wrapped.

use crate::root_keys::{RootKeys, RootKeysError};

/// Root keys of repositories.
pub type RepositoryKeys = RootKeys;
/// Why there are none.
pub type RepositoryKeysError = RootKeysError;
