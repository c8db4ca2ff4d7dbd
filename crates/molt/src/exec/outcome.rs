//! The exit code that tells how a command ended.

use crate::follow::Ending;
use molt_common::api::JobState;

/// The command did not end by itself (timed out, cancelled, lost, rejected): there is no exit code of its own.
pub const NO_RESULT: u8 = 3;
/// As shells have it for a process that wrote to nobody: 128 and SIGPIPE.
pub const READER_GONE: u8 = 141;

/// Exit code, and what is to be said with it. A code that was not observed is never made up.
#[must_use]
pub fn told(ending: &Ending) -> (u8, Option<String>) {
    let observed = match (ending.state, ending.exit_code, ending.signal) {
        (JobState::Succeeded, None, _) => Some(0),
        (JobState::Succeeded | JobState::Failed, Some(code), _) => Some(u8::try_from(code).unwrap_or(u8::MAX)),
        (JobState::Failed, None, Some(signal)) => Some(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        _ => None,
    };
    let why = ending.error.as_deref();
    match (observed, ending.signal) {
        (Some(code), Some(signal)) => (
            code,
            Some(why.map_or_else(|| format!("the command was ended by signal {signal}"), str::to_owned)),
        ),
        (Some(code), None) => (code, None),
        (None, _) => {
            let state = words(ending.state);
            (
                NO_RESULT,
                Some(why.map_or_else(|| state.to_owned(), |why| format!("{state}: {why}"))),
            )
        }
    }
}

/// A state as people say it.
#[must_use]
pub const fn words(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Waking => "waking the sandbox",
        JobState::Starting => "starting",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::TimedOut => "timed out",
        JobState::Cancelled => "cancelled",
        JobState::Lost => "lost",
        JobState::Rejected => "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::told;
    use crate::follow::Ending;
    use molt_common::api::JobState;

    fn code(state: JobState, exit_code: Option<i32>, signal: Option<i32>) -> u8 {
        told(&Ending {
            state,
            exit_code,
            signal,
            error: None,
        })
        .0
    }

    #[test]
    fn a_command_that_ended_by_itself_gives_its_code() {
        assert_eq!(code(JobState::Succeeded, Some(0), None), 0);
        assert_eq!(code(JobState::Failed, Some(7), None), 7);
        assert_eq!(code(JobState::Failed, Some(255), None), 255);
        assert_eq!(code(JobState::Failed, None, Some(9)), 137);
        assert_eq!(code(JobState::Failed, None, Some(64)), 192);
    }

    #[test]
    fn any_other_end_is_3_whatever_was_observed_on_the_way() {
        for state in [
            JobState::TimedOut,
            JobState::Cancelled,
            JobState::Lost,
            JobState::Rejected,
        ] {
            for (exit_code, signal) in [(None, None), (Some(0), None), (None, Some(15))] {
                assert_eq!(code(state, exit_code, signal), 3, "{state:?} {exit_code:?} {signal:?}");
            }
        }
        assert_eq!(code(JobState::Failed, None, None), 3, "nothing was observed");
    }

    #[test]
    fn the_cause_is_said() {
        let said = |state, error: Option<&str>| {
            told(&Ending {
                state,
                exit_code: None,
                signal: None,
                error: error.map(str::to_owned),
            })
            .1
        };
        assert_eq!(
            said(JobState::TimedOut, Some("30 s are over")).unwrap(),
            "timed out: 30 s are over"
        );
        assert_eq!(said(JobState::Lost, None).unwrap(), "lost");
        assert_eq!(said(JobState::Succeeded, None), None);
    }
}
