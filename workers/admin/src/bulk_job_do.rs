//! The `BulkJob` Durable Object: one command or change in the sandboxes of many users.

use crate::bulk_job::calls::{Cancel, Children, Read, Submit, Submitted};
use crate::bulk_job::store::{Asked, Store};
use crate::bulk_job::{drive, notes};
use crate::control_plane::calls::NoteJob;
use molt_common::object_call::Call;
use molt_lifecycle::bulk::BulkJob as Job;
use molt_platform::unwound::unwound;
use molt_platform::{call, entropy, log, transaction};
use serde_json::json;
use std::panic::RefUnwindSafe;
use worker::{DurableObject, Env, Request, Response, Result, State};
use worker_macros::durable_object;

/// One job. Everything is in SQLite; memory holds nothing.
#[durable_object]
pub struct BulkJob {
    pub(crate) state: State,
    pub(crate) env: Env,
}

// Nothing in memory can be left half changed by a panic.
impl RefUnwindSafe for BulkJob {}

impl DurableObject for BulkJob {
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
                "bulk_alarm_failed",
                json!({"job": self.state.id().name(), "error": error.to_string()}),
            );
            self.state.storage().set_alarm(1_000_i64).await?;
        }
        Response::empty()
    }
}

impl BulkJob {
    async fn answer(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            Submit::PATH => {
                let submit = call::read(&mut request).await?;
                call::answer::<Submit>(&self.submit(&submit).await?)
            }
            Read::PATH => {
                let view = match Store::existing(&self.state)? {
                    Some(store) => Some(store.asked()?.view(&store.job()?)),
                    None => None,
                };
                call::answer::<Read>(&view)
            }
            Children::PATH => {
                let children: Children = call::read(&mut request).await?;
                let page = match Store::existing(&self.state)? {
                    Some(store) => Some(store.children(children.after, children.limit)?),
                    None => None,
                };
                call::answer::<Children>(&page)
            }
            Cancel::PATH => {
                let cancel = call::read(&mut request).await?;
                call::answer::<Cancel>(&self.cancel(&cancel).await?)
            }
            _ => Response::error("no such call", 404),
        }
    }

    async fn submit(&self, submit: &Submit) -> Result<Submitted> {
        if let Some(store) = Store::existing(&self.state)? {
            let asked = store.asked()?;
            if asked.fingerprint != submit.fingerprint {
                return Ok(Submitted::OtherBody);
            }
            let view = Box::new(asked.view(&store.job()?));
            return Ok(Submitted::Accepted { view });
        }
        let users: Vec<_> = submit.targets.iter().map(|target| target.user_id).collect();
        let job = match Job::new(&users, submit.limits, entropy::now()) {
            Ok(job) => job,
            Err(refusal) => {
                return Ok(Submitted::Refused {
                    error: refusal.to_string(),
                });
            }
        };
        let asked = Asked::from(submit);
        let mut detail = submit.work.detail();
        for (name, value) in [
            ("users", json!(users.len())),
            ("concurrency", json!(submit.limits.concurrency)),
            ("delayMs", json!(submit.limits.pause_ms)),
            ("stopAfterFailures", json!(submit.limits.stop_after_failures)),
        ] {
            if let Some(fields) = detail.as_object_mut() {
                fields.insert(name.into(), value);
            }
        }
        transaction::atomically(&self.state, || {
            let store = Store::create(&self.state)?;
            store.insert(&asked, &job)?;
            notes::put(
                store.sql(),
                &NoteJob {
                    job_id: submit.job_id.clone(),
                    action: "bulk.submitted".into(),
                    author: submit.author.clone(),
                    detail,
                },
            )
        })?;
        self.state.storage().set_alarm(0_i64).await?;
        let view = Box::new(asked.view(&job));
        Ok(Submitted::Accepted { view })
    }

    async fn cancel(&self, cancel: &Cancel) -> Result<bool> {
        let Some(store) = Store::existing(&self.state)? else {
            return Ok(false);
        };
        let (asked, mut job) = (store.asked()?, store.job()?);
        let before = job.clone();
        job.cancel(entropy::now());
        if job.cancel_wanted && !before.cancel_wanted {
            transaction::atomically(&self.state, || {
                store.set_canceller(&cancel.author)?;
                store.save(&asked, &before, &job)?;
                notes::put(
                    store.sql(),
                    &NoteJob {
                        job_id: asked.job_id.clone(),
                        action: "bulk.cancelled".into(),
                        author: cancel.author.clone(),
                        detail: json!({"progress": before.progress()}),
                    },
                )
            })?;
            self.state.storage().set_alarm(0_i64).await?;
        }
        Ok(true)
    }
}
