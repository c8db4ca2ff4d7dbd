//! A writer inside the sandbox that appends numbered records until it is stopped, and what of them is there after the next start.
//!
//! Each record goes into a database first and, once that has committed it, into a file: a line in the file acknowledges the record. The file is held open from
//! outside, so that what it held when the sandbox ended is known to the byte although the disk is gone.

use crate::changes::ended;
use crate::disk::Disk;
use crate::parts::Part;
use crate::people::User;
use crate::stack::Stack;
use crate::wait::until;
use molt_common::time::Millis;
use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// First argument of the program as the writer.
const ROLE: &str = "write-records";
/// In the home: the writer's own program, where nothing is saved.
const PROGRAM: &str = ".cache/record-writer";
/// In the home: what it writes.
const FOLDER: &str = "records";
/// Between two records.
const PACE: Duration = Duration::from_millis(2);
/// Records that a round acknowledges before the sandbox is stopped.
const LEAST: usize = 200;
/// An interval and what a save takes on a busy machine.
const SAVED_WITHIN: Duration = Duration::from_secs(90);
/// Until a stop with everything that it takes is over.
const STOPPED_WITHIN: Duration = Duration::from_secs(180);

/// How a sandbox is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody uses it.
    Sleep,
    /// It is started again.
    Restart,
    /// It gets the other tier.
    Tier,
    /// It gets another image.
    Image,
    /// It is destroyed.
    Destroy,
    /// The platform sends TERM to its first process.
    Term,
    /// All of it is killed at once, which is not in order.
    Kill,
}

/// Every end that is in order.
pub const ORDERLY: [End; 6] = [End::Sleep, End::Restart, End::Tier, End::Image, End::Destroy, End::Term];

/// What one end cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// How it ended.
    pub end: End,
    /// Records that were acknowledged before it did.
    pub acknowledged: usize,
    /// Those of them that were not there afterwards.
    pub lost: usize,
    /// Bytes of the file that were not there afterwards.
    pub lost_bytes: usize,
    /// From the first record that is lost to the last.
    pub lost_span: Duration,
}

/// If this process was started as the writer, it writes until it is stopped. Call it first.
pub fn write_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|role| role == ROLE)
        && let Some(folder) = arguments.get(2)
    {
        write(Path::new(folder));
    }
}

fn write(folder: &Path) -> ! {
    fs::create_dir_all(folder).expect("a folder");
    let database = open(&folder.join("records.db"));
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("records.log"))
        .expect("a file");
    let mut number: u64 = database
        .query_row("select coalesce(max(number), 0) from records", [], |row| row.get(0))
        .expect("a number");
    loop {
        number += 1;
        database
            .execute("insert into records (number) values (?)", [number])
            .expect("a row");
        let line = format!("{number} {}\n", now_ms());
        // One write: a line is there or it is not.
        file.write_all(line.as_bytes()).expect("room");
        std::thread::sleep(PACE);
    }
}

fn open(path: &Path) -> Connection {
    let database = Connection::open(path).expect("a database");
    database
        .execute_batch("pragma journal_mode = wal; create table if not exists records (number integer primary key)")
        .expect("a table");
    database
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("a time")
}

/// Lets a user's sandbox write, ends it so, starts it again and compares.
///
/// # Panics
/// When an orderly end loses a byte, a killed one loses what the state called safe, or a database is not whole.
pub async fn case(stack: &Stack, user: &User, end: End) -> Cost {
    stack.awake(user).await;
    let disk = Disk::of(stack, user).await;
    let log = disk.home().join(FOLDER).join("records.log");
    let lines = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let earlier = lines();
    begin(stack, user, &disk).await;
    let mut held = until("records are acknowledged", Duration::from_secs(30), async || {
        (lines() >= earlier + LEAST).then(|| File::open(&log).expect("the file"))
    })
    .await;
    if end == End::Kill {
        // Of what was never saved nothing would be there to compare: it is killed some records behind a save, and kept awake until then.
        let begun = Millis(now_ms());
        until("what was written so far is saved", SAVED_WITHIN, async || {
            stack.get("/echo").user(user).send().await;
            let state = stack.state(user).await;
            let safe = state["disk"]["safeUntil"].as_str().and_then(Millis::parse_iso);
            (safe > Some(begun)).then_some(())
        })
        .await;
        let behind = lines();
        until(
            "further records are acknowledged",
            Duration::from_secs(30),
            async || (lines() >= behind + LEAST).then_some(()),
        )
        .await;
    }
    let safe = finish(stack, user, end).await;
    let mut acknowledged = String::new();
    held.seek(SeekFrom::Start(0)).expect("the file's beginning");
    held.read_to_string(&mut acknowledged).expect("what it held");
    stack.awake(user).await;
    let home = Disk::of(stack, user).await.home().to_owned();
    let restored = fs::read_to_string(home.join(FOLDER).join("records.log")).expect("the restored file");
    assert!(acknowledged.starts_with(&restored), "{end:?}: it has another beginning");
    let rest = acknowledged.get(restored.len()..).unwrap_or_default();
    let times: Vec<u64> = rest.lines().filter_map(time_of).collect();
    if let (Some(safe), Some(first)) = (safe, times.first()) {
        assert!(
            *first >= safe.0,
            "{end:?}: {first} is lost, and {} was said to be safe",
            safe.0
        );
    }
    // While it runs, each file is saved as it was at a moment of its own: both have what was there when it was safe.
    let acknowledges = |line: &&str| safe.is_none_or(|safe| time_of(line).is_some_and(|at| at < safe.0));
    whole(&home, restored.lines().filter(acknowledges).count());
    let span = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    let cost = Cost {
        end,
        acknowledged: acknowledged.lines().count(),
        lost: rest.lines().count(),
        lost_bytes: rest.len(),
        lost_span: Duration::from_millis(span),
    };
    assert!(end == End::Kill || cost.lost_bytes == 0, "{cost:?}");
    println!("{cost:?}");
    cost
}

