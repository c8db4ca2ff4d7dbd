//! One step of a removal, performed.

use super::bucket::Lies;
use super::database;
use super::store::Asked;
use crate::control_plane::calls::{ForgetUser, SetSuspension};
use crate::exec_store::read_calls::Erase;
use crate::{control_plane, exec_store};
use molt_common::api::JobState;
use molt_common::api::removal::Place;
use molt_common::control::SessionEnd;
use molt_common::id::{ExecId, SandboxId};
use molt_common::job_id::JobKind;
use molt_common::repository_call::{EraseSandbox, Erased};
use molt_common::sandbox_call::{EndSessions, GetState, Lifecycle};
use molt_common::sandbox_change::{ChangeAnswer, ChangeSandbox, Wanted};
use molt_lifecycle::removal::{Removal, Step, Told};
use molt_platform::call;
use serde_json::json;
use worker::{Env, Result, Stub};

/// How long the sandbox may take to be gone.
const DESTROY_TIMEOUT_MS: u64 = 120_000;
/// It is looked at again after this long.
const LOOK_MS: u64 = 500;

const BUCKET: &str = "MOLTBOT_BUCKET";

/// Takes a step. An error is one that may be gone the next time.
pub async fn take(env: &Env, asked: &Asked, removal: &Removal, step: Step) -> Result<Told> {
    match step {
        Step::Empty(place) => empty(env, asked, place).await,
        Step::Count(place) => count(env, asked, place).await,
        Step::Finish => finish(env, asked, removal).await,
        Step::Wait(_) | Step::Over => Ok(Told::Later { after_ms: 0 }),
    }
}

fn sandbox(env: &Env, asked: &Asked) -> Result<Stub> {
    call::sandbox(env, &SandboxId::personal(asked.user))
}

async fn empty(env: &Env, asked: &Asked, place: Place) -> Result<Told> {
    match place {
        Place::Sessions => {
            let suspend = SetSuspension {
                user: asked.user,
                suspended: true,
                reason: "being removed".into(),
                author: asked.author.clone(),
            };
            let outcome = call::make(&control_plane::stub(env)?, &suspend).await?;
            let removed = u64::from(outcome.changed);
            Ok(Told::Done { removed, bytes: 0 })
        }
        Place::Sandbox => destroy(env, asked).await,
        Place::Records => {
            let erase = EraseSandbox { owner: asked.user };
            Ok(match call::make(&sandbox(env, asked)?, &erase).await? {
                Erased::Done { rows } => Told::Done {
                    removed: rows,
                    bytes: 0,
                },
                Erased::NotStopped { lifecycle } => Told::Failed {
                    why: format!("the sandbox is {}", lifecycle.word()),
                },
            })
        }
        Place::Snapshots => Lies::Snapshots.empty(&env.bucket(BUCKET)?, asked.user).await,
        Place::OlderBackups => Lies::OlderBackups.empty(&env.bucket(BUCKET)?, asked.user).await,
        Place::Commands => {
            let removed = call::make(&exec_store::stub(env, asked.user)?, &Erase {}).await?;
            Ok(Told::Done { removed, bytes: 0 })
        }
        Place::Database => database::empty(env, asked.user, asked.email.as_deref()).await,
    }
}

/// Has the container stopped and its disk discarded. The same call again asks how that stands.
async fn destroy(env: &Env, asked: &Asked) -> Result<Told> {
    let key = format!("{} {}", asked.job_id, asked.destroyed_in_vain);
    let change = ChangeSandbox {
        id: ExecId::of_key(JobKind::UserRemoval.word(), &key),
        owner: asked.user,
        tier: asked.tier,
        wanted: Wanted::Destroy,
        discard_disk: true,
        parent: Some(asked.job_id.clone()),
        by: asked.author.clone(),
        request_id: asked.author.request_id.clone(),
        timeout_ms: DESTROY_TIMEOUT_MS,
    };
    Ok(match call::make(&sandbox(env, asked)?, &change).await? {
        ChangeAnswer::Accepted { change } => match change.state {
            JobState::Succeeded => {
                let ran = !matches!(
                    change.found,
                    Lifecycle::Stopped | Lifecycle::Sleeping | Lifecycle::Failed
                );
                Told::Done {
                    removed: u64::from(ran),
                    bytes: 0,
                }
            }
            state if state.is_terminal() => Told::Failed {
                why: change.error.unwrap_or_else(|| state.word().into()),
            },
            _ => Told::Later { after_ms: LOOK_MS },
        },
        ChangeAnswer::Busy { job } => Told::Failed {
            why: format!("{job} is under way"),
        },
        ChangeAnswer::WouldDiscardDisk { .. } | ChangeAnswer::Conflict => Told::Failed {
            why: "the sandbox was not destroyed".into(),
        },
        ChangeAnswer::Refused { text, .. } => Told::Failed { why: text },
    })
}

async fn count(env: &Env, asked: &Asked, place: Place) -> Result<Told> {
    match place {
        Place::Sessions => {
            // Sockets that are open are closed by the question, and counted.
            let end = EndSessions {
                session: None,
                reason: SessionEnd::Suspended,
            };
            Ok(match call::make(&sandbox(env, asked)?, &end).await?.sockets {
                Some(sockets) => Told::Counted {
                    left: u64::from(sockets),
                },
                None => Told::Failed {
                    why: "the sandbox does not answer".into(),
                },
            })
        }
        Place::Sandbox => {
            let view = call::make(&sandbox(env, asked)?, &GetState {}).await?;
            let stopped = matches!(view.lifecycle, Lifecycle::Stopped);
            Ok(Told::Counted {
                left: u64::from(!stopped),
            })
        }
        Place::Records => {
            let erase = EraseSandbox { owner: asked.user };
            Ok(match call::make(&sandbox(env, asked)?, &erase).await? {
                Erased::Done { rows } => Told::Counted { left: rows },
                Erased::NotStopped { .. } => Told::Counted { left: 1 },
            })
        }
        Place::Snapshots => Lies::Snapshots.count(&env.bucket(BUCKET)?, asked.user).await,
        Place::OlderBackups => Lies::OlderBackups.count(&env.bucket(BUCKET)?, asked.user).await,
        Place::Commands => {
            let left = call::make(&exec_store::stub(env, asked.user)?, &Erase {}).await?;
            Ok(Told::Counted { left })
        }
        Place::Database => database::count(env, asked.user, asked.email.as_deref()).await,
    }
}

/// He is nobody any more: what remains is the note of it.
async fn finish(env: &Env, asked: &Asked, removal: &Removal) -> Result<Told> {
    let forget = ForgetUser {
        user: asked.user,
        email: asked.email.clone(),
        job_id: asked.job_id.clone(),
        author: asked.author.clone(),
        detail: json!({"user": asked.user, "places": removal.places}),
    };
    call::make(&control_plane::stub(env)?, &forget).await?;
    Ok(Told::Done { removed: 0, bytes: 0 })
}
