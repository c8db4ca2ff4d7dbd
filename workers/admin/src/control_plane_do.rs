//! The `ControlPlane` Durable Object: the truth about admin keys, ended sessions, suspended users, invitations and flags.

use crate::control_plane::adoption::{self, Watch};
use crate::control_plane::calls::{
    EndOneSession, ForgetUser, KeepKey, KeyPage, ListKeys, NoteJob, NoteUse, Outcome, ReadBootstrap, ReadKey,
    ReadTrust, RevokeKey, SetInvitation, SetProfile, SetSuspension, SwitchBootstrap,
};
use crate::control_plane::deliver;
use crate::control_plane::flag_calls::{ChangeFlag, ReadFlagHistory, ReadFlags};
use crate::control_plane::recovery;
use crate::control_plane::store::{Store, Task};
use molt_common::audit_call::VerifyChain;
use molt_common::object_call::Call;
use molt_platform::unwound::unwound;
use molt_platform::{call, entropy, log};
use serde_json::json;
use std::cell::Cell;
use std::panic::RefUnwindSafe;
use worker::{DurableObject, Env, Request, Response, Result, State};
use worker_macros::durable_object;

/// There is one. Everything is in SQLite; memory holds nothing but when the override in KV was last looked at.
#[durable_object]
pub struct ControlPlane {
    pub(crate) state: State,
    pub(crate) env: Env,
    pub(crate) watch: Watch,
    tables_exist: Cell<bool>,
}

// Nothing in memory can be left half changed by a panic.
impl RefUnwindSafe for ControlPlane {}

impl ControlPlane {
    /// Its tables.
    pub(crate) fn store(&self) -> Result<Store<'_>> {
        if !self.tables_exist.get() {
            Store::create(&self.state)?;
            self.tables_exist.set(true);
        }
        Ok(Store::of(&self.state))
    }

    /// Has the alarm carry on what was committed.
    pub(crate) async fn carry_on(&self) -> Result<()> {
        self.state.storage().set_alarm(0_i64).await
    }

    /// Copies to D1 now, so that the caller reads what he wrote; the alarm does what this could not.
    async fn copied(&self, store: &Store<'_>, changed: bool) -> Result<Outcome> {
        if !changed {
            return Ok(Outcome { changed, copied: true });
        }
        self.carry_on().await?;
        let copied = deliver::perform(self, store, Task::is_copy).await?;
        Ok(Outcome { changed, copied })
    }
}

impl DurableObject for ControlPlane {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            watch: Watch::default(),
            tables_exist: Cell::new(false),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        unwound(self.answer(request)).await?
    }

    async fn alarm(&self) -> Result<Response> {
        let delivered = unwound(deliver::run(self)).await;
        if let Err(error) = delivered.unwrap_or_else(|panicked| Err(panicked.into())) {
            // The runtime would repeat a failed alarm with growing pauses; ours has its own pace.
            log::error("control_alarm_failed", json!({"error": error.to_string()}));
            self.state.storage().set_alarm(1_000_i64).await?;
        }
        Response::empty()
    }
}

impl ControlPlane {
    async fn answer(&self, mut request: Request) -> Result<Response> {
        let store = self.store()?;
        let now = entropy::now();
        match request.path().as_str() {
            ReadTrust::PATH => {
                let read: ReadTrust = call::read(&mut request).await?;
                adoption::look(self, &store).await?;
                let news = read.known != Some(store.version()?);
                let snapshot = if news { Some(store.snapshot(now)?) } else { None };
                call::answer::<ReadTrust>(&snapshot)
            }
            EndOneSession::PATH => {
                let end: EndOneSession = call::read(&mut request).await?;
                store.end_session(&end.ended, now)?;
                adoption::look(self, &store).await?;
                self.carry_on().await?;
                call::answer::<EndOneSession>(&store.snapshot(now)?)
            }
            KeepKey::PATH => {
                let kept = store.keep_key(&call::read(&mut request).await?, now)?;
                self.carry_on().await?;
                call::answer::<KeepKey>(&kept)
            }
            ListKeys::PATH => {
                let list: ListKeys = call::read(&mut request).await?;
                call::answer::<ListKeys>(&KeyPage {
                    keys: store.keys(&list.after, list.limit)?,
                    bootstrap_off: store.bootstrap_off()?,
                })
            }
            ReadKey::PATH => {
                let read: ReadKey = call::read(&mut request).await?;
                call::answer::<ReadKey>(&store.key(&read.id)?)
            }
            RevokeKey::PATH => {
                let revoke: RevokeKey = call::read(&mut request).await?;
                let revoked = store.revoke(&revoke.id, &revoke.author)?;
                self.carry_on().await?;
                call::answer::<RevokeKey>(&revoked)
            }
            NoteUse::PATH => {
                let used: NoteUse = call::read(&mut request).await?;
                store.note_use(&used.id, now)?;
                call::answer::<NoteUse>(&())
            }
            SwitchBootstrap::PATH => {
                let switch: SwitchBootstrap = call::read(&mut request).await?;
                let switched = store.switch_bootstrap(switch.off, &switch.author)?;
                self.carry_on().await?;
                call::answer::<SwitchBootstrap>(&switched)
            }
            ReadBootstrap::PATH => call::answer::<ReadBootstrap>(&store.bootstrap_off()?),
            SetSuspension::PATH => {
                let changed = store.set_suspension(&call::read(&mut request).await?)?;
                call::answer::<SetSuspension>(&self.copied(&store, changed).await?)
            }
            SetProfile::PATH => {
                let changed = store.set_profile(&call::read(&mut request).await?)?;
                call::answer::<SetProfile>(&self.copied(&store, changed).await?)
            }
            SetInvitation::PATH => {
                let changed = store.set_invitation(&call::read(&mut request).await?)?;
                call::answer::<SetInvitation>(&self.copied(&store, changed).await?)
            }
            ForgetUser::PATH => {
                store.forget_user(&call::read(&mut request).await?)?;
                self.carry_on().await?;
                call::answer::<ForgetUser>(&())
            }
            ReadFlags::PATH => {
                adoption::look(self, &store).await?;
                call::answer::<ReadFlags>(&store.flags_state()?)
            }
            ReadFlagHistory::PATH => {
                let read: ReadFlagHistory = call::read(&mut request).await?;
                adoption::look(self, &store).await?;
                call::answer::<ReadFlagHistory>(&store.flag_history(&read)?)
            }
            ChangeFlag::PATH => {
                let change: ChangeFlag = call::read(&mut request).await?;
                // An override that was written before this change must not undo it.
                adoption::look_now(self, &store).await?;
                let changed = store.change_flag(&change)?;
                self.carry_on().await?;
                call::answer::<ChangeFlag>(&changed)
            }
            NoteJob::PATH => {
                store.note_job(&call::read(&mut request).await?)?;
                self.carry_on().await?;
                call::answer::<NoteJob>(&())
            }
            VerifyChain::PATH => {
                let verify: VerifyChain = call::read(&mut request).await?;
                call::answer::<VerifyChain>(&store.audit().verify(&verify)?)
            }
            path if path.starts_with(recovery::PREFIX) => recovery::answer(self, &mut request).await,
            _ => Response::error("no such call", 404),
        }
    }
}
