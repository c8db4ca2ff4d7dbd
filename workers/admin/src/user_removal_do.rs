//! The `UserRemoval` Durable Object: the removal of one user.

use crate::bulk_job::notes;
use crate::control_plane::calls::NoteJob;
use crate::user_removal::calls::{Read, Submit, Submitted};
use crate::user_removal::drive;
use crate::user_removal::store::{Asked, Store};
use molt_common::object_call::Call;
use molt_lifecycle::removal::Removal;
use molt_platform::unwound::unwound;
use molt_platform::{call, entropy, log, transaction};
use serde_json::json;
use std::panic::RefUnwindSafe;
use worker::{DurableObject, Env, Request, Response, Result, State};
use worker_macros::durable_object;

/// Removals of one user, one at a time. Everything is in SQLite; memory holds nothing.
#[durable_object]
pub struct UserRemoval {
    pub(crate) state: State,
    pub(crate) env: Env,
}

// Nothing in memory can be left half changed by a panic.
impl RefUnwindSafe for UserRemoval {}

impl DurableObject for UserRemoval {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        unwound(self.answer(request)).await?
    }

    async fn alarm(&self) -> Result<Response> {
        let driven = unwound(drive::run(self)).await;
        if let Err(error) = driven.unwrap_or_else(|panicked| Err(panicked.into())) {
            // The runtime would repeat a failed alarm with growing pauses; ours has its own pace.
            log::error(
                "removal_alarm_failed",
                json!({"user": self.state.id().name(), "error": error.to_string()}),
            );
            self.state.storage().set_alarm(1_000_i64).await?;
        }
        Response::empty()
    }
}

impl UserRemoval {
    async fn answer(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            Submit::PATH => {
                let submit = call::read(&mut request).await?;
                call::answer::<Submit>(&self.submit(&submit).await?)
            }
            Read::PATH => {
                let standing = match Store::existing(&self.state)? {
                    Some(store) => store.standing()?,
                    None => None,
                };
                call::answer::<Read>(&standing)
            }
            _ => Response::error("no such call", 404),
        }
    }

    async fn submit(&self, submit: &Submit) -> Result<Submitted> {
        let known = match Store::existing(&self.state)? {
            Some(store) => store.load()?,
            None => None,
        };
        if let Some((asked, removal)) = known {
            if asked.job_id == submit.job_id {
                let view = Box::new(asked.view(&removal));
                return Ok(Submitted::Accepted { view });
            }
            if !removal.state.is_terminal() {
                return Ok(Submitted::Busy { job: asked.job_id });
            }
        }
        let (asked, removal) = (Asked::from(submit), Removal::new(entropy::now()));
        transaction::atomically(&self.state, || {
            let store = Store::create(&self.state)?;
            store.save(&asked, None, &removal)?;
            notes::put(
                store.sql(),
                &NoteJob {
                    job_id: submit.job_id.clone(),
                    action: "user.removal_requested".into(),
                    author: submit.author.clone(),
                    detail: json!({"user": submit.user}),
                },
            )
        })?;
        self.state.storage().set_alarm(0_i64).await?;
        let view = Box::new(asked.view(&removal));
        Ok(Submitted::Accepted { view })
    }
}
