//! Orders that are carried out in a process of their own, as the supervisor does it. Databases that this process has open may only be saved so: POSIX takes
//! all locks of a process on a file away when it closes the file anywhere.

use molt_snapshots::order::{Order, Outcome, Report};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// Set for the process that carries the order out.
const CHILD: &str = "SNAPSHOTS_TEST_CHILD";

/// What [`start`] runs: not a test by itself.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut order = String::new();
    std::io::stdin().read_to_string(&mut order).unwrap();
    let order: Order = serde_json::from_str(&order).unwrap();
    molt_snapshots::run(order, &mut |report| {
        println!("\nREPORT {}", serde_json::to_string(&report).unwrap());
    });
    if let Some(line) = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|line| line.starts_with("VmHWM"))
    {
        println!("\nMEMORY {line}");
    }
}

/// Begins to carry an order out.
pub fn start(order: &Order) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "support::process::child", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&serde_json::to_vec(order).unwrap())
        .unwrap();
    child
}

/// The outcome, when it came before the child was killed.
pub fn outcome(child: Child) -> Option<Outcome> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("MEMORY "))
        .for_each(|line| println!("{line}"));
    let last = text
        .lines()
        .filter_map(|line| line.strip_prefix("REPORT "))
        .next_back()?;
    match serde_json::from_str(last).unwrap() {
        Report::Done { outcome } => Some(*outcome),
        Report::Progress { .. } => None,
        Report::Failed { error, .. } => panic!("{error}"),
    }
}
