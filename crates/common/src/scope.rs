//! What an admin credential may do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! scopes {
    ($($name:ident = $word:literal, $says:literal;)*) => {
        /// One permission of an admin key, `<area>:<read|write>` in JSON; `*` is all of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum Scope {
            $(#[doc = $says] $name,)*
        }

        impl Scope {
            /// All of them, the one that stands for all first.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As in JSON.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it permits, for people.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says),* }
            }
        }
    };
}

scopes! {
    Everything = "*", "Everything, later scopes included.";
    FleetRead = "fleet:read", "Read users, sandboxes, states, jobs and flags.";
    FleetWrite = "fleet:write", "Start, stop, restart and resize sandboxes.";
    UsersWrite = "users:write", "Create, rename, invite, suspend and reinstate users.";
    UsersRemoveWrite = "users-remove:write", "Remove users with all that is kept of them, for good.";
    ExecRead = "exec:read", "Read commands and their output.";
    ExecWrite = "exec:write", "Run and cancel commands in sandboxes.";
    ConfigRead = "config:read", "Read the configuration of agents.";
    ConfigWrite = "config:write", "Change the configuration of agents.";
    FilesRead = "files:read", "List and read files of sandboxes and of their snapshots.";
    FilesWrite = "files:write", "Write and remove files in running sandboxes.";
    FlagsWrite = "flags:write", "Change feature flags.";
    BackupRead = "backup:read", "List snapshots and read files of them.";
    BackupWrite = "backup:write", "Make, restore and remove snapshots.";
    BackupAccessWrite = "backup-access:write", "Have short-lived access to a repository itself: to all that a user ever had on his disk.";
    CostRead = "cost:read", "Read what users cost, and their budgets.";
    CostWrite = "cost:write", "Set budgets of users.";
    SecretsRead = "secrets:read", "List which secrets users have, without their values.";
    SecretsWrite = "secrets:write", "Set and remove secrets of users.";
    KeysWrite = "keys:write", "List, make and revoke admin keys, none with more scopes than one's own.";
    AuditRead = "audit:read", "Read and verify the audit trail.";
    RecoveryRead = "recovery:read", "Export the whole control plane: people, hashes of keys, wrapped keys of repositories, all that is audited.";
    RecoveryWrite = "recovery:write", "Restore a control plane into an empty platform, whose truth it then is: keys included.";
}

/// The text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.iter().find(|scope| scope.word() == word);
        found.copied().ok_or_else(|| UnknownScope(word.into()))
    }
}

impl TryFrom<String> for Scope {
    type Error = UnknownScope;
    fn try_from(word: String) -> Result<Self, UnknownScope> {
        word.parse()
    }
}

impl From<Scope> for &'static str {
    fn from(scope: Scope) -> Self {
        scope.word()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether a holder of `held` may do what `wanted` permits. A write scope includes the read scope of its area.
#[must_use]
pub fn permits(held: &[Scope], wanted: Scope) -> bool {
    held.iter().any(|held| {
        *held == wanted
            || *held == Scope::Everything
            || matches!(
                (held, wanted),
                (Scope::FleetWrite, Scope::FleetRead)
                    | (Scope::ExecWrite, Scope::ExecRead)
                    | (Scope::ConfigWrite, Scope::ConfigRead)
                    | (Scope::BackupWrite, Scope::BackupRead)
                    | (Scope::FilesWrite, Scope::FilesRead)
                    | (Scope::RecoveryWrite, Scope::RecoveryRead)
                    | (Scope::CostWrite, Scope::CostRead)
                    | (Scope::SecretsWrite, Scope::SecretsRead)
            )
    })
}

#[cfg(test)]
mod tests {
    use super::{Scope, permits};

    #[test]
    fn words_go_both_ways() {
        for scope in Scope::ALL {
            assert_eq!(scope.word().parse(), Ok(*scope));
            let json = serde_json::to_string(scope).unwrap();
            assert_eq!(json, format!("\"{scope}\""));
            assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), *scope);
        }
        for bad in ["", "fleet", "FLEET:READ", "fleet:read ", "fleet:*"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scope_permits_itself_its_reading_and_no_more() {
        assert!(permits(&[Scope::ExecWrite], Scope::ExecRead));
        assert!(permits(&[Scope::FleetWrite], Scope::FleetRead));
        assert!(!permits(&[Scope::FleetRead], Scope::FleetWrite));
        assert!(!permits(&[Scope::ExecRead], Scope::ExecWrite));
        assert!(!permits(&[Scope::FleetRead, Scope::ExecWrite], Scope::KeysWrite));
        assert!(permits(&[Scope::SecretsWrite], Scope::SecretsRead));
        assert!(!permits(&[Scope::SecretsRead, Scope::KeysWrite], Scope::SecretsWrite));
        assert!(!permits(&[], Scope::FleetRead));
        for scope in Scope::ALL {
            assert!(permits(&[Scope::Everything], *scope));
            assert!(permits(&[*scope], *scope));
        }
        assert!(!permits(&[Scope::KeysWrite], Scope::Everything));
    }
}
