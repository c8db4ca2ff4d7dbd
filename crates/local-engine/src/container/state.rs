//! What is known of a container at one moment.

use chrono::{DateTime, SecondsFormat, Utc};

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not started yet.
    Created,
    /// Started and not ended.
    Running,
    /// Ended.
    Exited,
}

impl Status {
    /// As clients know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
        }
    }
}

/// State of one container.
#[derive(Clone, Debug)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// Process id of its first process on the host while it runs, else 0.
    pub pid: u32,
    /// How the first process ended; 128 + n when signal n ended it.
    pub exit_code: i32,
    /// Whether the kernel killed something in it for want of memory.
    pub memory_killed: bool,
    /// Last start.
    pub started_at: Option<DateTime<Utc>>,
    /// Last end.
    pub finished_at: Option<DateTime<Utc>>,
    /// Port on the host's loopback, of a sidecar that runs.
    pub port: Option<u16>,
    /// Directory of its control group while it runs, if there is one.
    pub cgroup: Option<String>,
    /// Whether it is gone for good.
    pub removed: bool,
    /// Whether its last start was refused because as many run as may.
    pub no_place: bool,
}

impl State {
    /// A container that was just created.
    pub const NEW: Self = Self {
        status: Status::Created,
        pid: 0,
        exit_code: 0,
        memory_killed: false,
        started_at: None,
        finished_at: None,
        port: None,
        cgroup: None,
        removed: false,
        no_place: false,
    };

    /// The state after a start.
    pub fn started(&mut self, pid: u32, now: DateTime<Utc>) {
        *self = Self {
            status: Status::Running,
            pid,
            started_at: Some(now),
            ..Self::NEW
        };
    }

    /// The state after an end.
    pub fn ended(&mut self, exit_code: i32, memory_killed: bool, now: DateTime<Utc>) {
        let started_at = self.started_at;
        *self = Self {
            status: Status::Exited,
            exit_code,
            memory_killed,
            started_at,
            finished_at: Some(now),
            removed: self.removed,
            ..Self::NEW
        };
    }
}

/// A time as clients expect it; the year 1 when it has not come.
pub fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |time| time.to_rfc3339_opts(SecondsFormat::Nanos, true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_forgets_the_first_end() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let mut state = State::NEW;
        state.started(7, now);
        state.ended(137, true, now);
        assert_eq!(
            (state.status, state.exit_code, state.pid, state.memory_killed),
            (Status::Exited, 137, 0, true)
        );
        assert_eq!(state.started_at, Some(now));
        state.started(8, now);
        assert_eq!(
            (state.status, state.exit_code, state.memory_killed),
            (Status::Running, 0, false)
        );
        assert_eq!(state.finished_at, None);
    }

    #[test]
    fn a_time_that_has_not_come_is_the_year_1() {
        assert_eq!(time(None), "0001-01-01T00:00:00Z");
        assert_eq!(time(DateTime::from_timestamp(0, 5)), "1970-01-01T00:00:00.000000005Z");
    }
}
