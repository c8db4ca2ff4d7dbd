//! Ctrl-C and TERM end a run between two of its actions, never in the middle of one.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One Ctrl-C may arrive twice, from the terminal and from whoever started this. Only later ones are meant.
const SAME: Duration = Duration::from_secs(1);
/// How often a wait looks whether it is to end.
const SLICE: Duration = Duration::from_millis(50);
/// Exit code of a run that was interrupted, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Whether this run is to end.
#[derive(Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes the signals: the first asks the run to end, a second one ends it at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> io::Result<Self> {
        let interrupt = Self::default();
        let asked = Arc::clone(&interrupt.asked);
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        thread::spawn(move || {
            let mut first: Option<Instant> = None;
            for _ in signals.forever() {
                match first {
                    None => {
                        first = Some(Instant::now());
                        asked.store(true, Ordering::Relaxed);
                    }
                    Some(at) if at.elapsed() > SAME => process::exit(INTERRUPTED.into()),
                    Some(_) => {}
                }
            }
        });
        Ok(interrupt)
    }

    /// Whether it is to end.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Waits until then, or until it is to end.
    pub fn wait_until(&self, then: Instant) {
        while !self.asked() {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(SLICE));
        }
    }
}
