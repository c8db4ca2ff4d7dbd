//! Lock files that an earlier agent has left. They name the process that made them; one of a process that is gone keeps the next agent from starting, or
//! from its own conversations, for as long as that release waits. One of a living process is never touched.
//!
//! The pinned release keeps them in `~/.openclaw/tmp/openclaw-<uid>/gateway.*.lock` (JSON: `pid`, `startTime`, `createdAt`, …) and takes over those of the
//! dead by itself; earlier ones keep `/tmp/openclaw-<uid>/gateway.*.lock` and `<conversation>.jsonl.lock`, and wait. All name a `pid`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::as_agent;
use super::config_file::STATE_FOLDER;
use crate::process::tree::Member;
use crate::settings::Layout;

/// Role of the process that does it.
pub const ROLE: &str = "sweep-agent-locks";
/// Larger than any lock.
const MAX_BYTES: u64 = 64 * 1024;
/// How deep in the state a lock may lie, and how many entries are looked at.
const MAX_DEPTH: usize = 6;
const MAX_ENTRIES: usize = 20_000;
/// Folders with much in them and no locks of the agent's.
const SKIPPED: [&str; 4] = ["cache", "node_modules", "media", ".git"];

#[derive(Serialize, Deserialize)]
struct Order {
    roots: Vec<PathBuf>,
}

/// What a lock says about its maker.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    pid: i32,
    /// Clock ticks from the start of the machine to the start of the process (`/proc/<pid>/stat`).
    #[serde(default, alias = "starttime")]
    start_time: Option<u64>,
}

/// Removes the locks of processes that are gone; answers which.
pub async fn sweep(layout: &Layout) -> io::Result<Vec<PathBuf>> {
    let order = Order {
        roots: vec![
            layout.home.join(STATE_FOLDER),
            PathBuf::from(format!("/tmp/openclaw-{}", layout.agent_uid)),
        ],
    };
    as_agent::ask(layout, ROLE, &order).await
}

/// `sandboxd sweep-agent-locks`.
pub fn run() -> ExitCode {
    as_agent::answer(|order: Order| {
        let mut removed = Vec::new();
        let mut entries = 0;
        for root in &order.roots {
            sweep_folder(root, 0, &mut entries, &mut removed);
        }
        Ok(removed)
    })
}

fn sweep_folder(folder: &Path, depth: usize, entries: &mut usize, removed: &mut Vec<PathBuf>) {
    let Ok(listed) = fs::read_dir(folder) else {
        return;
    };
    for entry in listed.flatten() {
        *entries += 1;
        if *entries > MAX_ENTRIES {
            return;
        }
        // Of the entry itself: a link leads elsewhere.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if kind.is_dir() && depth < MAX_DEPTH && !SKIPPED.contains(&&*name) {
            sweep_folder(&path, depth + 1, entries, removed);
        } else if kind.is_file() && name.ends_with(".lock") && is_stale(&path) && fs::remove_file(&path).is_ok() {
            removed.push(path);
        }
    }
}

/// Whether it is a lock whose maker is gone. What names nobody is none that we know.
fn is_stale(path: &Path) -> bool {
    let small = fs::symlink_metadata(path).is_ok_and(|file| file.len() <= MAX_BYTES);
    let lock = small.then(|| fs::read(path).ok()).flatten();
    lock.and_then(|bytes| serde_json::from_slice::<Lock>(&bytes).ok())
        .is_some_and(|lock| lock.pid > 0 && !lives(&lock))
}

fn lives(lock: &Lock) -> bool {
    let Some(process) = Member::of(lock.pid).filter(|process| !process.zombie) else {
        return false;
    };
    // Another process may have got the same id.
    lock.start_time
        .is_none_or(|start| started(process.pid).is_none_or(|at| at == start))
}

/// Clock ticks from the start of the machine to that of a process.
fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_locks_of_the_dead_go() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let own = std::process::id();
        let start = started(own.cast_signed()).unwrap();
        // Above the most that the kernel gives.
        let dead = write(
            "tmp/openclaw-1000/gateway.1.lock",
            "{\"pid\": 99999999, \"createdAt\": \"x\"}\n  \t ",
        );
        let reused = write(
            "agents/main/sessions/a.jsonl.lock",
            &format!("{{\"pid\":{own},\"starttime\":{}}}", start + 1),
        );
        let kept = [
            write(
                "tmp/openclaw-1000/gateway.2.lock",
                &format!("{{\"pid\":{own},\"startTime\":{start}}}"),
            ),
            write("agents/main/b.lock", &format!("{{\"pid\":{own}}}")),
            write("workspace/yarn.lock", "# yarn lockfile v1\n"),
            write("workspace/other.lock", "{\"packages\":{}}"),
            write("tmp/gateway.json", "{\"pid\": 99999999}"),
            write("cache/x.lock", "{\"pid\": 99999999}"),
        ];
        std::os::unix::fs::symlink(home.path().join("cache/x.lock"), home.path().join("link.lock")).unwrap();
        let mut removed = Vec::new();
        sweep_folder(home.path(), 0, &mut 0, &mut removed);
        removed.sort();
        let mut expected = vec![dead, reused];
        expected.sort();
        assert_eq!(removed, expected);
        assert!(kept.iter().all(|path| path.exists()));
    }
}
