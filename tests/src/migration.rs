//! A crowd that works while it is moved.

use crate::load::{Caller, Load, Plan, Record, Table};
use crate::operation::{Operated, Operation, token_file};
use crate::people::User;
use crate::stack::Stack;
use molt_common::flag::{Flag, FlagSetting, Subject, rule};
use serde_json::json;
use std::time::Duration;
use tempfile::NamedTempFile;
use uuid::Uuid;

/// Until everybody has been moved. Each gets a sandbox of his own on a machine that does nothing else in time.
const MOVED: Duration = Duration::from_secs(180);
/// Requests under way at once: those of a user who is being moved are held until his sandbox is up.
const UNDER_WAY: usize = 4_000;

/// People, a quarter of whom are among the first 25 %, half among the first 50 %, and so for every share.
pub struct Crowd {
    /// Those who work.
    pub people: Vec<User>,
    probe: User,
}

impl Crowd {
    /// Gathers so many whom the new side has never seen. Whom a share takes in is decided by a hash of his id, so ids are drawn until the
    /// crowd is as even as a large one.
    #[must_use]
    pub fn gather(stack: &Stack, size: usize) -> Self {
        let mut people = Vec::with_capacity(size);
        for place in 0..size {
            let wanted = place * 100 / size..(place + 1) * 100 / size + 1;
            people.push(loop {
                let user = stranger(stack);
                if wanted.contains(&first_share(&user)) {
                    break user;
                }
            });
        }
        Self {
            people,
            probe: stranger(stack),
        }
    }

    /// The token of somebody beside the crowd, for probes.
    #[must_use]
    pub fn probe_file(&self) -> NamedTempFile {
        token_file(&self.probe)
    }
}

/// Somebody of whom the new side has never heard.
#[must_use]
pub fn stranger(stack: &Stack) -> User {
    let id = Uuid::new_v4().to_string();
    let mut claims = stack.claims(&id);
    claims["email"] = json!(format!("{id}@example.test"));
    User {
        name: format!("stranger-{}", &id[..8]),
        token: stack.sign(&claims),
        id,
    }
}

/// The smallest share that takes a user in, less one: 0 for those whom 1 % takes in.
fn first_share(user: &User) -> usize {
    let subject = Subject::parse(&user.id).expect("an id is a subject");
    let takes = |percent: &u8| {
        let setting = FlagSetting {
            enabled: true,
            percent: *percent,
            ..FlagSetting::default()
        };
        rule(Flag::NewContainerGateway, &setting, Some(&subject)).on
    };
    (1..=100_u8).find(takes).map_or(99, |percent| usize::from(percent) - 1)
}

/// A crowd on its way.
pub struct Journey<'a> {
    stack: &'a Stack,
    size: usize,
    load: Load,
}

impl<'a> Journey<'a> {
    /// Has the crowd work, `rate` requests a second in all, and an operator beside it; waits until everybody was answered once.
    ///
    /// # Panics
    /// When that does not come to pass.
    pub async fn begin(stack: &'a Stack, crowd: &Crowd, rate: f64) -> Self {
        let plain = |caller: Caller| caller.header("accept", "application/json");
        let mut callers: Vec<Caller> = crowd.people.iter().map(|user| plain(Caller::user(user, "/"))).collect();
        callers.push(Caller::admin("operator", &stack.ready.admin_secret, "/api/super/users"));
        let mut plan = Plan::new(&stack.ready.urls, callers, rate).expecting(200);
        plan.under_way = UNDER_WAY;
        let load = Load::start(plan);
        let journey = Self {
            stack,
            size: crowd.people.len(),
            load,
        };
        journey.all_are_with("legacy").await;
        journey
    }

    /// Now, on the clock of the load.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.load.now()
    }

    /// Runs a script to its end and prints how long each step took.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn operate(&self, script: &str, arguments: &[&str], limit: Duration) -> Operated {
        println!("{script} {}", arguments.join(" "));
        let ended = Operation::start(self.stack, script, arguments).end(limit).await;
        self.tell(&ended);
        ended
    }

    /// Prints how long each step took.
    pub fn tell(&self, ended: &Operated) {
        let mut table = Table::new(&[
            "step",
            "obeyed after",
            "first right answer",
            "step took",
            "watched",
            "failed",
        ]);
        for percent in ended.percentages("set") {
            let of = |name: &str| {
                ended
                    .events
                    .iter()
                    .rfind(|event| event["event"] == name && event["percent"] == percent)
            };
            let time = |name: &str, field: &str| {
                let ms = of(name).and_then(|event| event[field].as_f64());
                ms.map_or_else(|| "-".to_owned(), |ms| format!("{:.2} s", ms / 1000.0))
            };
            let watched =
                |field: &str| of("reached").map_or_else(|| "-".to_owned(), |event| event["watched"][field].to_string());
            table.row([
                format!("{percent} %"),
                time("obeyed", "afterMs"),
                time("probed", "tookMs"),
                time("reached", "tookMs"),
                watched("asked"),
                watched("failed"),
            ]);
        }
        print!("{table}");
    }

    /// Waits until the last answers of everybody are of this side.
    ///
    /// # Panics
    /// When that does not come to pass.
    pub async fn all_are_with(&self, backend: &str) {
        let since = self.now();
        let what = format!("everybody is with {backend}");
        self.load
            .until(&what, MOVED, |record| {
                let answers = record.since(since);
                let last = answers.sequences();
                let there = last.iter().filter(|(caller, answers)| {
                    let is_there =
                        |answer: &&&crate::load::Sample| answer.failure.is_none() && answer.backend == backend;
                    **caller < self.size && answers.last().filter(is_there).is_some()
                });
                (there.count() == self.size).then_some(())
            })
            .await;
    }

    /// Ends the work and gives the record of it.
    pub async fn end(self) -> Record {
        self.load.stop().await
    }
}
