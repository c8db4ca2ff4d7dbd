//! `molt keys`.

use crate::client::{Client, ClientError, encoded};
use crate::show;
use clap::Subcommand;
use molt_common::scope::Scope;
use serde_json::json;

const PATH: &str = "/api/super/keys";

/// What to do about admin keys.
#[derive(Subcommand)]
pub enum Action {
    /// Lists keys, revoked and expired ones too, and the bootstrap secret.
    List,
    /// Makes a key and shows it, once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do, such as fleet:read; give it several times for several. None that you may not do.
        #[arg(long = "scope", required = true)]
        scopes: Vec<Scope>,
        /// ISO-8601 time at which it expires.
        #[arg(long, conflicts_with = "expires_in_ms")]
        expires_at: Option<String>,
        /// Milliseconds after which it expires. Without this and --expires-at it does not.
        #[arg(long)]
        expires_in_ms: Option<u64>,
    },
    /// Makes a key worthless; `bootstrap` switches the bootstrap secret off.
    Revoke {
        /// Id of the key, the first part after `molt_`.
        id: String,
    },
}

/// Does it and prints the answer.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    match action {
        Action::List => show::keys(&client.list(PATH, "keys")?, json),
        Action::Create {
            name,
            scopes,
            expires_at,
            expires_in_ms,
        } => {
            let body = json!({"name": name, "scopes": scopes, "expiresAt": expires_at, "expiresInMs": expires_in_ms});
            show::made_key(&client.post(PATH, &body)?, json);
        }
        Action::Revoke { id } => {
            let revoked = client.delete(&format!("{PATH}/{}", encoded(id)))?;
            show::keys(&[revoked], json);
        }
    }
    Ok(())
}
