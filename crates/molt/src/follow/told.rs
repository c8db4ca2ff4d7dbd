//! What the platform tells about a command, whichever way it is asked.

use molt_common::api::exec::{ExecOutput, JobState, OutputChunk};
use serde::Deserialize;
use serde_json::Value;

/// How a command ended: of `ExecStatus`, `ExecOutput` and the event `end` the fields that they share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// Where it stands.
    pub state: JobState,
    /// Null unless observed.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Null unless observed.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Why it ended other than by itself.
    #[serde(default)]
    pub error: Option<String>,
}

/// Of the event `state` what matters here.
#[derive(Deserialize)]
struct StateTold {
    state: JobState,
}

/// One thing that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What it wrote, or that something of it was not kept.
    Chunk(OutputChunk),
    /// Where it stands.
    State(JobState),
    /// It ended, and everything that it wrote was told.
    End(Ending),
}

impl Told {
    /// Reads an event; `None` for one that this version does not know.
    ///
    /// # Errors
    /// When the data of a known event is not what it has to be.
    pub fn event(name: &str, data: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name {
            "stdout" | "stderr" | "gap" => Self::Chunk(serde_json::from_str(data)?),
            "state" => Self::State(serde_json::from_str::<StateTold>(data)?.state),
            "end" => Self::End(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }

    /// Everything that an answer in JSON tells.
    #[must_use]
    pub fn page(page: ExecOutput) -> Vec<Self> {
        let state = Self::State(page.state);
        let ending = Ending {
            state: page.state,
            exit_code: page.exit_code,
            signal: page.signal,
            error: page.error,
        };
        let end = page.done.then_some(Self::End(ending));
        std::iter::once(state)
            .chain(page.chunks.into_iter().map(Self::Chunk))
            .chain(end)
            .collect()
    }
}

/// How a command ended, of its status; `None` while it has not.
///
/// # Errors
/// When this is no status.
pub fn ending(status: &Value) -> serde_json::Result<Option<Ending>> {
    let ending = Ending::deserialize(status)?;
    Ok(ending.state.is_terminal().then_some(ending))
}

#[cfg(test)]
mod tests {
    use super::{Ending, Told};
    use molt_common::api::JobState;

    #[test]
    fn events_are_read_and_unknown_ones_left_aside() {
        let end = r#"{"execId":"e","state":"failed","exitCode":7,"signal":null,"stdoutBytes":3,"later":true}"#;
        let wanted = Ending {
            state: JobState::Failed,
            exit_code: Some(7),
            signal: None,
            error: None,
        };
        assert_eq!(Told::event("end", end).unwrap(), Some(Told::End(wanted)));
        assert_eq!(
            Told::event("state", r#"{"state":"waking","status":"running"}"#).unwrap(),
            Some(Told::State(JobState::Waking))
        );
        assert_eq!(Told::event("applause", "?").unwrap(), None);
        for (name, data) in [("end", "{}"), ("stdout", "text"), ("state", r#"{"state":"sleepy"}"#)] {
            assert!(Told::event(name, data).is_err(), "{name}");
        }
    }
}
