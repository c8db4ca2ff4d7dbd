//! How far the sandbox is, for its user: at once, and as a stream of server-sent events. Nothing here starts, wakes or extends anything.

use super::ownership;
use super::waits::{Kind, Waiting};
use crate::sandbox_do::Sandbox;
use futures_util::stream::{self, Stream};
use molt_common::boot::{BootView, Next, NotWatched, StartTimes, WatchBoot};
use molt_common::output::events;
use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
use molt_common::time::Millis;
use molt_platform::{call, entropy, respond};
use worker::{Response, Result};

/// A stream ends after this long, whatever is under way; a browser comes back by itself.
const STREAM_MS: u64 = 120_000;
/// An agent that did not admit a request is looked at by the alarm within this time; until then what is stored says that it runs.
const DOUBT_MS: u64 = 3_000;
/// Milliseconds of silence after which a heartbeat is due: by it is noticed that a page was closed, whose place others may need.
const HEARTBEAT_MS: u64 = 5_000;
/// A stream looks this often though nothing was changed.
const LOOK_AGAIN_MS: u64 = 1_000;

/// What is known of the sandbox, with what requests have just met: what is stored says that it runs until the alarm has looked.
pub fn doubted(object: &Sandbox, mut view: SandboxView) -> Result<SandboxView> {
    if view.lifecycle != Lifecycle::Running {
        return Ok(view);
    }
    let met = object
        .waits
        .not_ready_at()
        .filter(|at| entropy::now().since(*at) < DOUBT_MS);
    let not_looked_at = met.is_some_and(|met| view.observed_at.is_none_or(|seen| seen <= met));
    if not_looked_at || object.store()?.load()?.misses > 0 {
        (view.lifecycle, view.phase) = (Lifecycle::Starting, Some(Phase::Agent));
        view.cause.get_or_insert_with(|| "It did not answer just now.".into());
    }
    Ok(view)
}

/// How far it is.
pub fn progress(object: &Sandbox) -> Result<BootView> {
    shown(object, &doubted(object, ownership::view(object)?)?)
}

/// The same of what the caller knows.
pub fn shown(object: &Sandbox, view: &SandboxView) -> Result<BootView> {
    Ok(BootView::of(view, &object.store()?.start_times()?, entropy::now()))
}

/// Notes where it stands after a step. Call it in the transaction of the step.
pub fn note(object: &Sandbox, before: &SandboxView, after: &SandboxView, now: Millis) -> Result<()> {
    let store = object.store()?;
    let mut times: StartTimes = store.start_times()?;
    let (from, to) = (before.lifecycle, after.lifecycle);
    if times.observe(from, to, after.phase, after.generation, now) {
        store.save_start_times(&times)?;
    }
    Ok(())
}

/// A stream of how far it is, or why there is none.
pub fn watch(object: &Sandbox, wanted: WatchBoot) -> Result<Response> {
    let now = entropy::now();
    let until = now.plus(STREAM_MS);
    let place = match object.waits.take(Kind::Stream, now, until) {
        Ok(place) => place,
        Err(open) => return call::answer::<WatchBoot>(&NotWatched { open }),
    };
    let open = Open {
        object: object.reader(),
        seen: wanted.seen,
        until,
        greeted: false,
        over: false,
        _place: place,
    };
    let response = Response::from_stream(open.into_stream())?;
    let headers = response.headers();
    headers.set("content-type", events::CONTENT_TYPE)?;
    // Nothing on the way may keep, compress or gather it.
    headers.set("cache-control", "no-store, no-transform")?;
    headers.set("x-accel-buffering", "no")?;
    // The agent's service worker keeps whatever it may.
    let (name, value) = respond::KEPT_BY_NOBODY;
    headers.set(name, value)?;
    Ok(response)
}

/// One open stream.
struct Open {
    object: Sandbox,
    seen: Option<String>,
    until: Millis,
    greeted: bool,
    over: bool,
    _place: Waiting,
}

impl Open {
    fn into_stream(self) -> impl Stream<Item = Result<Vec<u8>>> + 'static {
        stream::unfold(self, async |mut open| {
            let next = open.next().await.transpose()?;
            Some((next.map(String::into_bytes), open))
        })
    }

    /// What is to be sent next; `None` at the end.
    async fn next(&mut self) -> Result<Option<String>> {
        if self.over {
            return Ok(None);
        }
        let silent_until = entropy::now().plus(HEARTBEAT_MS);
        loop {
            let version = self.object.waits.version();
            let progress = progress(&self.object)?;
            // Whoever saw it already is told again when nothing else will follow, or he would come back for it for ever.
            let last = progress.next != Next::Watch;
            if last || self.seen.as_ref() != Some(&progress.event) {
                self.over = last;
                let greeting = if self.greeted { "" } else { events::GREETING };
                self.greeted = true;
                let (id, data) = (&progress.event, serde_json::to_string(&progress)?);
                let event = format!("{greeting}id: {id}\nevent: progress\ndata: {data}\n\n");
                self.seen = Some(progress.event);
                return Ok(Some(event));
            }
            let now = entropy::now();
            if now >= self.until {
                return Ok(None);
            }
            if now >= silent_until {
                return Ok(Some(events::HEARTBEAT.to_owned()));
            }
            // Some of it changes with the clock alone.
            self.object.waits.change(version, now.plus(LOOK_AGAIN_MS)).await;
        }
    }
}
