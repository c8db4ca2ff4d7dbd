//! What a command writes as server-sent events, made by the object itself: one stream reads the tables in its own pace, and only when its reader
//! asks for more, so that a slow one costs no memory.

use super::read_calls::{FollowOutput, NotFollowed};
use super::read_output;
use super::store::Store;
use super::watch::{Watches, Watching, moved};
use crate::exec_result_store_do::ExecResultStore;
use futures_util::stream::{self, Stream};
use molt_common::id::ExecId;
use molt_common::output::events;
use molt_common::output::follow::Follower;
use molt_platform::{call, entropy};
use worker::{Response, Result};

/// Bytes of output that a stream reads at a time.
const STEP_BYTES: u64 = 64 * 1024;
/// A stream of a command that is followed by so many is refused.
const MOST_OF_ONE: u32 = 32;
/// The same for a sandbox whose commands are followed by so many: as many as may be under way, twice.
const MOST_OF_ALL: u32 = 128;

impl ExecResultStore {
    /// A stream of events, or why there is none.
    pub(crate) fn follow_output(&self, asked: FollowOutput) -> Result<Response> {
        let store = self.store()?;
        let refused = match read_output::read(&store, &asked.exec_id, asked.last.cursor, 0)? {
            None => Some(NotFollowed::Unknown),
            Some(reading) if reading.beyond => Some(NotFollowed::Beyond),
            Some(reading) if reading.done && asked.last.ended => Some(NotFollowed::Over),
            Some(_) if self.watches.watchers(&asked.exec_id) >= MOST_OF_ONE => Some(NotFollowed::TooMany {
                open: self.watches.watchers(&asked.exec_id),
            }),
            Some(_) if self.watches.watching() >= MOST_OF_ALL => Some(NotFollowed::TooMany {
                open: self.watches.watching(),
            }),
            Some(_) => None,
        };
        if let Some(refused) = refused {
            return call::answer::<FollowOutput>(&refused);
        }
        let open = Open {
            watching: self.watches.watch(&asked.exec_id),
            watches: self.watches.clone(),
            store,
            exec_id: asked.exec_id,
            follower: Follower::new(asked.last),
            greeted: false,
        };
        let response = Response::from_stream(open.into_stream())?;
        let headers = response.headers();
        headers.set("content-type", events::CONTENT_TYPE)?;
        // Nothing on the way may keep, compress or gather it.
        headers.set("cache-control", "no-store, no-transform")?;
        headers.set("x-accel-buffering", "no")?;
        Ok(response)
    }
}

/// One open stream.
struct Open {
    store: Store,
    exec_id: ExecId,
    follower: Follower,
    greeted: bool,
    watches: Watches,
    /// What it writes is fetched soon while this is held.
    #[expect(dead_code)]
    watching: Watching,
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
        if self.follower.is_over() {
            return Ok(None);
        }
        let silent_until = entropy::now().plus(events::HEARTBEAT_MS);
        loop {
            let seen = self.watches.version(&self.exec_id);
            let reading = read_output::read(&self.store, &self.exec_id, self.follower.cursor(), STEP_BYTES)?;
            // Forgotten meanwhile: whoever comes back learns that.
            let Some(reading) = reading else { return Ok(None) };
            let events = self.follower.tell(&reading.into_news());
            if !events.is_empty() {
                let greeting = if self.greeted { "" } else { events::GREETING };
                self.greeted = true;
                return Ok(Some(format!("{greeting}{}", events.into_text())));
            }
            if !moved(|| self.watches.version(&self.exec_id), seen, silent_until).await {
                return Ok(Some(events::HEARTBEAT.to_owned()));
            }
        }
    }
}
