//! Whether the owner of a sandbox may have it started.

/// Why something that would have started it ended.
pub const SHUT_OUT: &str = "user_suspended: its owner is suspended, so it is not started until he is reinstated.";

/// How he stands, as his row says when a start is about to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerStanding {
    /// He may have one, or nothing is to be started.
    #[default]
    LetIn,
    /// He may not.
    ShutOut,
    /// Nobody can tell now.
    Unknown,
}
