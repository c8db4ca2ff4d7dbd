//! What the stack says: short lines on standard output, problems on standard error. Never a secret.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Lines of programs that are shown within [`BURST_WINDOW`]; the log has them all.
const BURST: u32 = 20;
const BURST_WINDOW: Duration = Duration::from_secs(10);

/// Shared handle to the terminal. A terminal that has gone away is no fault: the stack works on.
#[derive(Clone, Debug)]
pub struct Terminal {
    burst: Arc<Mutex<Burst>>,
}

#[derive(Debug)]
struct Burst {
    since: Instant,
    shown: u32,
}

impl Terminal {
    /// A handle that has shown nothing yet.
    pub fn new() -> Self {
        Self {
            burst: Arc::new(Mutex::new(Burst {
                since: Instant::now(),
                shown: 0,
            })),
        }
    }

    /// A line about what happens.
    pub fn say(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// A step that ended, with the seconds it took.
    pub fn step(&self, name: &str, started: Instant, text: &str) {
        self.say(&format!(
            "  {name:<23} {text} ({:.1} s)",
            started.elapsed().as_secs_f64()
        ));
    }

    /// A problem.
    pub fn warn(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "dev-stack: {text}");
    }

    /// A line of a program's output. A flood is cut; the program's log has all of it.
    pub fn program(&self, name: &str, line: &str) {
        let mut burst = self.burst.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if burst.since.elapsed() > BURST_WINDOW {
            *burst = Burst {
                since: Instant::now(),
                shown: 0,
            };
        }
        burst.shown += 1;
        let text = match burst.shown.cmp(&BURST) {
            std::cmp::Ordering::Less => format!("[{name}] {line}"),
            std::cmp::Ordering::Equal => format!("[{name}] … more in the log"),
            std::cmp::Ordering::Greater => return,
        };
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
