//! What is told on standard error beside a command's own output: messages, and on a terminal a line that says what is being waited for.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(120);

const PROGRESS: &str = "progress";

/// Standard error of an operator.
#[derive(Default)]
pub struct Console {
    line: Option<(String, ProgressBar)>,
    /// On the terminal something else stands before the cursor: output without a line end, or the echo of a key.
    mid_line: bool,
    mute: bool,
}

impl Console {
    /// One that says nothing.
    #[cfg(test)]
    #[must_use]
    pub const fn mute() -> Self {
        Self {
            line: None,
            mid_line: false,
            mute: true,
        }
    }

    /// Bytes of a command were written to the terminal.
    pub fn shown(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.mid_line = *last != b'\n';
        }
    }

    /// The terminal has echoed a Ctrl-C. In the line that is being waited on it goes with that line.
    pub const fn echoed(&mut self) {
        self.mid_line |= self.line.is_none();
    }

    /// The terminal has echoed the end of a line.
    pub const fn entered(&mut self) {
        self.mid_line = false;
    }

    /// Goes to the beginning of a line.
    pub fn leave_line(&mut self) {
        let _ = write!(io::stderr(), "{}", self.fresh_line());
    }

    /// What leads from where the cursor is to the beginning of a line. Elsewhere than on a terminal nothing does: the streams are apart.
    fn fresh_line(&mut self) -> &'static str {
        match std::mem::take(&mut self.mid_line) && io::stderr().is_terminal() {
            true => "\n",
            false => "",
        }
    }

    /// Whether anybody would see a line that says what is being waited for.
    #[must_use]
    pub fn shows() -> bool {
        io::stderr().is_terminal()
    }

    /// Shows on a terminal, with the time that passes, what is being waited for; elsewhere nothing.
    pub fn wait_for(&mut self, what: &str) {
        if self.mute || self.line.as_ref().is_some_and(|(shown, _)| shown == what) {
            return;
        }
        self.clear();
        if !io::stderr().is_terminal() {
            return;
        }
        // The line is drawn from the left border on.
        self.leave_line();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}… {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(TICK);
        self.line = Some((what.to_owned(), bar));
    }

    /// Shows on a terminal how many of how many are done; elsewhere nothing.
    pub fn progress(&mut self, done: u32, total: u32, message: &str) {
        if self.mute || !io::stderr().is_terminal() {
            return;
        }
        if self.line.as_ref().is_none_or(|(shown, _)| shown != PROGRESS) {
            self.clear();
            self.leave_line();
            let bar = ProgressBar::with_draw_target(Some(total.into()), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            self.line = Some((PROGRESS.to_owned(), bar));
        }
        if let Some((_, bar)) = &self.line {
            bar.set_length(total.into());
            bar.set_position(done.into());
            bar.set_message(message.to_owned());
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if let Some((_, bar)) = self.line.take() {
            bar.finish_and_clear();
        }
    }

    /// Says something in a line of its own.
    pub fn say(&mut self, text: &str) {
        if self.mute {
            return;
        }
        let text = text.replace(char::is_control, "\u{fffd}");
        let before = self.fresh_line();
        let write = || {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(io::stderr(), "{before}molt: {text}");
        };
        match &self.line {
            Some((_, bar)) => bar.suspend(write),
            None => write(),
        }
    }

    /// Asks something and leaves the cursor behind it.
    pub fn ask(&mut self, text: &str) {
        self.clear();
        let mut stderr = io::stderr();
        let _ = write!(stderr, "{}{text}", self.fresh_line()).and_then(|()| stderr.flush());
        self.mid_line = true;
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.clear();
    }
}
