//! Jobs: whatever goes on after the answer that accepted it.

use crate::bulk_job::{self, calls as bulk};
use crate::caller::{Caller, missing};
use crate::exec_store;
use crate::exec_store::calls::{Cancel, ReadJob};
use crate::extract::{Asked, JobPage, Parameters, PartPage};
use crate::job_index::list::{self, Filter};
use crate::permission::{Asks, of_kind, of_snapshots};
use crate::respond::Failure;
use crate::user_removal::{self, calls::Read as ReadRemoval};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use molt_common::api::JobState;
use molt_common::api::bulk::JobChildren;
use molt_common::api::jobs::{JobList, JobView};
use molt_common::id::{SandboxId, UserId};
use molt_common::job_cursor::JobCursor;
use molt_common::job_id::{JobId, JobKind};
use molt_common::problem::Problem;
use molt_common::sandbox_change::{CancelChange, GetChange};
use molt_common::snapshot_changes;
use molt_common::time::Millis;
use molt_platform::{call, entropy};
use worker::Env;

/// Lists jobs, newest first, as they were last announced; that is a second or two old. One job by its id is read from its object.
#[utoipa::path(get, path = "/api/super/jobs", tag = "jobs",
    params(("kind" = Option<String>, Query, description = "`exec`, `bulk-exec`, `lifecycle`, `bulk-restart` or `user-removal`; when absent all that the credential may read"),
           ("user" = Option<String>, Query, format = "uuid", description = "On whose sandbox"),
           ("state" = Option<JobState>, Query),
           ("parent" = Option<String>, Query, description = "Id of a job: its parts"),
           ("since" = Option<String>, Query, format = "date-time", description = "Submitted then or later; ISO-8601"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = JobList), (status = 400, body = Problem)))]
#[worker::send]
pub async fn list(
    State(env): State<Env>,
    caller: Caller,
    asked: Asked,
    page: JobPage,
) -> Result<Json<JobList>, Failure> {
    let filter = filter(&asked, &caller)?;
    let after = JobCursor::parse(&page.cursor);
    let found = list::page(&env, &filter, after.as_ref(), page.limit, entropy::now()).await?;
    Ok(Json(JobList {
        jobs: found.jobs,
        next_cursor: found.next.map(|next| next.to_string()),
    }))
}

fn filter(asked: &Asked, caller: &Caller) -> Result<Filter, Problem> {
    let kind = asked.text("kind").map(|word| {
        JobKind::parse(word).ok_or_else(|| Problem::invalid("kind", format!("must be one of {}", words(&KINDS))))
    });
    let state = asked.text("state").map(|word| {
        let all = JobState::ALL.map(JobState::word);
        JobState::parse(word).ok_or_else(|| Problem::invalid("state", format!("must be one of {}", words(&all))))
    });
    let user = asked
        .text("user")
        .map(|text| UserId::parse(text).map_err(|error| Problem::invalid("user", error)));
    let parent = asked
        .text("parent")
        .map(|text| JobId::parse(text).map_err(|error| Problem::invalid("parent", error)));
    let since = asked
        .text("since")
        .map(|text| Millis::parse_iso(text).ok_or_else(|| Problem::invalid("since", "must be a time in ISO-8601")));
    let kind = kind.transpose()?;
    let whole = |kind: JobKind| caller.has(of_kind(kind, Asks::Read));
    Ok(Filter {
        kinds: kinds(kind, caller)?,
        snapshots_only: !whole(JobKind::Lifecycle),
        user: user.transpose()?,
        state: state.transpose()?,
        parent: parent.transpose()?,
        since: since.transpose()?,
    })
}

/// The kinds that are listed: the one that is asked for, or all that the caller may read.
fn kinds(asked: Option<JobKind>, caller: &Caller) -> Result<Vec<JobKind>, Problem> {
    let Some(kind) = asked else {
        let readable = |kind: &JobKind| reach(caller, *kind, Asks::Read).is_some();
        return Ok(JobKind::ALL.into_iter().filter(readable).collect());
    };
    if reach(caller, kind, Asks::Read).is_none() {
        return Err(missing(&[of_kind(kind, Asks::Read)]));
    }
    Ok(vec![kind])
}

/// Which jobs of a kind a caller reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    All,
    /// Those that are about snapshots.
    OfSnapshots,
}

fn reach(caller: &Caller, kind: JobKind, asks: Asks) -> Option<Reach> {
    if caller.has(of_kind(kind, asks)) {
        return Some(Reach::All);
    }
    of_snapshots(kind, asks)
        .filter(|scope| caller.has(*scope))
        .map(|_| Reach::OfSnapshots)
}

const KINDS: [&str; 6] = [
    JobKind::Exec.word(),
    JobKind::BulkExec.word(),
    JobKind::Lifecycle.word(),
    JobKind::BulkRestart.word(),
    JobKind::UserRemoval.word(),
    JobKind::BulkConfig.word(),
];

fn words(all: &[&str]) -> String {
    all.join(", ")
}

/// One job, as its object has it.
#[utoipa::path(get, path = "/api/super/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "`<kind>.<owner>.<id>`")),
    responses((status = 200, body = JobView), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, caller: Caller, parameters: Parameters) -> Result<Json<JobView>, Failure> {
    let id = job_id(&parameters)?;
    reached(&env, &id, &caller, Asks::Read).await.map(Json)
}

