//! Secrets of one stack: made at its first start, kept in its state folder, and different for every folder.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::private_file;

/// Bytes of randomness in each secret.
const SECRET_BYTES: usize = 32;

/// The secrets, by the names under which the workers know them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// Bootstrap secret of the admin API.
    #[serde(rename = "MOLTBOT_GATEWAY_MASTER_TOKEN")]
    pub admin: String,
    /// Key of the users' tokens (HS256).
    #[serde(rename = "SUPABASE_JWT_SECRET")]
    pub user_tokens: String,
    /// Keys of the identity that workers hand each other: `{"current":"k1","keys":{"k1":"<base64url of 32 bytes>"}}`.
    #[serde(rename = "MOLT_IDENTITY_KEYS")]
    pub identity_keys: Value,
    /// Keys that seal what browsers keep for the router, of the same form. Files of earlier stacks have none; then they are added.
    #[serde(rename = "MOLT_SESSION_KEYS", default)]
    pub session_keys: Value,
    /// Root keys of the sandboxes' repositories, of the same form. Added to files of earlier stacks.
    #[serde(rename = "MOLT_REPOSITORY_KEYS", default)]
    pub repository_keys: Value,
    /// Root keys of users' secrets, of the same form. Added to files of earlier stacks.
    #[serde(rename = "MOLT_SECRET_KEYS", default)]
    pub secret_keys: Value,
    /// What the gateway shows to what ran before. Added to files of earlier stacks.
    #[serde(rename = "LEGACY_FENCE_TOKEN", default)]
    pub legacy_fence: String,
}

/// Why there are no secrets.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file exists and is not what it should be. It is not replaced: what was encrypted or signed with it would be lost.
    #[error("{path} cannot be used ({problem}); remove it to get new secrets")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, without any of its contents.
        problem: String,
    },
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The system gives no randomness.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

impl Secrets {
    /// Reads the secrets from `path`, or makes them and writes them there with mode 0600.
    ///
    /// # Errors
    /// See [`SecretsError`].
    pub fn load_or_create(path: &Path) -> Result<Self, SecretsError> {
        let io_error = |error| SecretsError::Io {
            path: path.to_owned(),
            error,
        };
        match fs::read(path) {
            Ok(text) => {
                // The text of serde's message may quote what it read, so only the place is told.
                let mut secrets: Self = serde_json::from_slice(&text).map_err(|error| SecretsError::Invalid {
                    path: path.to_owned(),
                    problem: format!(
                        "not the expected JSON at line {} column {}",
                        error.line(),
                        error.column()
                    ),
                })?;
                let before = secrets.clone();
                if secrets.session_keys.is_null() {
                    secrets.session_keys = random_keys()?;
                }
                if secrets.repository_keys.is_null() {
                    secrets.repository_keys = random_keys()?;
                }
                if secrets.secret_keys.is_null() {
                    secrets.secret_keys = random_keys()?;
                }
                if secrets.legacy_fence.is_empty() {
                    secrets.legacy_fence = random_text()?;
                }
                if secrets != before {
                    secrets.write(path)?;
                }
                Ok(secrets)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secrets = Self::random()?;
                secrets.write(path)?;
                Ok(secrets)
            }
            Err(error) => Err(io_error(error)),
        }
    }

    fn random() -> Result<Self, SecretsError> {
        Ok(Self {
            admin: random_text()?,
            user_tokens: random_text()?,
            identity_keys: random_keys()?,
            session_keys: random_keys()?,
            repository_keys: random_keys()?,
            secret_keys: random_keys()?,
            legacy_fence: random_text()?,
        })
    }

    fn write(&self, path: &Path) -> Result<(), SecretsError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| SecretsError::Invalid {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        private_file::write(path, &text).map_err(|error| SecretsError::Io {
            path: path.to_owned(),
            error,
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

fn random_keys() -> Result<Value, SecretsError> {
    Ok(json!({"current": "k1", "keys": {"k1": random_text()?}}))
}

fn random_text() -> Result<String, SecretsError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(SecretsError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let first = Secrets::load_or_create(&path).unwrap();
        assert_eq!(Secrets::load_or_create(&path).unwrap(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = Secrets::load_or_create(&folder.path().join("other.json")).unwrap();
        assert_ne!(other.admin, first.admin);
        assert_ne!(first.admin, first.user_tokens);
    }

    #[test]
    fn a_file_from_before_some_secrets_gets_them_and_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let first = Secrets::load_or_create(&path).unwrap();
        let mut text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for name in [
            "MOLT_SESSION_KEYS",
            "MOLT_REPOSITORY_KEYS",
            "MOLT_SECRET_KEYS",
            "LEGACY_FENCE_TOKEN",
        ] {
            text.as_object_mut().unwrap().remove(name).unwrap();
        }
        fs::write(&path, text.to_string()).unwrap();
        let second = Secrets::load_or_create(&path).unwrap();
        assert_eq!(
            (&second.admin, &second.identity_keys),
            (&first.admin, &first.identity_keys)
        );
        assert_ne!(second.session_keys, first.session_keys);
        assert_eq!(second.legacy_fence.len(), first.legacy_fence.len());
        molt_common::seal::SessionKeys::parse(&second.session_keys.to_string()).unwrap();
        molt_common::repository_keys::RepositoryKeys::parse(&second.repository_keys.to_string()).unwrap();
        molt_common::root_keys::RootKeys::parse(&second.secret_keys.to_string()).unwrap();
        assert_eq!(Secrets::load_or_create(&path).unwrap(), second, "they are kept");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_workers_accept_what_is_made() {
        let secrets = Secrets::random().unwrap();
        molt_common::identity::IdentityKeys::parse(&secrets.identity_keys.to_string()).unwrap();
        molt_common::seal::SessionKeys::parse(&secrets.session_keys.to_string()).unwrap();
        molt_common::repository_keys::RepositoryKeys::parse(&secrets.repository_keys.to_string()).unwrap();
        molt_common::root_keys::RootKeys::parse(&secrets.secret_keys.to_string()).unwrap();
        molt_common::admin_secret::check(Some(&secrets.admin), Some(&secrets.admin)).unwrap();
    }

    #[test]
    fn a_broken_file_is_left_alone_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        fs::write(
            &path,
            r#"{"MOLTBOT_GATEWAY_MASTER_TOKEN":"hunter2","SUPABASE_JWT_SECRET":7}"#,
        )
        .unwrap();
        let message = Secrets::load_or_create(&path).unwrap_err().to_string();
        assert!(
            message.contains("remove it") && !message.contains("hunter2"),
            "{message}"
        );
        assert!(fs::read_to_string(&path).unwrap().contains("hunter2"));
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", Secrets::random().unwrap()), "Secrets(..)");
    }
}
