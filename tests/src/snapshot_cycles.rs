//! Write, save, kill, restore, over and over: what comes back is, byte for byte, what a published snapshot holds.

use crate::database_load::{DatabaseLoad, rows_of_whole};
use crate::disk::{Disk, Load};
use crate::parts::Part;
use crate::people::User;
use crate::stack::Stack;
use crate::wait::repeatedly;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is killed at a random moment of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// Nothing: the save must succeed.
    Nobody,
    /// A part of the sandbox, or its engine.
    Part(Part),
    /// The runtime of the workers, and with it the transfer.
    Runtime,
    /// The gateway is replaced, as a deployment does.
    Gateway,
}

/// A series.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// How many rounds.
    pub cycles: u64,
    /// What lies on the disk.
    pub load: Load,
    /// How long a save or a restore of it may take at most.
    pub patience: Duration,
    /// Who may be killed.
    pub victims: &'static [Victim],
    /// The same seed makes the same series, but for what the clock decides.
    pub seed: u64,
}

/// What the disk held from a moment on until the next point.
struct Point {
    from_ms: u64,
    digest: String,
    rows: u64,
}

/// How a series went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Restores that were compared.
    pub restored: u64,
    /// Saves that were told to have succeeded although something was killed.
    pub survived: u64,
    /// Saves that failed.
    pub failed: u64,
    /// The longest restore, from the first request to the first answer.
    pub longest_restore: Duration,
}

/// Runs a series for a new user.
///
/// # Panics
/// When a restored disk is not what a published snapshot holds, a database is not whole, the list goes backward, or an undisturbed save fails.
pub async fn run(stack: &Stack, series: &Series) -> Outcome {
    let user = stack.new_user().await;
    let mut random = StdRng::seed_from_u64(series.seed);
    let mut outcome = Outcome::default();
    let mut points: Vec<Point> = vec![];
    let mut newest = 0;
    let mut usual = Duration::from_secs(1);
    for cycle in 0..series.cycles {
        let disk = restored(stack, &user, series.patience, &points, &mut outcome).await;
        let database = DatabaseLoad::begin(&disk);
        disk.change(series.load, series.seed.wrapping_add(cycle));
        points.push(Point {
            digest: disk.digest(),
            rows: database.committed(),
            from_ms: now_ms(),
        });
        let first = cycle == 0;
        let victim = if first {
            Victim::Nobody
        } else {
            *series.victims.choose(&mut random).expect("a victim")
        };
        let begun = Instant::now();
        let job = stack.begin_backup(&user).await;
        if victim != Victim::Nobody {
            // The moment is what is tried out.
            let pause = usual.mul_f64(random.random_range(0.0..1.2));
            repeatedly(1, pause, async |_| {}).await;
            kill(stack, &user, victim).await;
        }
        let ended = stack.job_ends_within(&job, series.patience).await;
        match (ended["state"].as_str(), victim) {
            (Some("succeeded"), Victim::Nobody) => usual = begun.elapsed(),
            (_, Victim::Nobody) => panic!("a save that nothing disturbed: {ended}"),
            (Some("succeeded"), _) => outcome.survived += 1,
            _ => outcome.failed += 1,
        }
        let told = stack.backups(&user).await;
        newest = goes_on(&told, newest);
        println!(
            "cycle {cycle}: {victim:?} killed, the save {}, newest is {newest}",
            ended["state"]
        );
        drop(database);
        // The disk goes with its container.
        stack.signal_part(&user, Part::Container, Signal::SIGKILL).await;
        // So many crashes in a row open the breaker, which is for a sandbox that nobody kills. An operator's reset closes it.
        let reset = json!({"discardDisk": true});
        let reset = stack.begin_change(&user, "POST", "emergency-reset", &reset).await;
        stack.job_ends_within(&reset, series.patience).await;
    }
    restored(stack, &user, series.patience, &points, &mut outcome).await;
    outcome
}

/// The disk of the next start, which must hold what the newest published snapshot does.
async fn restored(stack: &Stack, user: &User, patience: Duration, points: &[Point], outcome: &mut Outcome) -> Disk {
    let before = stack.backups(user).await;
    let begun = Instant::now();
    stack.awake_within(user, patience).await;
    let disk = Disk::of(stack, user).await;
    let Some(head) = newest_of(&before) else {
        assert!(points.is_empty(), "nothing was published: {before}");
        return disk;
    };
    outcome.longest_restore = outcome.longest_restore.max(begun.elapsed());
    let taken = head["takenAt"].as_str().expect("a time");
    let taken_ms = molt_common::time::Millis::parse_iso(taken).expect("a time").0;
    let point = points
        .iter()
        .rev()
        .find(|point| point.from_ms <= taken_ms)
        .expect("a point");
    assert_eq!(disk.digest(), point.digest, "the restored disk is not that of {head}");
    let rows = rows_of_whole(&disk);
    assert!(rows >= point.rows, "{rows} rows of {} came back", point.rows);
    outcome.restored += 1;
    disk
}

fn newest_of(backups: &Value) -> Option<&Value> {
    backups["backups"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["newest"] == true)
}

/// The list only grows at its end, and its newest one counts. The newest number.
fn goes_on(backups: &Value, before: u64) -> u64 {
    let Some(head) = newest_of(backups) else {
        assert_eq!(before, 0, "the list was emptied: {backups}");
        return 0;
    };
    let newest = head["sequence"].as_u64().expect("a number");
    assert!(newest >= before, "the list went backward: {backups}");
    assert_eq!(head["standing"], "published", "{head}");
    newest
}

async fn kill(stack: &Stack, user: &User, victim: Victim) {
    match victim {
        Victim::Nobody => {}
        Victim::Part(part) => drop(stack.signal_part(user, part, Signal::SIGKILL).await),
        Victim::Runtime => stack.kill_runtime(),
        Victim::Gateway => stack.replace_worker("container-gateway"),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a time")
}
