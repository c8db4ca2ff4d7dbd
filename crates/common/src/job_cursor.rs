//! Where a page of jobs ends: lists go from the newest to the oldest, by time of submission and then by id.

use crate::job_id::JobId;
use crate::time::Millis;
use std::fmt;

/// `<epoch milliseconds>-<job id>` of the last job of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCursor {
    /// When it was submitted.
    pub created_at: Millis,
    /// Its id.
    pub job_id: JobId,
}

/// Numbers in JavaScript and in SQLite's answers are exact up to here.
const LARGEST: u64 = 1 << 53;

impl JobCursor {
    /// Reads what a list gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('-')?;
        let plain = !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit());
        let at = at.parse().ok().filter(|at| plain && *at < LARGEST)?;
        Some(Self {
            created_at: Millis(at),
            job_id: JobId::parse(id).ok()?,
        })
    }
}

impl fmt::Display for JobCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created_at.0, self.job_id)
    }
}

#[cfg(test)]
mod tests {
    use super::JobCursor;
    use crate::id::ExecId;
    use crate::job_id::{JobId, JobKind};
    use crate::time::Millis;

    #[test]
    fn what_a_list_gave_is_read_again_and_nothing_else() {
        let cursor = JobCursor {
            created_at: Millis(1_767_225_600_007),
            job_id: JobId::fleet(JobKind::BulkExec, ExecId::parse("bulk-1").unwrap()),
        };
        assert_eq!(cursor.to_string(), "1767225600007-bulk-exec.fleet.bulk-1");
        assert_eq!(JobCursor::parse(&cursor.to_string()), Some(cursor));
        for bad in [
            "",
            "1",
            "1-",
            "-bulk-exec.fleet.a",
            "+1-bulk-exec.fleet.a",
            "1-other.fleet.a",
            "1-bulk-exec.fleet.a/b",
            "99999999999999999-bulk-exec.fleet.a",
        ] {
            assert_eq!(JobCursor::parse(bad), None, "{bad}");
        }
    }
}
