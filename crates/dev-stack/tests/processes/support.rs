//! Programs that the tests start, and what is left of them.

use std::fs;
use std::io::{self, PipeWriter};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest wait for anything that is expected to happen.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The program under test.
pub fn dev_stack() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dev-stack"))
}

/// Starts it with a lifeline as standard input.
pub fn spawn_with_lifeline(command: &mut Command) -> io::Result<(Child, PipeWriter)> {
    let (end, lifeline) = io::pipe()?;
    Ok((command.stdin(Stdio::from(end)).spawn()?, lifeline))
}

/// Waits until `look` finds something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the end of a child.
pub fn end_of(child: &mut Child) -> ExitStatus {
    until("the end of the program", || child.try_wait().unwrap())
}

/// Process ids of the living processes that carry `mark` in their environment, or on their command line.
pub fn marked(mark: &str) -> Vec<i32> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let holds = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(mark)
        };
        if pid != i32::try_from(std::process::id()).unwrap() && (holds("environ") || holds("cmdline")) {
            pids.push(pid);
        }
    }
    pids
}

/// Waits until no process carries the mark.
pub fn assert_nothing_is_left(mark: &str) {
    let deadline = Instant::now() + LIMIT;
    while !marked(mark).is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", marked(mark));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a file holds a whole line, and returns it.
pub fn line_of(path: &Path) -> String {
    until(&format!("a line in {}", path.display()), || {
        fs::read_to_string(path)
            .ok()
            .filter(|text| text.ends_with('\n'))
            .map(|text| text.trim().to_owned())
    })
}

/// Sends a signal.
pub fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}
