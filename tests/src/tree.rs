//! A command whose processes go every way a process can go, and the time until none of them is alive.

use crate::people::User;
use crate::processes;
use crate::stack::Stack;
use crate::truth::MARK;
use crate::wait::{try_until, until};
use molt_common::time::Millis;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Processes that the bomb may have.
pub const BOMB: u64 = 128;
/// A user of its own, so that the bound counts nobody else.
const BOMBER: u32 = 4_242;
/// Between TERM and KILL.
const GRACE: Duration = Duration::from_millis(1_000);
/// From KILL until nothing is alive, on a machine that the bomb keeps busy.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// Ignores TERM; goes into a session of its own; forks twice; is stopped; never stops forking. And waits.
const TREE: &str = r#"
cd /tmp
(trap '' TERM HUP INT; while :; do sleep 0.2; done) &
setsid sh -c 'trap "" TERM; while :; do sleep 0.2; done' </dev/null >/dev/null 2>&1 &
(setsid nohup sleep 600 </dev/null >/dev/null 2>&1 &)
(setsid sh -c 'setsid sleep 601 & setsid sleep 602 &' &)
sh -c 'kill -STOP $$; sleep 600' &
setsid sh -c 'trap "" TERM; kill -STOP $$; sleep 600' &
perl -e '$SIG{TERM} = "IGNORE"; $SIG{CHLD} = "IGNORE"; while (1) { my $p = fork; setpgrp if defined $p && !$p && rand() < 0.1; select(undef, undef, undef, 0.05) }' &
wait
"#;

/// What ends the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `DELETE`.
    Cancel,
    /// Its time limit.
    Timeout,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Felled {
    /// Processes when the end began.
    pub processes: usize,
    /// From the `DELETE`, or from the time limit, until none was alive.
    pub took: Duration,
    /// The status that was told.
    pub status: Value,
}

fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    Millis(u64::try_from(since.as_millis()).expect("a time"))
}

impl Stack {
    /// Grows the tree in a user's sandbox and has it felled.
    ///
    /// # Panics
    /// When it does not grow, is still alive long after it should have ended, or another end is told.
    pub async fn fell(&self, user: &User, by: By) -> Felled {
        let mark = Uuid::new_v4().to_string();
        let limit = if by == By::Timeout { 4_000 } else { 600_000 };
        let body = json!({
            "command": TREE, "env": {MARK: mark}, "uid": BOMBER, "limits": {"processes": BOMB},
            "timeoutMs": limit, "killGraceMs": u64::try_from(GRACE.as_millis()).expect("a number"),
        });
        let accepted = self.submit(user, &body).await;
        let alive = || {
            let mark = mark.clone();
            async {
                tokio::task::spawn_blocking(move || processes::marked(MARK, &mark).len())
                    .await
                    .expect("a look at /proc")
            }
        };
        let grown = usize::try_from(BOMB * 3 / 4).expect("a number");
        until("the tree has grown", Duration::from_secs(60), async || {
            (alive().await >= grown).then_some(())
        })
        .await;
        let processes = alive().await;
        let begun = Instant::now();
        if by == By::Cancel {
            self.cancel(&accepted).await;
        }
        let most = GRACE + AFTER_KILL + Duration::from_millis(if by == By::Timeout { limit } else { 0 });
        let gone = try_until("nothing is alive", most, async || (alive().await == 0).then_some(())).await;
        let (seen, ended) = (begun.elapsed(), now());
        let status = self.outcome(&accepted).await;
        gone.unwrap_or_else(|late| panic!("{late}: {} are alive, {status}", processes::marked(MARK, &mark).len()));
        assert_eq!(processes::marked(MARK, &mark), [], "some are alive again");
        let expected = if by == By::Cancel { "cancelled" } else { "timed_out" };
        assert_eq!(
            (&status["state"], &status["exitCode"]),
            (&json!(expected), &Value::Null),
            "{status}"
        );
        let took = match by {
            By::Cancel => seen,
            By::Timeout => {
                let started = status["startedAt"]
                    .as_str()
                    .and_then(Millis::parse_iso)
                    .expect("when it began");
                Duration::from_millis(ended.since(started.plus(limit)))
            }
        };
        Felled {
            processes,
            took,
            status,
        }
    }
}