fn time_of(line: &str) -> Option<u64> {
    line.split_once(' ')?.1.parse().ok()
}

/// The database is whole and has at least so many records.
fn whole(home: &Path, lines: usize) {
    let database = open(&home.join(FOLDER).join("records.db"));
    let told: String = database
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .expect("an answer");
    assert_eq!(told, "ok", "the restored database is not whole");
    let rows: usize = database
        .query_row("select count(*) from records", [], |row| row.get(0))
        .expect("a count");
    assert!(rows >= lines, "{lines} are acknowledged and {rows} are there");
}

async fn begin(stack: &Stack, user: &User, disk: &Disk) {
    let program = disk.home().join(PROGRAM);
    disk.put(&program, &std::env::current_exe().expect("this program"));
    // Not a command that runs: it would keep the sandbox awake. The shell waits for its first record, so that what goes with the shell's session is not it.
    let script = format!(
        "mkdir -p ~/{FOLDER}; before=$(wc -c < ~/{FOLDER}/records.log || echo 0); \
         setsid ~/{PROGRAM} {ROLE} ~/{FOLDER} </dev/null >/dev/null 2>~/{FOLDER}/errors & \
         for round in $(seq 200); do \
         [ $(wc -c < ~/{FOLDER}/records.log || echo 0) -gt $before ] && exit 0; sleep 0.1; done; cat ~/{FOLDER}/errors >&2; exit 1"
    );
    stack.sh(user, &script).await;
}

/// Ends it, and waits until it has. Until when everything was said to be safe, where it was killed.
async fn finish(stack: &Stack, user: &User, end: End) -> Option<Millis> {
    let change = async |method, verb, body: &Value| {
        ended(&stack.changed(user, method, verb, body).await, "succeeded");
    };
    match end {
        End::Sleep => {
            stack.lifecycle(user, "sleeping", STOPPED_WITHIN).await;
            stack.engine.none(user).await;
        }
        End::Restart => change("POST", "restart-async", &json!({"scope": "sandbox"})).await,
        End::Tier => {
            let tier = stack.state(user).await["tier"].as_u64().unwrap_or(1);
            change("PUT", "tier", &json!({"tier": if tier == 2 { 1 } else { 2 }})).await;
        }
        End::Image => {
            // Another each time: what is there already needs no stop.
            let image = stack.state(user).await["image"].clone();
            let other = if image == "canary" { "stable" } else { "canary" };
            change("PUT", "image", &json!({"channel": other})).await;
        }
        End::Destroy => {
            let asked = stack.post(&user.path("/destroy")).admin().json(&json!({}));
            let problem = asked.send().await.problem(409, "confirmation_required");
            change("POST", "destroy", &json!({"confirm": problem["confirm"]})).await;
        }
        End::Term => {
            assert!(stack.signal_part(user, Part::Init, Signal::SIGTERM).await > 0);
            until("it has stopped", STOPPED_WITHIN, async || {
                let stopped = stack.state(user).await["lifecycle"] == "stopped";
                (stopped && stack.engine.running(user).await.is_empty()).then_some(())
            })
            .await;
        }
        End::Kill => {
            assert!(stack.signal_part(user, Part::Container, Signal::SIGKILL).await > 0);
            let state = until(
                "the end is told with what it may have cost",
                STOPPED_WITHIN,
                async || {
                    // Whoever looks at the page has the sandbox looked at.
                    stack.get("/_molt/boot").user(user).send().await;
                    let state = stack.state(user).await;
                    state["disk"]["loss"].is_string().then_some(state)
                },
            )
            .await;
            let safe = state["disk"]["safeUntil"].as_str().and_then(Millis::parse_iso);
            let safe = safe.unwrap_or_else(|| panic!("nothing is said to be safe: {state}"));
            let loss = state["disk"]["loss"].as_str().unwrap_or_default();
            assert!(loss.contains(&safe.iso()), "{state}");
            return Some(safe);
        }
    }
    let state = stack.state(user).await;
    assert_eq!(state["disk"]["loss"], Value::Null, "{end:?}: {state}");
    None
}
