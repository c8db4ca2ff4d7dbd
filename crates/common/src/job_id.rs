//! Ids of jobs: they name kind and owner, so that whoever has one finds the object that drives it without asking an index.

use crate::id::{ExecId, IdError, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobKind {
    /// One command in one sandbox.
    Exec,
    /// One command in the sandboxes of many users: a parent of [`JobKind::Exec`].
    BulkExec,
    /// A change of one sandbox (`crate::sandbox_change`).
    Lifecycle,
    /// A restart of the sandboxes of many users: a parent of [`JobKind::Lifecycle`].
    BulkRestart,
    /// The removal of a user (`crate::api::removal`).
    UserRemoval,
    /// A patch of the configuration of many users' agents.
    BulkConfig,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Exec,
        Self::BulkExec,
        Self::Lifecycle,
        Self::BulkRestart,
        Self::UserRemoval,
        Self::BulkConfig,
    ];

    /// As in ids and filters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::BulkExec => "bulk-exec",
            Self::Lifecycle => "lifecycle",
            Self::BulkRestart => "bulk-restart",
            Self::UserRemoval => "user-removal",
            Self::BulkConfig => "bulk-config",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == text)
    }
}

/// Why a text is no job's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobIdError {
    /// It has not the form.
    #[error("must have the form <kind>.<owner>.<id>")]
    Form,
    /// There is no such kind.
    #[error("names a kind that there is not")]
    Kind,
    /// The owner does not go with the kind.
    #[error("names an owner that jobs of this kind have not")]
    Owner,
    /// The last part is none.
    #[error("has a last part that {0}")]
    Local(#[from] IdError),
}

const FLEET: &str = "fleet";

/// `<kind>.<owner>.<id>`: the owner is a user id, or `fleet` for a job about many users.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId {
    kind: JobKind,
    owner: Option<UserId>,
    local: ExecId,
}

impl JobId {
    /// Of a command.
    #[must_use]
    pub const fn exec(owner: UserId, exec_id: ExecId) -> Self {
        Self {
            kind: JobKind::Exec,
            owner: Some(owner),
            local: exec_id,
        }
    }

    /// Of a change of a sandbox.
    #[must_use]
    pub const fn lifecycle(owner: UserId, local: ExecId) -> Self {
        Self {
            kind: JobKind::Lifecycle,
            owner: Some(owner),
            local,
        }
    }

    /// Of the removal of a user.
    #[must_use]
    pub const fn removal(owner: UserId, local: ExecId) -> Self {
        Self {
            kind: JobKind::UserRemoval,
            owner: Some(owner),
            local,
        }
    }

    /// Of a job about many users.
    #[must_use]
    pub const fn fleet(kind: JobKind, local: ExecId) -> Self {
        Self {
            kind,
            owner: None,
            local,
        }
    }

    /// Reads an id given by a caller.
    ///
    /// # Errors
    /// [`JobIdError`].
    pub fn parse(text: &str) -> Result<Self, JobIdError> {
        let mut parts = text.splitn(3, '.');
        let (Some(kind), Some(owner), Some(local)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(JobIdError::Form);
        };
        let kind = JobKind::parse(kind).ok_or(JobIdError::Kind)?;
        let owner = match (kind, owner) {
            (JobKind::Exec | JobKind::Lifecycle | JobKind::UserRemoval, owner) => {
                Some(UserId::parse(owner).map_err(|_| JobIdError::Owner)?)
            }
            (JobKind::BulkExec | JobKind::BulkRestart | JobKind::BulkConfig, FLEET) => None,
            (JobKind::BulkExec | JobKind::BulkRestart | JobKind::BulkConfig, _) => return Err(JobIdError::Owner),
        };
        Ok(Self {
            kind,
            owner,
            local: ExecId::parse(local)?,
        })
    }

    /// What it does.
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        self.kind
    }

    /// Whose sandbox it works on; `None` for a job about many.
    #[must_use]
    pub const fn owner(&self) -> Option<UserId> {
        self.owner
    }

    /// Its id among the jobs of that kind and owner.
    #[must_use]
    pub const fn local(&self) -> &ExecId {
        &self.local
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(owner) => write!(f, "{}.{owner}.{}", self.kind.word(), self.local),
            None => write!(f, "{}.{FLEET}.{}", self.kind.word(), self.local),
        }
    }
}

impl TryFrom<String> for JobId {
    type Error = JobIdError;
    fn try_from(text: String) -> Result<Self, JobIdError> {
        Self::parse(&text)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{JobId, JobIdError, JobKind};
    use crate::id::{ExecId, UserId};

    const ADA: &str = "ada00000-0000-4000-8000-000000000001";

    #[test]
    fn an_id_names_kind_and_owner() {
        let exec = JobId::exec(UserId::parse(ADA).unwrap(), ExecId::parse("exec_1_ab").unwrap());
        assert_eq!(exec.to_string(), format!("exec.{ADA}.exec_1_ab"));
        let bulk = JobId::fleet(JobKind::BulkExec, ExecId::parse("b1").unwrap());
        assert_eq!(bulk.to_string(), "bulk-exec.fleet.b1");
        for id in [exec, bulk] {
            assert_eq!(JobId::parse(&id.to_string()), Ok(id));
        }
    }

    #[test]
    fn what_is_none_says_why() {
        let wrong = |text: &str| JobId::parse(text).unwrap_err();
        assert_eq!(wrong(""), JobIdError::Form);
        assert_eq!(wrong("exec.fleet"), JobIdError::Form);
        assert_eq!(wrong("other.fleet.a"), JobIdError::Kind);
        assert_eq!(wrong("exec.fleet.a"), JobIdError::Owner);
        assert_eq!(wrong(&format!("bulk-exec.{ADA}.a")), JobIdError::Owner);
        for local in ["", "a.b", "a/b", "a b"] {
            assert!(
                matches!(wrong(&format!("exec.{ADA}.{local}")), JobIdError::Local(_)),
                "{local}"
            );
        }
    }
}
