//! Follows a command to its end, however often the connection breaks: each byte of its output is passed on once, in order.

mod cancel;
mod connection;
mod interrupt;
mod patience;
mod position;
mod sink;
mod target;
mod told;

#[cfg(test)]
pub mod scripted;
#[cfg(test)]
mod tests;

pub use cancel::Cancelling;
pub use interrupt::{Interrupts, OnInterrupt, Wish};
pub use patience::Patience;
pub use sink::{Discard, Sink, Stdio};
pub use target::Target;
pub use told::Ending;

use crate::client::{Client, ClientError, Failed};
use crate::console::Console;
use connection::{Connection, Heard, Over, Way};
use molt_common::api::JobState;
use molt_common::output::{OutputCursor, StreamName};
use position::News;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};
use told::Told;

/// How often signals are looked for.
const SLICE: Duration = Duration::from_millis(50);
/// A connection that lasted this long was a good one, even if it told nothing.
const GOOD: Duration = Duration::from_secs(5);
/// So much is held while somebody thinks about a question; what comes after it waits in the connection.
const MOST_HELD: usize = 32;

/// How long things may take.
#[derive(Clone, Debug)]
pub struct Pace {
    /// A connection without a byte for this long is dead. The platform sends one every ten seconds.
    pub silence: Duration,
    /// Pauses between attempts.
    pub patience: Patience,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            patience: Patience::default(),
        }
    }
}

/// How following a command ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With the command.
    Ended(Ending),
    /// The command goes on.
    Detached,
    /// Whoever read the output went away; the command goes on.
    ReaderGone,
    /// It is being cancelled; its end was not waited for.
    Left,
}

/// Follows a command from a position on.
pub struct Follower<'a> {
    client: &'a Client,
    target: &'a Target,
    sink: &'a mut dyn Sink,
    console: &'a mut Console,
    interrupts: &'a mut Interrupts,
    pace: Pace,
    cursor: OutputCursor,
    way: Way,
    /// Answer of the platform to the request to cancel.
    cancelling: Option<Cancelling>,
    state: Option<JobState>,
    /// What was told while a question stood on the terminal.
    held: VecDeque<Told>,
    lost: Option<Instant>,
    told_lost: bool,
}

/// Goes on, or is through.
type Step<T> = Result<Result<T, Outcome>, ClientError>;

impl<'a> Follower<'a> {
    /// Follows `target` from `cursor` on.
    pub fn new(
        client: &'a Client,
        target: &'a Target,
        cursor: OutputCursor,
        sink: &'a mut dyn Sink,
        console: &'a mut Console,
        interrupts: &'a mut Interrupts,
        pace: Pace,
    ) -> Self {
        Self {
            client,
            target,
            sink,
            console,
            interrupts,
            pace,
            cursor,
            way: Way::Stream,
            cancelling: None,
            state: None,
            held: VecDeque::new(),
            lost: None,
            told_lost: false,
        }
    }

    /// To the end, or until whoever watches has enough.
    ///
    /// # Errors
    /// What no further attempt would change (see [`Failed::Lasting`]), or standard output takes no more.
    pub fn run(mut self) -> Result<Outcome, ClientError> {
        loop {
            let (begun, before) = (Instant::now(), self.cursor);
            let connection = Connection::open(self.client, self.target, self.way, before, self.pace.silence);
            let over = match self.listen(&connection)? {
                Ok(over) => over,
                Err(outcome) => return Ok(outcome),
            };
            if self.cursor != before || begun.elapsed() > GOOD {
                self.pace.patience.reset();
            }
            let (why, wait) = match over {
                Over::Silent | Over::NoStream => {
                    self.way = Way::LongPoll;
                    continue;
                }
                Over::Failed(Failed::Lasting(ClientError::Refused(problem)))
                    if problem.status == 404 && self.way != Way::Status =>
                {
                    // Either nobody knows the command, which the status will say, or the deployment has no such route.
                    self.way = Way::Status;
                    continue;
                }
                Over::Failed(Failed::Lasting(error)) => return Err(error),
                Over::Nothing | Over::Told => {
                    self.way = Way::Status;
                    ("there was nothing more to tell".to_owned(), None)
                }
                Over::Cut(why) => (why, None),
                Over::Failed(Failed::Passing { error, wait, .. }) => (error.to_string(), wait),
            };
            if let Err(outcome) = self.pause(&why, wait)? {
                return Ok(outcome);
            }
        }
    }

