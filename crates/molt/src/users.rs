//! `molt users`: who may come in.

use crate::client::{Client, ClientError, encoded};
use crate::show;
use clap::{Args, Subcommand};
use serde_json::json;

const INVITATIONS: &str = "/api/super/invitations";

/// What is to be done with users.
#[derive(Subcommand)]
pub enum Action {
    /// Suspends a user: he is refused within seconds, and his open sockets are closed.
    Suspend(Standing),
    /// Lets a suspended user in again.
    Reinstate(Standing),
    /// Invites an address, for where sign-up is by invitation.
    Invite {
        /// E-mail address.
        email: String,
    },
    /// Takes an invitation back. The user whom a used one made stays.
    Uninvite {
        /// E-mail address.
        email: String,
    },
    /// Lists invitations.
    Invitations,
}

/// Whose standing is to change.
#[derive(Args)]
pub struct Standing {
    /// User id or name.
    user: String,
    /// Why, for the audit trail.
    #[arg(long)]
    reason: String,
}

/// Does it; without an action it lists users.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: Option<&Action>, json: bool) -> Result<(), ClientError> {
    match action {
        None => show::users(&client.list("/api/super/users", "users")?, json),
        Some(Action::Suspend(standing)) => set(client, standing, "suspend", json),
        Some(Action::Reinstate(standing)) => set(client, standing, "reinstate", json),
        Some(Action::Invite { email }) => show::invitation(&client.post(INVITATIONS, &json!({"email": email}))?, json),
        Some(Action::Uninvite { email }) => {
            show::invitation(&client.delete(&format!("{INVITATIONS}/{}", encoded(email)))?, json)
        }
        Some(Action::Invitations) => show::invitations(&client.list(INVITATIONS, "invitations")?, json),
    }
}

fn set(client: &Client, standing: &Standing, verb: &str, json: bool) -> Result<(), ClientError> {
    let id = client.user(&standing.user)?;
    let path = format!("/api/super/users/{id}/{verb}");
    show::standing(&client.post(&path, &json!({"reason": standing.reason}))?, json)
}
