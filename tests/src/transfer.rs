//! Large bodies through the whole path by plain `curl`, and what the programs of the stack take of memory meanwhile.

use crate::people::User;
use crate::processes::{self, Process};
use crate::stack::Stack;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use tokio::process::Command;

/// One mebibyte, bytes.
pub const MIB: u64 = 1 << 20;
/// What sandboxd and the engine may take at any time, bytes.
const MOST: u64 = 64 * MIB;
/// What workerd may take beyond what it had before, bytes.
const MOST_GROWTH: u64 = 32 * MIB;
/// The period of the echo agent's source.
const PERIOD: usize = 251;
const LOOK: Duration = Duration::from_millis(100);

/// The file that is sent: no two mebibytes of it are alike.
///
/// # Panics
/// When the disk refuses.
#[must_use]
pub fn file(bytes: u64) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    let mut block = vec![0_u8; 1 << 20];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..bytes / MIB {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block).expect("room on the disk");
    }
    file
}

/// SHA-256 of a file, hexadecimal.
///
/// # Panics
/// Where there is no `sha256sum`.
#[must_use]
pub fn digits(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("sha256sum");
    String::from_utf8_lossy(&output.stdout)
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// `curl` with the user's token, which is on no command line.
///
/// # Panics
/// When it fails.
pub async fn curl(user: &User, arguments: &[&str]) -> Vec<u8> {
    let mut config = NamedTempFile::new().expect("a file");
    writeln!(config, "header = \"Authorization: Bearer {}\"", user.token).expect("room on the disk");
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--config"])
        .arg(config.path())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("curl");
    assert!(
        output.status.success(),
        "curl ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Memory of one program, bytes.
struct Watched {
    process: Process,
    name: &'static str,
    before: u64,
    peak: u64,
}

fn resident(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

fn watched(stack: &Stack) -> Vec<Watched> {
    let named = |process: &Process| {
        let comm = fs::read_to_string(format!("/proc/{}/comm", process.pid)).ok()?;
        ["workerd", "local-engine", "sandboxd"]
            .into_iter()
            .find(|name| comm.trim() == *name)
    };
    let all = processes::tree(stack.ready.pid).into_iter();
    all.filter_map(|process| {
        // The stand-in for the agent is the same program; what the agent takes is not ours.
        let name = named(&process).filter(|_| !process.command.contains("echo-agent"))?;
        let before = resident(process.pid)?;
        Some(Watched {
            process,
            name,
            before,
            peak: before,
        })
    })
    .collect()
}

/// Looks at the programs for as long as something takes, and says what it saw. workerd may take `most_growth` bytes beyond what it had before.
///
/// # Panics
/// When one of them took more memory than it may.
pub async fn beside<T>(stack: &Stack, what: &str, most_growth: u64, act: impl Future<Output = T>) -> T {
    let mut programs = watched(stack);
    assert!(
        ["workerd", "local-engine", "sandboxd"]
            .iter()
            .all(|name| programs.iter().any(|one| one.name == *name)),
        "some program is not there"
    );
    let begun = Instant::now();
    let mut act = std::pin::pin!(act);
    let mut looks = tokio::time::interval(LOOK);
    let outcome = loop {
        tokio::select! {
            outcome = &mut act => break outcome,
            _ = looks.tick() => for one in &mut programs {
                one.peak = one.peak.max(resident(one.process.pid).unwrap_or(0));
            },
        }
    };
    println!("{what}: {} ms", begun.elapsed().as_millis());
    for one in &programs {
        println!(
            "  {:<12} {:>7} from {:>4} to {:>4} MiB",
            one.name,
            one.process.pid,
            one.before / MIB,
            one.peak / MIB
        );
    }
    for one in programs {
        if one.name == "workerd" {
            let growth = one.peak - one.before;
            assert!(growth < most_growth, "{what}: workerd grew by {} MiB", growth / MIB);
        } else {
            assert!(one.peak < MOST, "{what}: {} took {} MiB", one.name, one.peak / MIB);
        }
    }
    outcome
}

/// So many bytes to the agent, and so many from it: the same on both ends, in flat memory.
///
/// # Panics
/// When it is not so.
pub async fn there_and_back(stack: &Stack, user: &User, bytes: u64) {
    let url = |path: &str| format!("{}{path}", stack.ready.url);
    // What a first transfer brings about once (buffers, code that is compiled) is no growth.
    let small = file(16 * MIB);
    curl(user, &["--upload-file", &small.path().to_string_lossy(), &url("/sink")]).await;
    curl(
        user,
        &["--output", "/dev/null", &url(&format!("/source?bytes={}", 16 * MIB))],
    )
    .await;

    let sent = file(bytes);
    let path = sent.path().to_string_lossy().into_owned();
    let up = beside(
        stack,
        "up",
        MOST_GROWTH,
        curl(user, &["--upload-file", &path, &url("/sink")]),
    )
    .await;
    let seen: Value = serde_json::from_slice(&up).expect("JSON of the echo agent");
    assert_eq!(seen["bytes"], bytes);
    assert_eq!(seen["sha256"], digits(sent.path()), "the agent got other bytes");
    drop(sent);

    let got = NamedTempFile::new().expect("a file");
    let path = got.path().to_string_lossy().into_owned();
    beside(
        stack,
        "down",
        MOST_GROWTH,
        curl(user, &["--output", &path, &url(&format!("/source?bytes={bytes}"))]),
    )
    .await;
    assert_eq!(got.as_file().metadata().expect("a size").len(), bytes);
    assert!(is_the_source(got.path()), "the client got other bytes");
}

fn is_the_source(path: &Path) -> bool {
    let mut file = fs::File::open(path).expect("what came");
    let pattern: Vec<u8> = (0..PERIOD * 4096).map(|at| (at % PERIOD) as u8).collect();
    let mut piece = vec![0; pattern.len()];
    loop {
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest).expect("what came") {
                0 => break,
                read => filled += read,
            }
        }
        if piece.get(..filled) != pattern.get(..filled) {
            return false;
        }
        if filled < piece.len() {
            return true;
        }
    }
}