/// Cancels a job, with its parts. One that has ended stays as it is. The answer says how it stands now; read on for the outcome.
#[utoipa::path(delete, path = "/api/super/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "`<kind>.<owner>.<id>`")),
    responses((status = 202, body = JobView), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`not_cancellable`")))]
#[worker::send]
pub async fn cancel(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
) -> Result<(StatusCode, Json<JobView>), Failure> {
    let id = job_id(&parameters)?;
    if !may_all(&caller, id.kind(), Asks::Write)? {
        reached(&env, &id, &caller, Asks::Write).await?;
    }
    let author = caller.author();
    match (id.kind(), id.owner()) {
        (JobKind::Lifecycle, Some(user)) => {
            let cancel = CancelChange {
                id: id.local().clone(),
                by: Some(author),
            };
            call::make(&call::sandbox(&env, &SandboxId::personal(user))?, &cancel).await?;
        }
        (JobKind::UserRemoval, _) => {
            view(&env, &id).await?;
            let text = "A removal that was begun is not cancelled: half a user would be left.";
            return Err(Problem::new(409, "not_cancellable", text).into());
        }
        (_, Some(user)) => {
            let cancel = Cancel {
                exec_id: id.local().clone(),
                author,
            };
            call::make(&exec_store::stub(&env, user)?, &cancel).await?;
        }
        (_, None) => {
            call::make(&bulk_job::stub(&env, &id)?, &bulk::Cancel { author }).await?;
        }
    }
    view(&env, &id).await.map(|view| (StatusCode::ACCEPTED, Json(view)))
}

/// The parts of a job, as its object has them; a job about one sandbox has none.
#[utoipa::path(get, path = "/api/super/jobs/{id}/children", tag = "jobs",
    params(("id" = String, Path, description = "`<kind>.<owner>.<id>`"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = JobChildren), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn children(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    page: PartPage,
) -> Result<Json<JobChildren>, Failure> {
    let id = job_id(&parameters)?;
    if id.owner().is_none() {
        may_all(&caller, id.kind(), Asks::Read)?;
    } else {
        reached(&env, &id, &caller, Asks::Read).await?;
        return Ok(Json(JobChildren {
            children: vec![],
            next_cursor: None,
        }));
    }
    let ask = bulk::Children {
        after: page.cursor.parse().unwrap_or(0),
        limit: page.limit,
    };
    let found = call::make(&bulk_job::stub(&env, &id)?, &ask).await?;
    let found = found.ok_or_else(|| unknown(&id))?;
    Ok(Json(JobChildren {
        children: found.children,
        next_cursor: found.next.map(|place| place.to_string()),
    }))
}

/// The id `{id}`.
fn job_id(parameters: &Parameters) -> Result<JobId, Failure> {
    Ok(JobId::parse(parameters.text("id")).map_err(|error| Problem::invalid("id", error))?)
}

/// Whether the caller reaches every job of this kind; whoever reaches none of them is refused.
fn may_all(caller: &Caller, kind: JobKind, asks: Asks) -> Result<bool, Problem> {
    reach(caller, kind, asks)
        .map(|reach| reach == Reach::All)
        .ok_or_else(|| missing(&[of_kind(kind, asks)]))
}

/// A job that the caller may read or end.
async fn reached(env: &Env, id: &JobId, caller: &Caller, asks: Asks) -> Result<JobView, Failure> {
    let all = may_all(caller, id.kind(), asks)?;
    let view = view(env, id).await?;
    let about_snapshots = view
        .change
        .as_ref()
        .is_some_and(|change| snapshot_changes::contains(&change.change));
    if all || about_snapshots {
        return Ok(view);
    }
    Err(missing(&[of_kind(id.kind(), asks)]).into())
}

async fn view(env: &Env, id: &JobId) -> Result<JobView, Failure> {
    let found = match (id.kind(), id.owner()) {
        (JobKind::Lifecycle, Some(user)) => {
            let get = GetChange { id: id.local().clone() };
            let read = call::make(&call::sandbox(env, &SandboxId::personal(user))?, &get).await?;
            read.map(|change| change.job_view())
        }
        (JobKind::UserRemoval, Some(user)) => {
            let read = call::make(&user_removal::stub(env, user)?, &ReadRemoval {}).await?;
            read.map(|standing| standing.view).filter(|view| view.job_id == *id)
        }
        (_, Some(user)) => {
            let exec_id = id.local().clone();
            let read = call::make(&exec_store::stub(env, user)?, &ReadJob { exec_id }).await?;
            read.map(|job| job.view)
        }
        (_, None) => call::make(&bulk_job::stub(env, id)?, &bulk::Read {}).await?,
    };
    found.ok_or_else(|| unknown(id))
}

/// 404 for an id that no job has, or has any more.
fn unknown(id: &JobId) -> Failure {
    let kept = match id.kind() {
        JobKind::Exec => "results of commands are kept for a day, the newest hundred of each sandbox",
        JobKind::Lifecycle => "changes are kept for 30 days, the newest hundred of each sandbox",
        JobKind::UserRemoval => "the newest removal of a user is kept for 30 days after its end",
        JobKind::BulkExec | JobKind::BulkRestart | JobKind::BulkConfig => "they are kept for 30 days after their end",
    };
    Problem::new(404, "unknown_job", format!("There is no job {id}; {kept}."))
        .labelled("Not found")
        .into()
}
