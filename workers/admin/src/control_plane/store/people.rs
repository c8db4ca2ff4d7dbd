//! Ended sessions, suspended users, invited addresses.

use super::{Note, Store, Task, integer, stored};
use crate::control_plane::calls::{ForgetUser, SetInvitation, SetProfile, SetSuspension};
use molt_common::audit::Author;
use molt_common::control::SessionEnd;
use molt_common::id::UserId;
use molt_common::time::Millis;
use molt_common::trust::{EndSession, SessionRef};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use worker::{Error, Result};

/// A session is remembered no longer than this, whatever its token claims.
const LONGEST_SESSION_MS: u64 = 31 * 24 * 3600 * 1000;
/// Clocks differ: a session is remembered this much longer than its token lives. Verification allows 60 s.
const SKEW_MS: u64 = 120_000;

#[derive(Deserialize)]
struct EndedRow {
    session: String,
    until: u64,
}

#[derive(Deserialize)]
struct UserRow {
    user: String,
}

#[derive(Deserialize)]
struct Moment {
    value: Option<u64>,
}

impl Store<'_> {
    /// Sessions that were ended while their tokens live.
    pub(super) fn ended(&self, now: Millis) -> Result<BTreeMap<SessionRef, Millis>> {
        let rows: Vec<EndedRow> = self
            .sql
            .exec(
                "SELECT session, until FROM ended_sessions WHERE until > ?",
                vec![integer(now.0)],
            )?
            .to_array()?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((SessionRef::parse(&row.session)?, Millis(row.until))))
            .collect())
    }

    /// Users who may not come in.
    pub(super) fn suspended(&self) -> Result<BTreeSet<UserId>> {
        let rows: Vec<UserRow> = self.sql.exec("SELECT user FROM suspended", None)?.to_array()?;
        rows.iter()
            .map(|row| UserId::parse(&row.user).map_err(stored))
            .collect()
    }

    /// Whether a user may not come in.
    pub fn is_suspended(&self, user: UserId) -> Result<bool> {
        let rows: Vec<UserRow> = self
            .sql
            .exec(
                "SELECT user FROM suspended WHERE user = ?",
                vec![user.to_string().into()],
            )?
            .to_array()?;
        Ok(!rows.is_empty())
    }

    /// Ends a session; once is enough.
    pub fn end_session(&self, ended: &EndSession, now: Millis) -> Result<()> {
        let until = ended.until.plus(SKEW_MS).min(now.plus(LONGEST_SESSION_MS));
        let author = Author {
            actor: format!("user:{}", ended.user),
            request_id: ended.request_id.clone(),
        };
        let user = ended.user.to_string();
        let note = Note {
            author: &author,
            action: "session.ended",
            target: &user,
            detail: json!({"session": ended.session}),
        };
        self.change::<Error>(&note, true, |at| {
            self.sql.exec(
                "INSERT INTO ended_sessions (session, until) VALUES (?, ?) ON CONFLICT (session) DO NOTHING",
                vec![ended.session.as_str().into(), integer(until.0)],
            )?;
            let changed = self.changes()? > 0;
            if changed {
                let task = Task::EndSessions {
                    user: ended.user,
                    session: Some(ended.session.clone()),
                    reason: SessionEnd::SignedOut,
                };
                self.put(&task, at)?;
            }
            Ok(changed)
        })?;
        Ok(())
    }

    /// Forgets sessions whose tokens have ended by themselves.
    pub fn purge_sessions(&self, now: Millis) -> Result<()> {
        self.sql
            .exec("DELETE FROM ended_sessions WHERE until <= ?", vec![integer(now.0)])?;
        Ok(())
    }

    /// When the next one can be forgotten.
    pub fn next_purge(&self) -> Result<Option<Millis>> {
        let rows: Vec<Moment> = self
            .sql
            .exec("SELECT MIN(until) AS value FROM ended_sessions", None)?
            .to_array()?;
        Ok(rows.first().and_then(|row| row.value).map(Millis))
    }

    /// Suspends or reinstates a user. Whether that changed anything.
    pub fn set_suspension(&self, set: &SetSuspension) -> Result<bool> {
        let user = set.user.to_string();
        let note = Note {
            author: &set.author,
            action: if set.suspended {
                "user.suspended"
            } else {
                "user.reinstated"
            },
            target: &user,
            detail: json!({"reason": set.reason}),
        };
        self.change::<Error>(&note, true, |at| {
            if set.suspended {
                self.sql.exec(
                    "INSERT INTO suspended (user, since) VALUES (?, ?) ON CONFLICT (user) DO NOTHING",
                    vec![user.as_str().into(), integer(at.0)],
                )?;
            } else {
                self.sql
                    .exec("DELETE FROM suspended WHERE user = ?", vec![user.as_str().into()])?;
            }
            if self.changes()? == 0 {
                return Ok(false);
            }
            let status = Task::UserStatus {
                user: set.user,
                suspended: set.suspended,
                at,
            };
            self.put(&status, at)?;
            if set.suspended {
                let sockets = Task::EndSessions {
                    user: set.user,
                    session: None,
                    reason: SessionEnd::Suspended,
                };
                self.put(&sockets, at)?;
            }
            Ok(true)
        })
    }

    /// Invites an address or takes that back. Whether that changed anything.
    pub fn set_invitation(&self, set: &SetInvitation) -> Result<bool> {
        let note = Note {
            author: &set.author,
            action: if set.invited {
                "invitation.created"
            } else {
                "invitation.withdrawn"
            },
            target: &set.email,
            detail: json!({}),
        };
        self.change::<Error>(&note, false, |at| {
            if set.invited {
                self.sql.exec(
                    "INSERT INTO invitations (email, created_at, invited_by) VALUES (?, ?, ?) ON CONFLICT (email) DO NOTHING",
                    vec![set.email.as_str().into(), integer(at.0), set.author.actor.as_str().into()],
                )?;
            } else {
                self.sql.exec("DELETE FROM invitations WHERE email = ?", vec![set.email.as_str().into()])?;
            }
            if self.changes()? == 0 {
                return Ok(false);
            }
            let task = Task::Invitation {
                email: set.email.clone(),
                invited_by: set.invited.then(|| set.author.actor.clone()),
                at,
            };
            self.put(&task, at)?;
            Ok(true)
        })
    }

    /// Has a user created, or called otherwise.
    pub fn set_profile(&self, set: &SetProfile) -> Result<bool> {
        let user = set.user.to_string();
        let note = Note {
            author: &set.author,
            action: if set.create.is_some() {
                "user.created"
            } else {
                "user.changed"
            },
            target: &user,
            // Which fields, and not what is in them: the trail outlives the user.
            detail: json!({"name": set.profile.name.is_some(), "email": set.profile.sets_email, "tier": set.create}),
        };
        self.change::<Error>(&note, false, |at| {
            let task = Task::Profile {
                user: set.user,
                create: set.create,
                profile: set.profile.clone(),
                at,
            };
            self.put(&task, at)?;
            Ok(true)
        })
    }

    /// Forgets a user who was removed. Sessions that ended stay ended: their tokens may live.
    pub fn forget_user(&self, forget: &ForgetUser) -> Result<bool> {
        const REMOVED: &str = "user.removed";
        let target = forget.job_id.to_string();
        let note = Note {
            author: &forget.author,
            action: REMOVED,
            target: &target,
            detail: forget.detail.clone(),
        };
        self.change::<Error>(&note, true, |_| {
            if self.audit().has_about(REMOVED, &target)? {
                return Ok(false);
            }
            self.sql.exec(
                "DELETE FROM suspended WHERE user = ?",
                vec![forget.user.to_string().into()],
            )?;
            if let Some(email) = &forget.email {
                let email = email.to_ascii_lowercase();
                self.sql
                    .exec("DELETE FROM invitations WHERE email = ?", vec![email.into()])?;
            }
            Ok(true)
        })
    }
}
