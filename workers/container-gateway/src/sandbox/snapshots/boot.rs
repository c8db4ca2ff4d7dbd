//! What the supervisor of the newest start is told of its disk, and what it tells.

use super::key;
use super::store::Snapshots;
use super::{interval_ms, notes};
use crate::sandbox::legacy;
use crate::sandbox::supervisor::Supervisor;
use crate::sandbox_do::Sandbox;
use molt_common::control::SupervisorStatus;
use molt_common::control::snapshot::{BeginBoot, RestoreStage, SaveNow};
use molt_common::id::UserId;
use molt_common::repository_token::Access;
use molt_common::snapshot::SaveReason;
use molt_common::time::Millis;
use molt_lifecycle::change::Reply;
use molt_lifecycle::sandbox::{Action, Event, Sandbox as Machine, Stage};
use molt_platform::{entropy, log, repository_keys, transaction};
use serde_json::json;
use worker::Result;

/// How long the token of a boot is good.
const TOKEN_MS: u64 = 24 * 60 * 60_000;
/// A token that ends within this time is replaced: half its life is left for a repository or sandbox that does not answer.
const RENEW_MS: u64 = 12 * 60 * 60_000;
/// A supervisor is told how its repository is reached this often, and at once when it says that it has forgotten.
const TELL_AGAIN_MS: u64 = 60_000;
/// What is safe moves with each look at a disk that does not change; it is stored this often then.
const SAFE_STEP_MS: u64 = 20_000;

/// How the disk of a start that is about to be made is kept, or why it cannot be made.
pub async fn of_start(object: &Sandbox, owner: UserId) -> Result<std::result::Result<Event, String>> {
    let was_saved = Snapshots::of(object)?.keeping()?.was_saved();
    if repository_keys::keys(&object.env).is_err() && !was_saved {
        return Ok(Ok(Event::Disk { kept: false, was_saved }));
    }
    if let Err(error) = key::find_room(object, owner).await? {
        log::error(
            "repository_not_looked_at",
            json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
        );
        return Ok(Err(
            "Where your files are to be kept cannot be looked at just now, and nothing is started without it.".into(),
        ));
    }
    Ok(match key::open(object, owner) {
        Ok(_) => Ok(Event::Disk { kept: true, was_saved }),
        Err(error) => {
            log::error(
                "repository_key_not_opened",
                json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
            );
            Err(
                "The key of your files cannot be opened in this deployment, and nothing is started without them."
                    .into(),
            )
        }
    })
}

fn supervisor<'a>(object: &Sandbox, container: &'a molt_platform::container::Container) -> Result<Supervisor<'a>> {
    Ok(Supervisor {
        container,
        token: object.store()?.control_token()?,
    })
}

/// Does what the machine decided about the disk, and what comes of that at once.
pub async fn perform(object: &Sandbox, actions: &[Action]) -> Result<Option<Event>> {
    let machine = object.store()?.load()?;
    if actions.contains(&Action::Begin) {
        return begin(object, &machine).await;
    }
    if actions.contains(&Action::Save) {
        return save_before_stop(object, &machine).await;
    }
    let up = matches!(
        machine.stage,
        Stage::Starting { .. } | Stage::Running | Stage::Stopping { .. }
    );
    if up && machine.disk.can_be_saved() {
        renew(object, &machine).await?;
    }
    Ok(None)
}

async fn begin(object: &Sandbox, machine: &Machine) -> Result<Option<Event>> {
    let Some(owner) = machine.owner else { return Ok(None) };
    let snapshots = Snapshots::of(object)?;
    let branch = transaction::atomically(&object.state, || {
        let mut keeping = snapshots.keeping()?;
        keeping.begin(machine.generation);
        let Some(branch) = keeping.branch.as_mut() else {
            return Err("no boot was begun".into());
        };
        // Told again, it is the same token.
        branch.token_until.get_or_insert(entropy::now().plus(TOKEN_MS));
        let branch = branch.clone();
        snapshots.save_keeping(&keeping)?;
        Ok(branch)
    })?;
    // What the supervisor was told must be known after a loss of this memory.
    object.state.storage().sync().await?;
    let until = branch.token_until.unwrap_or_default();
    let import = legacy::start::plan(object, machine.generation)?;
    let begin = BeginBoot {
        repository: key::access(object, owner, machine.generation, Access::Append, until)?,
        restore: branch.restore.filter(|_| import.is_none()),
        head: branch.head,
        import,
        interval_ms: interval_ms(&object.env),
        config: None,
    };
    let container = object.container()?;
    let reply = supervisor(object, &container)?
        .tell("POST", "/v1/begin", &serde_json::to_string(&begin)?)
        .await;
    Ok(match said(object, "begin", reply) {
        Reply::Refused(why) => Some(Event::CannotBegin {
            cause: format!("The sandbox did not take what its disk is to hold: {why}"),
        }),
        Reply::Taken | Reply::NotNow | Reply::Unreachable => None,
    })
}

