//! `molt users`: who may come in, and what is kept of whom.

pub mod export;
mod removal;

use crate::client::{Client, ClientError, encoded};
use crate::show;
use clap::{Args, Subcommand};
use molt_common::api::users::{ChangeUser, CreateUser};
use molt_common::id::UserId;
use serde_json::json;
use std::process::ExitCode;

const INVITATIONS: &str = "/api/super/invitations";

/// What is to be done with users.
#[derive(Subcommand)]
pub enum Action {
    /// Shows one user.
    Show {
        /// User id or name.
        user: String,
    },
    /// Creates a user, who then comes with his first token whatever sign-up says.
    Create {
        /// His id with the identity provider: `sub` of his tokens.
        #[arg(value_parser = user_id)]
        id: UserId,
        /// Display name.
        #[arg(long)]
        name: String,
        /// E-mail address.
        #[arg(long)]
        email: Option<String>,
        /// 1, 2 or 3; 1 when not given
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=3))]
        tier: Option<u8>,
    },
    /// Changes how a user is called, or his address.
    Change {
        /// User id or name.
        user: String,
        /// Display name.
        #[arg(long, required_unless_present_any = ["email", "no_email"])]
        name: Option<String>,
        /// E-mail address.
        #[arg(long, conflicts_with = "no_email")]
        email: Option<String>,
        /// Takes the address away
        #[arg(long)]
        no_email: bool,
    },
    /// Removes a user and all that is kept of him, for good, and waits for the proof. Asks first; `--yes` in scripts.
    Remove(removal::Remove),
    /// Shows what the newest removal of a user removed, and what was counted afterwards.
    Removal {
        /// User id.
        #[arg(value_parser = user_id)]
        id: UserId,
    },
    /// Writes everything that is kept of a user into one tar archive.
    Export(export::Export),
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

fn user_id(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|error| error.to_string())
}

/// Does it; without an action it lists users.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: Option<&Action>, json: bool) -> Result<ExitCode, ClientError> {
    match action {
        Some(Action::Remove(asked)) => return removal::run(client, asked, json),
        Some(Action::Removal { id }) => removal::show(client, *id, json),
        Some(Action::Export(asked)) => export::run(client, asked, json),
        Some(Action::Show { user }) => {
            let id = client.user(user)?;
            show::user(&client.get(&format!("/api/super/users/{id}"), true)?, json)
        }
        Some(Action::Create { id, name, email, tier }) => {
            let body = CreateUser {
                user_id: *id,
                name: name.clone(),
                email: email.clone(),
                tier: *tier,
            };
            show::user(&client.post("/api/super/users", &body)?, json)
        }
        Some(Action::Change {
            user,
            name,
            email,
            no_email,
        }) => {
            let id = client.user(user)?;
            let body = ChangeUser {
                name: name.clone(),
                email: if *no_email { Some(None) } else { email.clone().map(Some) },
            };
            let path = format!("/api/super/users/{id}");
            show::user(&client.change("PATCH", &path, None, Some(&json!(body)))?, json)
        }
        None => show::users(&client.list("/api/super/users", "users")?, json),
        Some(Action::Suspend(standing)) => set(client, standing, "suspend", json),
        Some(Action::Reinstate(standing)) => set(client, standing, "reinstate", json),
        Some(Action::Invite { email }) => show::invitation(&client.post(INVITATIONS, &json!({"email": email}))?, json),
        Some(Action::Uninvite { email }) => {
            show::invitation(&client.delete(&format!("{INVITATIONS}/{}", encoded(email)))?, json)
        }
        Some(Action::Invitations) => show::invitations(&client.list(INVITATIONS, "invitations")?, json),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn set(client: &Client, standing: &Standing, verb: &str, json: bool) -> Result<(), ClientError> {
    let id = client.user(&standing.user)?;
    let path = format!("/api/super/users/{id}/{verb}");
    show::standing(&client.post(&path, &json!({"reason": standing.reason}))?, json)
}
