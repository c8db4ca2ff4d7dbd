//! What Ctrl-C and TERM mean while a command is followed: it may go on without anybody who watches, so somebody has to decide.

use crate::console::Console;
use clap::ValueEnum;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// One Ctrl-C may arrive twice, from the terminal and from whoever started this.
const SAME: Duration = Duration::from_millis(300);
const QUESTION: &str = "molt: it still runs: [c]ancel, [d]etach, or Enter to go on (Ctrl-C cancels)? ";

/// What an interruption does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnInterrupt {
    /// Asks on the terminal; where there is none, cancels
    Ask,
    /// Cancels what was begun and waits for its end
    Cancel,
    /// Leaves it alone and says how to come back to it
    Detach,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Cancel it, and go on to its end.
    Cancel,
    /// Leave it running.
    Detach,
    /// Do not even wait for the end of what was cancelled.
    Leave,
}

/// What comes of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Ask,
    Do(Wish),
}

/// The first signal does what was chosen. A second one means it: it cancels. One after that leaves.
const fn next(policy: OnInterrupt, can_ask: bool, signal: i32, cancelling: bool) -> Next {
    match policy {
        _ if cancelling => Next::Do(Wish::Leave),
        OnInterrupt::Detach => Next::Do(Wish::Detach),
        // Whoever sends TERM does not sit at the terminal.
        OnInterrupt::Ask if can_ask && signal != SIGTERM => Next::Ask,
        OnInterrupt::Ask | OnInterrupt::Cancel => Next::Do(Wish::Cancel),
    }
}

/// An answer to the question; `None` for "go on".
fn answered(line: &str) -> Option<Wish> {
    match line.trim().to_ascii_lowercase().as_str() {
        "c" | "cancel" => Some(Wish::Cancel),
        "d" | "detach" => Some(Wish::Detach),
        _ => None,
    }
}

#[derive(Default)]
struct Seen {
    count: AtomicU32,
    last: AtomicI32,
}

/// The signals that this process gets, and what they come to.
pub struct Interrupts {
    policy: OnInterrupt,
    seen: Arc<Seen>,
    handled: u32,
    cancelling: bool,
    /// The answer to the question that stands on the terminal.
    answer: Option<Receiver<String>>,
}

impl Interrupts {
    /// Takes INT and TERM from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take(policy: OnInterrupt) -> io::Result<Self> {
        let interrupts = Self::never(policy);
        let seen = Arc::clone(&interrupts.seen);
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        thread::spawn(move || {
            let mut before: Option<Instant> = None;
            for signal in signals.forever() {
                if before.replace(Instant::now()).is_some_and(|at| at.elapsed() < SAME) {
                    continue;
                }
                seen.last.store(signal, Ordering::SeqCst);
                // Whoever follows may be stuck, for instance in writing to somebody who does not read.
                if seen.count.fetch_add(1, Ordering::SeqCst) >= 3 {
                    process::exit(code(signal).into());
                }
            }
        });
        Ok(interrupts)
    }

    /// Takes none.
    #[must_use]
    pub fn never(policy: OnInterrupt) -> Self {
        Self {
            policy,
            seen: Arc::default(),
            handled: 0,
            cancelling: false,
            answer: None,
        }
    }

    /// Exit code of a run that the last signal ended, as shells have it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        code(self.seen.last.load(Ordering::SeqCst))
    }

    /// Whether cancelling was wished.
    #[must_use]
    pub const fn cancelled(&self) -> bool {
        self.cancelling
    }

    /// What is wished since the last time. When somebody has to be asked, the question stands on the terminal until a later call finds the answer.
    pub fn wish(&mut self, console: &mut Console) -> Option<Wish> {
        let signal = self.signal();
        if signal == Some(SIGINT) {
            console.echoed();
        }
        let wish = match (&self.answer, signal) {
            (Some(_), Some(_)) => Some(Wish::Cancel),
            (Some(answer), None) => match answer.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Ok(line) => {
                    console.entered();
                    answered(&line)
                }
                // No terminal any more: nobody answers.
                Err(TryRecvError::Disconnected) => None,
            },
            (None, None) => return None,
            (None, Some(signal)) => {
                let terminal = io::stderr().is_terminal().then(|| File::open("/dev/tty").ok());
                let terminal = terminal.flatten();
                match next(self.policy, terminal.is_some(), signal, self.cancelling) {
                    Next::Do(wish) => Some(wish),
                    Next::Ask => {
                        console.ask(QUESTION);
                        self.answer = terminal.map(read_line);
                        return None;
                    }
                }
            }
        };
        self.answer = None;
        self.cancelling |= wish == Some(Wish::Cancel);
        wish
    }

    /// Whether a question stands on the terminal: what else would be shown has to wait.
    #[must_use]
    pub const fn asking(&self) -> bool {
        self.answer.is_some()
    }

    /// The question has no point any more.
    pub fn withdraw(&mut self, console: &mut Console) {
        if self.answer.take().is_some() {
            console.leave_line();
        }
    }

    fn signal(&mut self) -> Option<i32> {
        let count = self.seen.count.load(Ordering::SeqCst);
        if count <= self.handled {
            return None;
        }
        self.handled = count;
        Some(self.seen.last.load(Ordering::SeqCst))
    }
}

/// The next line of the terminal, in its time. The thread may outlive the question; then this process is about to end.
fn read_line(terminal: File) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(terminal).read_line(&mut line).is_ok() {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Next, OnInterrupt, Wish, answered, next};
    use signal_hook::consts::{SIGINT, SIGTERM};

    #[test]
    fn the_first_signal_does_what_was_chosen() {
        assert_eq!(next(OnInterrupt::Ask, true, SIGINT, false), Next::Ask);
        assert_eq!(next(OnInterrupt::Ask, false, SIGINT, false), Next::Do(Wish::Cancel));
        assert_eq!(next(OnInterrupt::Ask, true, SIGTERM, false), Next::Do(Wish::Cancel));
        assert_eq!(next(OnInterrupt::Cancel, true, SIGINT, false), Next::Do(Wish::Cancel));
        assert_eq!(next(OnInterrupt::Detach, true, SIGTERM, false), Next::Do(Wish::Detach));
    }

    #[test]
    fn whoever_insists_does_not_wait_for_what_was_cancelled() {
        for policy in [OnInterrupt::Ask, OnInterrupt::Cancel] {
            assert_eq!(next(policy, true, SIGINT, true), Next::Do(Wish::Leave));
        }
    }

    #[test]
    fn only_a_clear_answer_does_something() {
        assert_eq!(answered("c\n"), Some(Wish::Cancel));
        assert_eq!(answered(" Detach \n"), Some(Wish::Detach));
        for other in ["\n", "", "y\n", "cd\n"] {
            assert_eq!(answered(other), None);
        }
    }
}