async fn save_before_stop(object: &Sandbox, machine: &Machine) -> Result<Option<Event>> {
    let Some(stop) = &machine.disk.stop else {
        return Ok(None);
    };
    let save = SaveNow {
        id: stop.save.clone(),
        reason: SaveReason::BeforeStop,
    };
    let container = object.container()?;
    let reply = supervisor(object, &container)?
        .tell("POST", "/v1/save", &serde_json::to_string(&save)?)
        .await;
    Ok(match said(object, "save", reply) {
        Reply::Refused(why) => Some(Event::SaveRefused { save: save.id, why }),
        Reply::NotNow => {
            // Perhaps it has forgotten how its repository is reached.
            object.access_told_at.set(None);
            renew(object, machine).await?;
            None
        }
        Reply::Taken | Reply::Unreachable => None,
    })
}

/// The token once more, and a new one well before the old one ends.
async fn renew(object: &Sandbox, machine: &Machine) -> Result<()> {
    let snapshots = Snapshots::of(object)?;
    let branch = snapshots.keeping()?.branch;
    let now = entropy::now();
    let until = branch
        .filter(|branch| branch.generation == machine.generation)
        .and_then(|branch| branch.token_until);
    let (Some(until), Some(owner)) = (until, machine.owner) else {
        return Ok(());
    };
    let told = object
        .access_told_at
        .get()
        .is_some_and(|at| now.since(at) < TELL_AGAIN_MS);
    let lasts = until > now.plus(RENEW_MS);
    if told && lasts {
        return Ok(());
    }
    object.access_told_at.set(Some(now));
    let until = if lasts { until } else { now.plus(TOKEN_MS) };
    let repository = key::access(object, owner, machine.generation, Access::Append, until)?;
    let container = object.container()?;
    let body = json!({"repository": repository}).to_string();
    let reply = supervisor(object, &container)?
        .tell("PUT", "/v1/repository", &body)
        .await;
    if said(object, "repository", reply) == Reply::Taken && !lasts {
        let mut keeping = snapshots.keeping()?;
        if let Some(branch) = keeping
            .branch
            .as_mut()
            .filter(|branch| branch.generation == machine.generation)
        {
            branch.token_until = Some(until);
            snapshots.save_keeping(&keeping)?;
        }
    }
    Ok(())
}

fn said(object: &Sandbox, what: &str, reply: Result<Reply>) -> Reply {
    let error = match reply {
        Ok(Reply::Refused(why)) => {
            log::error(
                "supervisor_refused",
                json!({"sandbox": object.state.id().name(), "what": what, "error": why}),
            );
            return Reply::Refused(why);
        }
        Ok(reply) => return reply,
        Err(error) => error,
    };
    log::error(
        "supervisor_not_told",
        json!({"sandbox": object.state.id().name(), "what": what, "error": error.to_string()}),
    );
    Reply::Unreachable
}

/// Notes what the supervisor tells of its disk; the question was put at `asked`.
pub fn told(object: &Sandbox, machine: &Machine, status: &SupervisorStatus, asked: Millis) -> Result<()> {
    let Some(told) = status.snapshots.as_deref() else {
        return Ok(());
    };
    if machine.boot_id.as_ref() != Some(&status.boot_id) || status.generation != machine.generation {
        return Ok(());
    }
    if told.restore == RestoreStage::Waiting && machine.disk.can_be_saved() {
        // It was started again within its boot and has forgotten how its repository is reached.
        object.access_told_at.set(None);
    }
    let snapshots = Snapshots::of(object)?;
    let before = snapshots.keeping()?;
    let mut after = before.clone();
    after.told(machine.generation, told, asked);
    let moved = after
        .safe_until
        .unwrap_or_default()
        .since(before.safe_until.unwrap_or_default());
    let only_later = molt_lifecycle::snapshots::Keeping {
        safe_until: before.safe_until,
        ..after.clone()
    } == before;
    if !only_later || moved >= SAFE_STEP_MS {
        snapshots.save_keeping(&after)?;
    }
    Ok(())
}

/// A generation has ended. Call it in the transaction of the step that ended it.
pub fn ended(object: &Sandbox, before: &Machine, after: &Machine, now: Millis) -> Result<()> {
    let generation = before.generation;
    if !before.lives(generation) || after.lives(generation) {
        return Ok(());
    }
    let snapshots = Snapshots::of(object)?;
    let kept = snapshots.keeping()?;
    let mut keeping = kept.clone();
    keeping.ended(generation, now);
    if keeping == kept {
        return Ok(());
    }
    snapshots.save_keeping(&keeping)?;
    match (&keeping.loss, after.owner) {
        (Some(loss), Some(owner)) if keeping.loss != kept.loss => notes::lost(object, owner, loss, after.disk.cut),
        _ => Ok(()),
    }
}
