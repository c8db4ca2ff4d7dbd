//! What the world of a change is made of, and how its object sees it.

use crate::change::{Observation, Seen, Told};
use crate::sandbox::owner::OwnerStanding;
use molt_common::control::AgentRestart;
use molt_common::sandbox_call::Lifecycle;
use molt_common::time::Millis;

/// What really is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    pub generation: u64,
    /// Number of the agent's process, over all generations.
    pub agent: u8,
    pub ready: bool,
    /// The restart that the supervisor knows: whether the new agent exists.
    pub restart: Option<bool>,
}

/// A look at it, as the object keeps it until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    pub at: Millis,
    pub found: Option<Container>,
    /// Whether the supervisor answered.
    pub answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub steps: u8,
    pub troubles: u8,
    pub others: u8,
    pub passes: u8,
    pub cancels: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The alarm asks the container, and its machine draws the conclusions. Perhaps the supervisor does not answer.
    Look(bool),
    /// The alarm has the change take its step.
    Drive,
    /// The object's memory goes, with whoever waits for calls.
    Evict,
    /// A call to the supervisor arrives, or is lost; its answer reaches the object, or is lost.
    Arrive,
    LoseCall,
    Answer,
    LoseAnswer,
    Cancel,
    /// Somebody else's request or stop.
    OthersNeed,
    OthersStop,
    ContainerStarts,
    StartFails,
    AgentExists,
    AgentReady,
    AgentCrashes,
    ContainerDies,
    StopTakesEffect,
    SupervisorForgets,
    Pass(u64),
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Came {
    Taken,
    NotNow,
    Nothing,
}

/// What the object knows.
pub fn seen_of(lifecycle: Lifecycle, generation: u64, retry_at: Option<Millis>, look: Option<Look>) -> Seen {
    Seen {
        lifecycle,
        phase: None,
        generation,
        cause: None,
        retry_at,
        waits_for_capacity: false,
        elsewhere: false,
        moving: false,
        stop_refused: None,
        owner: OwnerStanding::LetIn,
        restored: None,
        observation: look.map(|look| Observation {
            at: look.at,
            container: look.found.is_some(),
            told: look.found.filter(|_| look.answered).map(|found| Told {
                generation: found.generation,
                ready: found.ready,
                restart: found.restart.map(|done| AgentRestart {
                    id: "c".into(),
                    done,
                    error: None,
                }),
                save: None,
                upkeep: None,
            }),
        }),
    }
}
