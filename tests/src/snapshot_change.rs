//! What a save moves when little or nothing has changed, counted where the sandbox's network begins.

use crate::disk::{Disk, Load};
use crate::people::User;
use crate::stack::Stack;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

/// Length of the one file that is changed in its middle, in bytes.
const LARGE_FILE: u64 = 64 << 20;
/// How much of it, in bytes.
pub const CHANGED: u64 = 1 << 20;

/// A save.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Bytes that went through the network of the sandbox, both ways together, everything else that is asked of it among them.
    pub bytes: u64,
    /// Bytes by which the repository grew.
    pub stored: u64,
    /// From the order to its end.
    pub took: Duration,
}

/// Three saves of one disk.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Of everything.
    pub first: Moved,
    /// Of [`CHANGED`] bytes in the middle of a large file.
    pub changed: Moved,
    /// Of nothing.
    pub unchanged: Moved,
}

/// Saves a new user's disk three times.
///
/// # Panics
/// When a save fails.
pub async fn run(stack: &Stack, load: Load) -> Outcome {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let disk = Disk::of(stack, &user).await;
    disk.change(load, 1);
    let large = disk.folder().join("large");
    let mut random = StdRng::seed_from_u64(2);
    let mut piece = vec![0; 1 << 20];
    let mut file = File::create(&large).expect("a file");
    for _ in 0..LARGE_FILE >> 20 {
        random.fill_bytes(&mut piece);
        file.write_all(&piece).expect("room");
    }
    let first = moved(stack, &user).await;
    random.fill_bytes(&mut piece);
    file.seek(SeekFrom::Start(LARGE_FILE / 2)).expect("a place");
    file.write_all(&piece).expect("room");
    let changed = moved(stack, &user).await;
    let unchanged = moved(stack, &user).await;
    Outcome {
        first,
        changed,
        unchanged,
    }
}

async fn moved(stack: &Stack, user: &User) -> Moved {
    let prefix = crate::bucket::repository(user);
    let size = || stack.objects(&prefix).iter().map(|object| object.size).sum::<u64>();
    let serve = stack.supervisor(user).await;
    let (bytes, stored, begun) = (through(serve.pid), size(), Instant::now());
    let job = stack.begin_backup(user).await;
    let ended = stack.job_ends_within(&job, Duration::from_secs(900)).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    Moved {
        took: begun.elapsed(),
        bytes: through(serve.pid) - bytes,
        stored: size().saturating_sub(stored),
    }
}

/// Bytes that came in on all interfaces of a process's network. What it sends to the outside goes through its loopback interface, where every byte comes in once.
fn through(pid: i32) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).expect("the counters of its network");
    told.lines()
        .filter_map(|line| line.split_once(':')?.1.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}
