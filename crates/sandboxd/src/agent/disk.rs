//! Whether the agent's home holds what it should.

/// The agent is started when it does, and never before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Not yet: nobody has said what it is to hold, or it is being restored.
    Pending,
    /// It does.
    Ready,
    /// It could not be restored, and why. The agent is not started: one that begins anew would hide the loss.
    Failed(String),
}
