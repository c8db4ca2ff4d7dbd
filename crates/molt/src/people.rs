//! `molt users suspend | reinstate | invite`.

use crate::client::{Client, ClientError};
use crate::show;
use clap::Subcommand;
use serde_json::json;

/// What to do about somebody.
#[derive(Subcommand)]
pub enum Action {
    /// Keeps a user out and closes his sockets; nothing of his is lost.
    Suspend {
        /// User id or name.
        user: String,
        /// Why, for those who read the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Lets a suspended user in again.
    Reinstate {
        /// User id or name.
        user: String,
        /// Why, for those who read the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Invites a person.
    Invite {
        /// E-mail address.
        email: String,
    },
}

/// Does it and prints the answer.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    let set = |user: &str, verb: &str, reason: &str| {
        let path = format!("/api/super/users/{}/{verb}", client.user(user)?);
        client.post(&path, &json!({"reason": reason}))
    };
    match action {
        Action::Suspend { user, reason } => show::standing(&set(user, "suspend", reason)?, json),
        Action::Reinstate { user, reason } => show::standing(&set(user, "reinstate", reason)?, json),
        Action::Invite { email } => {
            let invited = client.post("/api/super/invitations", &json!({"email": email}))?;
            show::invitation(&invited, json);
        }
    }
    Ok(())
}
