//! How a run ends, as exit codes tell it.

use super::flags_api::ApiError;
use super::interrupt::INTERRUPTED;
use super::state_file::StateError;

/// How a run ended that did not do all that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A check failed; the state from before is back and the old path was seen to answer.
    Undone(String),
    /// It did not begin: nothing was touched.
    Refused(String),
    /// Somebody has to look: it could not be undone, or not be shown to work.
    Stuck(String),
    /// Ctrl-C or TERM. What was reached is kept.
    Interrupted(String),
}

impl Ending {
    /// Exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Undone(_) => 1,
            Self::Refused(_) => 2,
            Self::Stuck(_) => 3,
            Self::Interrupted(_) => INTERRUPTED,
        }
    }

    /// Word for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Undone(_) => "undone",
            Self::Refused(_) => "refused",
            Self::Stuck(_) => "stuck",
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Undone(why) | Self::Refused(why) | Self::Stuck(why) | Self::Interrupted(why) => why,
        }
    }
}

impl From<ApiError> for Ending {
    fn from(error: ApiError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<StateError> for Ending {
    fn from(error: StateError) -> Self {
        Self::Refused(error.to_string())
    }
}