    /// Passes on what the connection tells, until it ends.
    fn listen(&mut self, connection: &Connection) -> Step<Over> {
        // What was held and not passed on is told again from the cursor on.
        self.held.clear();
        loop {
            if let Err(outcome) = self.attend()? {
                return Ok(Err(outcome));
            }
            while !self.interrupts.asking()
                && let Some(told) = self.held.pop_front()
            {
                if let Err(outcome) = self.take(told)? {
                    return Ok(Err(outcome));
                }
            }
            if self.held.len() >= MOST_HELD {
                thread::sleep(SLICE);
                continue;
            }
            match connection.next(SLICE) {
                None => {}
                Some(Heard::Answer) => self.found(),
                Some(Heard::Over(over)) => return Ok(Ok(over)),
                Some(Heard::Told(told)) => {
                    if matches!(told, Told::End(_)) {
                        self.interrupts.withdraw(self.console);
                    }
                    self.held.push_back(told);
                }
            }
        }
    }

    fn take(&mut self, told: Told) -> Step<()> {
        match told {
            Told::State(state) => self.show(state),
            Told::End(ending) => {
                self.console.clear();
                return Ok(Err(Outcome::Ended(ending)));
            }
            Told::Chunk(chunk) => {
                let news = position::accept(&mut self.cursor, chunk)
                    .map_err(|error| ClientError::Unexpected(self.target.output(), error.to_string()))?;
                for news in news {
                    match news {
                        News::Gap(stream, bytes) => self.console.say(&not_kept(stream, bytes)),
                        News::Bytes(stream, bytes) => {
                            self.console.clear();
                            if let Err(error) = self.sink.write(stream, &bytes) {
                                return match (stream, error.kind()) {
                                    (_, ErrorKind::BrokenPipe) => Ok(Err(Outcome::ReaderGone)),
                                    // What cannot be said there is no reason to lose standard output.
                                    (StreamName::Stderr, _) => continue,
                                    (StreamName::Stdout, _) => Err(error.into()),
                                };
                            }
                            if self.sink.is_terminal(stream) {
                                self.console.shown(&bytes);
                            }
                        }
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    /// What the operator wishes meanwhile, and how his wish to cancel went.
    fn attend(&mut self) -> Step<()> {
        match self.interrupts.wish(self.console) {
            Some(Wish::Cancel) if self.cancelling.is_none() => {
                self.console.say("cancelling the command; waiting for its end");
                let patience = self.pace.patience.clone();
                self.cancelling = Some(Cancelling::begin(self.client, self.target.path(), patience));
            }
            Some(Wish::Leave | Wish::Cancel) => return Ok(Err(Outcome::Left)),
            Some(Wish::Detach) => return Ok(Err(Outcome::Detached)),
            None => {}
        }
        if let Some(cancelling) = &self.cancelling {
            cancelling.refused()?;
        }
        Ok(Ok(()))
    }

    /// Waits before the next attempt, and says so when it is not the first.
    fn pause(&mut self, why: &str, asked: Option<Duration>) -> Step<()> {
        let pause = self.pace.patience.pause(asked, fastrand::f64());
        self.lost.get_or_insert_with(Instant::now);
        if self.pace.patience.failures() > 1 && !self.told_lost {
            self.told_lost = true;
            self.console.say(&format!(
                "lost the platform ({why}); the command goes on, trying again until it answers"
            ));
        }
        if self.told_lost && !self.interrupts.asking() {
            self.console.wait_for("no connection");
        }
        let until = Instant::now() + pause;
        while let Some(left) = until
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            if let Err(outcome) = self.attend()? {
                return Ok(Err(outcome));
            }
            thread::sleep(left.min(SLICE));
        }
        Ok(Ok(()))
    }

    fn found(&mut self) {
        let lost = self.lost.take();
        if let (Some(since), true) = (lost, std::mem::take(&mut self.told_lost)) {
            self.console.clear();
            self.console
                .say(&format!("connected again after {:.0} s", since.elapsed().as_secs_f64()));
        }
        if let Some(state) = self.state.filter(|_| !self.interrupts.asking()) {
            self.show(state);
        }
    }

    fn show(&mut self, state: JobState) {
        self.state = Some(state);
        match state {
            JobState::Queued => self.console.wait_for("queued"),
            JobState::Waking => self.console.wait_for("waking the sandbox"),
            JobState::Starting => self.console.wait_for("starting"),
            _ => self.console.clear(),
        }
    }
}

fn not_kept(stream: StreamName, bytes: u64) -> String {
    let name = match stream {
        StreamName::Stdout => "output",
        StreamName::Stderr => "error",
    };
    format!(
        "{} bytes of standard {name} were not kept",
        indicatif::HumanCount(bytes)
    )
}
