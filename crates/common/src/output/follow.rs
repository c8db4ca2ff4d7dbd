//! What somebody who follows a command is told next, and when it is over.

use super::OutputCursor;
use super::chunks::Told;
use super::events::{Events, LastEvent};
use crate::api::exec::{ExecChange, ExecEnd};

/// Where a follower is.
#[derive(Clone, Debug)]
pub struct Follower {
    cursor: OutputCursor,
    change: Option<ExecChange>,
    over: bool,
}

/// What is there to tell, of one moment.
#[derive(Clone, Debug)]
pub struct News {
    /// How the command stands.
    pub change: ExecChange,
    /// What it wrote after the follower's position.
    pub told: Vec<Told>,
    /// The end, when nothing follows what is told.
    pub end: Option<ExecEnd>,
}

impl Follower {
    /// One who was told up to here.
    #[must_use]
    pub const fn new(last: LastEvent) -> Self {
        Self {
            cursor: last.cursor,
            change: None,
            over: false,
        }
    }

    /// Up to where he was told everything.
    #[must_use]
    pub const fn cursor(&self) -> OutputCursor {
        self.cursor
    }

    /// Whether he was told the end.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Tells him; nothing when nothing is new. A state comes before what was written in it, the last one after everything.
    pub fn tell(&mut self, news: &News) -> Events {
        let mut events = Events::default();
        if !news.change.state.is_terminal() {
            self.state(&news.change, &mut events);
        }
        for told in &news.told {
            events.output(told);
            self.cursor = told.after;
        }
        if let Some(end) = &news.end {
            self.state(&news.change, &mut events);
            events.end(self.cursor, end);
            self.over = true;
        }
        events
    }

    fn state(&mut self, change: &ExecChange, events: &mut Events) {
        if self.change.as_ref() != Some(change) {
            events.state(change);
            self.change = Some(change.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Follower, News};
    use crate::api::exec::{ExecChange, ExecEnd, JobState};
    use crate::id::{ExecId, UserId};
    use crate::output::chunks::{Stretch, tell};
    use crate::output::events::LastEvent;
    use crate::output::{OutputCursor, OutputPiece, StreamName};

    fn change(state: JobState) -> ExecChange {
        ExecChange {
            state,
            status: state.status().into(),
            generation: None,
            started_at: None,
            error: None,
        }
    }

    fn end(state: JobState) -> ExecEnd {
        ExecEnd {
            exec_id: ExecId::parse("e").unwrap(),
            found: true,
            user_id: UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap(),
            command: "c".into(),
            state,
            status: state.status().into(),
            exit_code: None,
            signal: None,
            stdout_bytes: 2,
            stderr_bytes: 0,
            truncated: false,
            created_at: String::new(),
            started_at: None,
            completed_at: None,
            generation: None,
            error: None,
        }
    }

    fn news(state: JobState, follower: &Follower, text: &str, over: bool) -> News {
        let after = follower.cursor();
        let mut end_of = after;
        end_of.stdout += text.len() as u64;
        let stretch = Stretch {
            after,
            pieces: vec![OutputPiece {
                stream: StreamName::Stdout,
                at: after.stdout,
                bytes: text.into(),
            }],
            end: end_of,
            last: over,
        };
        News {
            change: change(state),
            told: tell(&stretch, 100),
            end: over.then(|| end(state)),
        }
    }

    /// Names and ids of the events.
    fn seen(follower: &mut Follower, news: &News) -> Vec<String> {
        let text = follower.tell(news).into_text();
        let line = |line: &str| {
            let name = line.strip_prefix("event: ").or_else(|| line.strip_prefix("id: "));
            name.map(str::to_owned)
        };
        text.lines().filter_map(line).collect()
    }

    #[test]
    fn a_state_is_told_when_it_changes_and_the_last_one_after_everything() {
        let mut follower = Follower::new("0-0".parse::<LastEvent>().unwrap());
        let first = news(JobState::Waking, &follower, "", false);
        assert_eq!(seen(&mut follower, &first), ["state"]);
        assert!(seen(&mut follower, &first).is_empty(), "nothing is new");
        let running = news(JobState::Running, &follower, "a", false);
        assert_eq!(seen(&mut follower, &running), ["state", "1-0", "stdout"]);
        // It has ended, and more is to be told than was read.
        let ended = news(JobState::Failed, &follower, "b", false);
        assert_eq!(seen(&mut follower, &ended), ["2-0", "stdout"]);
        assert!(!follower.is_over());
        let over = news(JobState::Failed, &follower, "c", true);
        assert_eq!(seen(&mut follower, &over), ["3-0", "stdout", "state", "3-0-end", "end"]);
        assert!(follower.is_over());
        assert_eq!(follower.cursor(), OutputCursor { stdout: 3, stderr: 0 });
    }

    #[test]
    fn who_comes_back_after_the_last_byte_is_told_the_end() {
        let mut follower = Follower::new("3-0".parse::<LastEvent>().unwrap());
        let over = news(JobState::Succeeded, &follower, "", true);
        assert_eq!(seen(&mut follower, &over), ["state", "3-0-end", "end"]);
    }
}
