//! One user's part of a job about many.

use super::{CALL_LEASE_MS, Step};
use crate::job::{Doubt, Lease, Patience};
use molt_common::api::JobState;
use molt_common::id::UserId;
use molt_common::job_id::JobId;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Key under which a child is submitted: a submission that was not answered is repeated under it, and runs once.
#[must_use]
pub fn child_key(parent: &JobId, user: UserId) -> String {
    format!("{parent}.{user}")
}

/// What is known of a child.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Child {
    /// In whose sandbox.
    pub user: UserId,
    /// Where it was last seen; `queued` before it is begun.
    pub state: JobState,
    /// The job that runs the command, once known.
    pub job: Option<JobId>,
    /// Null unless observed.
    pub exit_code: Option<i32>,
    /// Why it ended other than well.
    pub error: Option<String>,
    /// Whether a submission may have been accepted.
    pub(super) doubt: Doubt,
    /// First submission.
    pub(super) first_at: Option<Millis>,
    /// It knows that it is to be cancelled.
    pub(super) cancel_told: bool,
    pub(super) lease: Lease,
    /// Not before this.
    pub(super) later: Option<Millis>,
    pub(super) patience: Patience,
}

impl Child {
    pub(super) fn new(user: UserId) -> Self {
        Self {
            user,
            state: JobState::Queued,
            job: None,
            exit_code: None,
            error: None,
            doubt: Doubt::default(),
            first_at: None,
            cancel_told: false,
            lease: Lease::default(),
            later: None,
            patience: Patience::default(),
        }
    }

    /// Whether there is or may be a job of it.
    #[must_use]
    pub const fn is_begun(&self) -> bool {
        self.doubt.exists() || self.job.is_some()
    }

    /// When something about it is to be done, or done again; null when at once.
    pub(super) fn due_at(&self) -> Option<Millis> {
        self.lease.until().max(self.later)
    }

    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.lease.is_free(now) && self.later.is_none_or(|later| now >= later)
    }

    /// Something is to be told to it: not only when it would be read next.
    pub(super) const fn hurry(&mut self) {
        self.later = None;
    }

    /// The call that brings it on.
    pub(super) fn step(&mut self, child: usize, cancel_wanted: bool, now: Millis) -> Step {
        let attempt = self.lease.begin(now, CALL_LEASE_MS);
        match &self.job {
            Some(job) if cancel_wanted && !self.cancel_told => Step::Cancel {
                child,
                attempt,
                job: job.clone(),
            },
            Some(job) => Step::Read {
                child,
                attempt,
                job: job.clone(),
            },
            // Also when it is to be cancelled: the answer to a submission that may have been accepted is its id.
            None => {
                self.doubt.tried(now, CALL_LEASE_MS);
                self.first_at.get_or_insert(now);
                Step::Submit {
                    child,
                    attempt,
                    user: self.user,
                    cancelled: cancel_wanted,
                }
            }
        }
    }

    pub(super) fn end(&mut self, state: JobState, error: Option<String>) {
        if !self.state.is_terminal() {
            self.state = state;
            self.error = error;
        }
    }
}
