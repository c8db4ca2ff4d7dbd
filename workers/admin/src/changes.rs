//! What a sandbox's object answers to a change that is asked for, as a problem of the API.

use crate::idempotency;
use molt_common::problem::Problem;
use molt_common::sandbox_change::{ChangeAnswer, ChangeView, Wanted};
use molt_common::time::Millis;

/// What an answer of the object says to the caller.
pub fn read(answer: ChangeAnswer, wanted: &Wanted) -> Result<ChangeView, Problem> {
    match answer {
        ChangeAnswer::Accepted { change } => Ok(*change),
        ChangeAnswer::WouldDiscardDisk { since } => Err(would_discard_disk(Some(since), &wanted.title())),
        ChangeAnswer::Busy { job } => Err(Problem::new(
            409,
            "change_in_progress",
            format!("{job} is under way for this sandbox. Wait for its end, or cancel it."),
        )
        .retry_after(5)
        .job(&job)),
        ChangeAnswer::Conflict => Err(idempotency::reused()),
        ChangeAnswer::Refused { field, text } => Err(Problem::invalid(&field, text)),
    }
}

/// 409 for what would throw away a disk that the caller did not give up.
pub fn would_discard_disk(since: Option<Millis>, title: &str) -> Problem {
    let disk = match since {
        Some(since) => format!("The sandbox has something on its disk since {}", since.iso()),
        None => "The sandbox may have a disk".into(),
    };
    Problem::new(
        409,
        "would_discard_disk",
        format!(
            "{disk} that is in no snapshot, and {title:?} would discard that. Send discardDisk: true if that is meant."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::read;
    use molt_common::id::{ExecId, UserId};
    use molt_common::job_id::JobId;
    use molt_common::problem::Obstacle;
    use molt_common::sandbox_change::{ChangeAnswer, Wanted};
    use molt_common::time::Millis;

    fn refused(answer: ChangeAnswer) -> (u16, String, Option<Obstacle>, Option<String>) {
        let problem = read(answer, &Wanted::EmergencyReset).err();
        let problem = problem.unwrap_or_else(|| unreachable!("it was accepted"));
        (
            problem.status,
            problem.code,
            problem.obstacle.map(|held| *held),
            problem.field,
        )
    }

    #[test]
    fn each_refusal_has_its_code() {
        let since = Millis(1_800_000_000_000);
        let disk = refused(ChangeAnswer::WouldDiscardDisk { since });
        assert_eq!(disk, (409, "would_discard_disk".into(), None, None));
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap_or_else(|_| unreachable!());
        let job = JobId::lifecycle(user, ExecId::parse("a").unwrap_or_else(|_| unreachable!()));
        let held = Some(Obstacle::JobId(job.to_string()));
        assert_eq!(
            refused(ChangeAnswer::Busy { job }),
            (409, "change_in_progress".into(), held, None)
        );
        assert_eq!(refused(ChangeAnswer::Conflict).0, 422);
        let field = ChangeAnswer::Refused {
            field: "image".into(),
            text: "is none".into(),
        };
        assert_eq!(
            refused(field),
            (400, "invalid_request".into(), None, Some("image".into()))
        );
    }
}
