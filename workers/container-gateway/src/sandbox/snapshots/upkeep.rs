//! Changes that have to do with snapshots: what is asked of the supervisor for them, what comes of them, and those that come due by themselves.

use super::key;
use super::store::Snapshots;
use crate::sandbox::changes::calls::{self as changes, By};
use crate::sandbox::supervisor::Supervisor;
use crate::sandbox_do::Sandbox;
use molt_common::api::JobState;
use molt_common::api::lifecycle::CHANGE_TIMEOUT_MAX_MS;
use molt_common::control::snapshot::{SaveNow, Upkeep, UpkeepNow, UpkeepView};
use molt_common::id::{ExecId, UserId, hex};
use molt_common::repository_token::Access;
use molt_common::sandbox_change::{ChangeSandbox, Wanted, WantedUpkeep};
use molt_common::snapshot::SaveReason;
use molt_lifecycle::change::{Change, Reply, Told};
use molt_lifecycle::sandbox::Stage;
use molt_platform::entropy;
use std::time::Duration;
use worker::{Error, Result};

/// For the differences of a large disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the token of a work of upkeep is good; what takes longer is refused the rest and is begun again another day.
const TOKEN_MS: u64 = 2 * 60 * 60_000;

/// A status tells how many differences there are; which they are is asked for once, at the end.
pub async fn complete(object: &Sandbox, change: &Change, told: &mut Told) -> Result<()> {
    let Some(upkeep) = told.upkeep.as_mut() else {
        return Ok(());
    };
    let ours = upkeep.done && upkeep.id == change.id.as_str();
    if !ours || upkeep.difference_count == 0 || !upkeep.differences.is_empty() {
        return Ok(());
    }
    let container = object.container()?;
    let supervisor = Supervisor {
        container: &container,
        token: object.store()?.control_token()?,
    };
    let path = format!("/v1/upkeep/{}", upkeep.id);
    let (status, text) = supervisor.ask("GET", &path, None, PATIENCE).await?;
    if status == 200 {
        let whole: UpkeepView = serde_json::from_str(&text)?;
        upkeep.differences = whole.differences;
    }
    Ok(())
}

/// Asks the supervisor for what the change wants of it.
pub async fn ask(object: &Sandbox, owner: UserId, change: &Change) -> Result<Reply> {
    let (path, body) = match &change.wanted {
        Wanted::Save => {
            let save = SaveNow {
                id: change.id.as_str().to_owned(),
                reason: SaveReason::Request,
            };
            ("/v1/save", serde_json::to_string(&save)?)
        }
        Wanted::Upkeep { work } => (
            "/v1/upkeep",
            serde_json::to_string(&work_of(object, owner, change, work)?)?,
        ),
        _ => return Err(Error::RustError("nothing is asked of the supervisor".into())),
    };
    let container = object.container()?;
    let supervisor = Supervisor {
        container: &container,
        token: object.store()?.control_token()?,
    };
    supervisor.tell("POST", path, &body).await
}

fn work_of(object: &Sandbox, owner: UserId, change: &Change, work: &WantedUpkeep) -> Result<UpkeepNow> {
    let snapshots = Snapshots::of(object)?;
    let list = snapshots.list()?;
    let now = entropy::now();
    let about = || {
        change
            .snapshot
            .ok_or_else(|| Error::RustError("the change names no snapshot".into()))
    };
    let (work, access) = match work {
        WantedUpkeep::Verify { full, .. } => {
            let snapshot = about()?;
            (Upkeep::Verify { snapshot, full: *full }, Access::Read)
        }
        WantedUpkeep::Prune => {
            let mut keeping = list.keeping.clone();
            keeping.prune_asked(now);
            snapshots.save_keeping(&keeping)?;
            let keep = list.kept_by_prune();
            (Upkeep::Prune { keep }, Access::Full)
        }
        WantedUpkeep::Compare { .. } => (Upkeep::Compare { snapshot: about()? }, Access::Read),
        WantedUpkeep::RestorePath { path, to, .. } => {
            let (snapshot, path, to) = (about()?, path.clone(), to.clone());
            (Upkeep::RestorePath { snapshot, path, to }, Access::Read)
        }
    };
    let generation = object.store()?.load()?.generation;
    Ok(UpkeepNow {
        id: change.id.as_str().to_owned(),
        work,
        repository: key::access(object, owner, generation, access, now.plus(TOKEN_MS))?,
    })
}

/// A change was accepted: what it chose is chosen. Call it in its transaction.
pub fn accepted(object: &Sandbox, change: &Change) -> Result<()> {
    let Wanted::Restore { snapshot } = change.wanted else {
        return Ok(());
    };
    let snapshots = Snapshots::of(object)?;
    let before = snapshots.list()?;
    let mut after = before.clone();
    let generation = object.store()?.load()?.generation;
    after.choose(snapshot, generation).map_err(Error::RustError)?;
    snapshots.save(&before, &after)
}

/// A change has ended. Call it in the transaction of that.
pub fn ended(object: &Sandbox, change: &Change) -> Result<()> {
    if !matches!(change.wanted, Wanted::Restore { .. } | Wanted::Upkeep { .. }) {
        return Ok(());
    }
    let snapshots = Snapshots::of(object)?;
    let before = snapshots.list()?;
    let mut after = before.clone();
    let succeeded = change.state == JobState::Succeeded;
    match &change.wanted {
        Wanted::Restore { snapshot } if !succeeded => after.keeping.unchoose(*snapshot),
        Wanted::Upkeep {
            work: WantedUpkeep::Prune,
        } if succeeded => after.pruned(&change.outcome.clone().unwrap_or_default(), entropy::now()),
        Wanted::Upkeep {
            work: WantedUpkeep::Verify { .. },
        } => {
            let found = change
                .outcome
                .as_ref()
                .and_then(|outcome| outcome.verification.as_ref());
            if let (Some(snapshot), Some(verification)) = (change.snapshot, found) {
                after.verified(snapshot, verification);
            }
        }
        _ => {}
    }
    if after == before {
        return Ok(());
    }
    snapshots.save(&before, &after)
}

/// Begins what is due, in a sandbox that runs anyway and of which nobody wants anything else.
pub async fn schedule(object: &Sandbox) -> Result<()> {
    let machine = object.store()?.load()?;
    let idle = machine.stage == Stage::Running && machine.disk.can_be_saved() && machine.disk.stop.is_none();
    let Some(owner) = machine.owner.filter(|_| idle) else {
        return Ok(());
    };
    let snapshots = Snapshots::of(object)?;
    let mut keeping = snapshots.keeping()?;
    let now = entropy::now();
    let work = if keeping.verify_is_due(now) {
        keeping.verify_asked_at = Some(now);
        WantedUpkeep::Verify {
            snapshot: None,
            full: false,
        }
    } else if keeping.prune_is_due(now) {
        keeping.prune_asked(now);
        WantedUpkeep::Prune
    } else {
        return Ok(());
    };
    snapshots.save_keeping(&keeping)?;
    let id = format!("upkeep-{}", hex(&entropy::bytes::<8>()?));
    let asked = ChangeSandbox {
        id: ExecId::parse(&id).map_err(|error| Error::RustError(error.to_string()))?,
        owner,
        tier: machine.tier,
        wanted: Wanted::Upkeep { work },
        discard_disk: false,
        parent: None,
        by: crate::sandbox::changes::notes::system(),
        request_id: String::new(),
        timeout_ms: CHANGE_TIMEOUT_MAX_MS,
    };
    changes::ask(object, &asked, By::Schedule).await.map(drop)
}
