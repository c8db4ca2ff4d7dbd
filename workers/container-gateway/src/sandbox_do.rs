//! The `Sandbox` Durable Object: the one owner of a sandbox's lifecycle and generation.

use crate::sandbox::{
    alarm::Alarm, calls, changes, drive, outbound, providers, repository_name, store::Store, traffic, waits::Waits,
};
use molt_common::control::config::ConfigStatus;
use molt_common::control::header::REQUEST_ID;
use molt_common::control::provider::ProvidersView;
use molt_common::ended_sessions::EndedSessions;
use molt_common::object_call::CALL_HOST;
use molt_common::problem::Problem;
use molt_common::time::Millis;
use molt_lifecycle::change::Observation;
use molt_platform::container::Container;
use molt_platform::forward::header;
use molt_platform::unwound::{Panicked, unwound};
use molt_platform::{log, respond};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::panic::RefUnwindSafe;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::DurableObjectState;
use worker::{DurableObject, Env, Error, Request, Response, Result, State};
use worker_macros::durable_object;

/// One sandbox. Everything that matters is in its SQLite storage; memory holds nothing that may not be lost.
#[durable_object]
pub struct Sandbox {
    pub(crate) state: State,
    pub(crate) env: Env,
    /// When lists were last told, so that an unchanged sandbox is not announced with every heartbeat.
    pub(crate) announced_at: Cell<u64>,
    /// For requests that wait here while their session ends.
    pub(crate) ended: RefCell<EndedSessions>,
    /// Whether it was seen to that nothing is left of what ran before, where there is no such thing.
    pub(crate) stands_alone: Cell<bool>,
    /// Requests that the sandbox has and has not answered.
    pub(crate) in_flight: Cell<u32>,
    /// Requests and streams that wait here for what another event does.
    pub(crate) waits: Waits,
    /// When a request or job needed it last.
    pub(crate) used_at: Cell<Option<Millis>>,
    /// When somebody followed work in it last.
    pub(crate) followed_at: Cell<Option<Millis>>,
    /// What this memory knows of the alarm.
    pub(crate) alarm: Alarm,
    /// The newest look at the container.
    pub(crate) observation: RefCell<Option<Observation>>,
    /// When the supervisor was told how its repository is reached last.
    pub(crate) access_told_at: Cell<Option<Millis>>,
    /// Whether this memory has seen to it that the sandbox finds its repository.
    pub(crate) repository_led: Cell<bool>,
    /// The same for the name of providers.
    pub(crate) providers_led: Cell<bool>,
    /// The start and the revision of the secrets that its supervisor is known to have been given.
    pub(crate) providers_handed: Cell<Option<(u64, u64)>>,
    /// What the supervisor said of that last, until it was looked at; `None` within from one that takes nothing.
    pub(crate) providers_told: RefCell<Option<Option<ProvidersView>>>,
    /// Whether this memory has seen to it that the sandbox's ways out lead where its start said.
    pub(crate) outbound_led: Cell<bool>,
    /// Whether this memory has led all of them through the edge, for this start or an earlier one.
    pub(crate) outbound_caught: Cell<bool>,
    /// Somebody changes the configuration of the agent just now.
    pub(crate) config_turn: Cell<bool>,
    /// What the supervisor said of that configuration last, until it was looked at.
    pub(crate) config_told: RefCell<Option<ConfigStatus>>,
    /// When lists were told last what was counted.
    pub(crate) usage_told_at: Cell<Option<Millis>>,
    /// When it was seen to that the user's secrets are sealed under the current key.
    pub(crate) secrets_seen_at: Cell<Option<Millis>>,
    /// Whether there were any then.
    pub(crate) has_secrets: Cell<bool>,
    tables_exist: Cell<bool>,
}

// Nothing in memory can be left half changed by a panic: state is read from and written to SQLite.
impl RefUnwindSafe for Sandbox {}

impl Sandbox {
    /// Its container.
    ///
    /// # Errors
    /// When the deployment gave the class none.
    pub(crate) fn container(&self) -> Result<Container> {
        Container::of(&self.state)
            .ok_or_else(|| Error::RustError("the Sandbox class has no container configured".into()))
    }

    /// Its storage, with tables in place.
    pub(crate) fn store(&self) -> Result<Store> {
        if !self.tables_exist.get() {
            Store::create(&self.state)?;
            self.tables_exist.set(true);
        }
        Ok(Store::of(&self.state))
    }

    /// The same object for a stream, which outlives the event that made it: it reads what is stored and sees who waits, and settles nothing.
    pub(crate) fn reader(&self) -> Self {
        let state: &JsValue = self.state.as_raw().as_ref();
        let state: DurableObjectState = state.clone().unchecked_into();
        Self {
            waits: self.waits.clone(),
            stands_alone: Cell::new(true),
            tables_exist: Cell::new(self.tables_exist.get()),
            ..<Self as DurableObject>::new(State::from(state), self.env.clone())
        }
    }
}

impl DurableObject for Sandbox {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            announced_at: Cell::new(0),
            ended: RefCell::default(),
            stands_alone: Cell::new(false),
            in_flight: Cell::new(0),
            waits: Waits::default(),
            used_at: Cell::new(None),
            followed_at: Cell::new(None),
            alarm: Alarm::default(),
            observation: RefCell::default(),
            access_told_at: Cell::new(None),
            repository_led: Cell::new(false),
            providers_led: Cell::new(false),
            providers_handed: Cell::new(None),
            providers_told: RefCell::default(),
            outbound_led: Cell::new(false),
            outbound_caught: Cell::new(false),
            config_turn: Cell::new(false),
            config_told: RefCell::default(),
            usage_told_at: Cell::new(None),
            secrets_seen_at: Cell::new(None),
            has_secrets: Cell::new(false),
            tables_exist: Cell::new(false),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        repository_name::keep(self).await;
        providers::name::keep(self).await;
        outbound::keep(self).await;
        if request.url()?.host_str() == Some(CALL_HOST) {
            return unwound(calls::answer(self, request)).await?;
        }
        match unwound(traffic::answer(self, request.inner())).await {
            Ok(answered) => answered.map(Response::from),
            Err(Panicked) => {
                let rid = header(request.inner(), REQUEST_ID).unwrap_or_default();
                log::error(
                    "sandbox_panicked",
                    json!({"requestId": rid, "sandbox": self.state.id().name()}),
                );
                respond::problem(&Problem::internal().request(&rid)).map(Response::from)
            }
        }
    }

    async fn alarm(&self) -> Result<Response> {
        repository_name::keep(self).await;
        providers::name::keep(self).await;
        outbound::keep(self).await;
        let driven = unwound(changes::drive::telling(self, drive::run(self))).await;
        if let Err(error) = driven.unwrap_or_else(|panicked| Err(panicked.into())) {
            // The runtime would repeat a failed alarm with growing pauses; ours has its own pace.
            log::error(
                "sandbox_alarm_failed",
                json!({"sandbox": self.state.id().name(), "error": error.to_string()}),
            );
            self.state.storage().set_alarm(1_000_i64).await?;
        }
        Response::empty()
    }
}
