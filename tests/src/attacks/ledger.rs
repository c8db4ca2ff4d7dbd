//! Notes down what came of each attack.

use crate::call::Call;
use crate::raw::{self, RawReply};
use crate::reply::Reply;
use crate::socket::Handshake;
use crate::stack::Stack;
use std::fmt::Write;

/// One attack and its outcome.
#[derive(Clone, Debug)]
pub struct Row {
    /// Number of the earlier platform's weakness, or `-`.
    pub weakness: &'static str,
    /// What was tried.
    pub attack: String,
    /// What must come of it.
    pub expected: String,
    /// What came of it.
    pub seen: String,
    /// HTTP status; 0 when the connection was closed, 101 when a socket was opened.
    pub status: u16,
    /// Whether the platform held.
    pub held: bool,
}

/// All rows so far.
pub struct Ledger<'a> {
    /// The stack under attack.
    pub stack: &'a Stack,
    rows: Vec<Row>,
    programs: Vec<i32>,
}

/// A further condition on an answer: `Err` says what is wrong with it.
pub type Condition<'c> = &'c dyn Fn(&Reply) -> Result<(), String>;

/// No further condition.
pub const NOTHING_MORE: Condition<'static> = &|_| Ok(());

impl<'a> Ledger<'a> {
    /// An empty one.
    #[must_use]
    pub fn new(stack: &'a Stack) -> Self {
        Self {
            stack,
            rows: Vec::new(),
            programs: programs(stack),
        }
    }

    /// The answer must have one of these statuses.
    pub async fn answered(&mut self, weakness: &'static str, attack: &str, expected: &[u16], call: Call<'_>) {
        self.checked(weakness, attack, expected, call, "", NOTHING_MORE).await;
    }

    /// The answer must have one of these statuses and meet a condition, which `says` puts into words.
    pub async fn checked(
        &mut self,
        weakness: &'static str,
        attack: &str,
        expected: &[u16],
        call: Call<'_>,
        says: &str,
        condition: Condition<'_>,
    ) {
        let reply = call.send().await;
        let met = condition(&reply);
        let mut seen = format!("{} {}", reply.status, code(&reply.body));
        if let Err(wrong) = &met {
            let _ = write!(seen, ": {wrong}");
        }
        let held = expected.contains(&reply.status) && met.is_ok();
        self.note(weakness, attack, words(expected, says), seen, reply.status, held);
    }

    /// A request written byte by byte: the answer must have one of these statuses; 0 is a connection closed without one.
    pub async fn raw(
        &mut self,
        weakness: &'static str,
        attack: &str,
        expected: &[u16],
        head: &str,
        body: &[u8],
        condition: impl Fn(&RawReply) -> Result<(), String>,
    ) {
        let reply = raw::exchange(self.stack, head, body).await;
        let met = condition(&reply);
        let mut seen = format!("{} {}", reply.status, code(&reply.rest));
        if let Err(wrong) = &met {
            let _ = write!(seen, ": {wrong}");
        }
        let held = expected.contains(&reply.status) && met.is_ok();
        self.note(weakness, attack, words(expected, ""), seen, reply.status, held);
    }

    /// The handshake must be refused with one of these statuses.
    pub async fn handshake(&mut self, weakness: &'static str, attack: &str, expected: &[u16], handshake: Handshake) {
        let (status, seen) = match handshake.attempt().await {
            Ok(_) => (101, "101: the socket opened".to_owned()),
            Err(answer) => {
                let status = answer.status().as_u16();
                (status, format!("{status} {}", code(answer.body())))
            }
        };
        let held = expected.contains(&status);
        self.note(weakness, attack, words(expected, ""), seen, status, held);
    }

    /// Something that is not one answer: `Err` says how the platform did not hold.
    pub fn outcome(&mut self, weakness: &'static str, attack: &str, expected: &str, outcome: Result<String, String>) {
        let held = outcome.is_ok();
        let seen = outcome.unwrap_or_else(|wrong| wrong);
        self.note(weakness, attack, expected.to_owned(), seen, 0, held);
    }

    fn note(&mut self, weakness: &'static str, attack: &str, expected: String, seen: String, status: u16, held: bool) {
        let plain = |text: &str| text.replace(['\n', '\r'], " ").replace('|', "\\|");
        self.rows.push(Row {
            weakness,
            attack: plain(attack),
            expected,
            seen: plain(seen.trim()),
            status,
            held,
        });
    }

    /// The rows, with a last one: the same programs still run, and an honest caller is served.
    pub async fn close(mut self) -> Vec<Row> {
        let after = programs(self.stack);
        let health = self.stack.get("/health").send().await.status;
        let outcome = if after == self.programs && health == 200 {
            Ok("the same programs, /health 200".to_owned())
        } else {
            Err(format!(
                "programs {:?} became {after:?}, /health {health}",
                self.programs
            ))
        };
        self.outcome(
            "-",
            "all of the above, and then an honest call",
            "no program was restarted",
            outcome,
        );
        self.rows
    }
}

/// Process ids of the stack's programs, and of the runtimes below them: a runtime that ended would be started anew.
fn programs(stack: &Stack) -> Vec<i32> {
    let named = stack
        .ready
        .processes
        .iter()
        .map(|program| stack.ready.process(&program.name));
    let runtimes = stack
        .processes()
        .into_iter()
        .filter(|process| process.command.contains("workerd"));
    named.chain(runtimes.map(|process| process.pid)).collect()
}

fn words(expected: &[u16], says: &str) -> String {
    let statuses: Vec<String> = expected.iter().map(u16::to_string).collect();
    let statuses = statuses.join(" or ");
    if says.is_empty() {
        statuses
    } else {
        format!("{statuses}, {says}")
    }
}

/// Code of a problem; empty for anything else.
fn code(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    json.and_then(|json| Some(json["code"].as_str()?.to_owned()))
        .unwrap_or_default()
}
