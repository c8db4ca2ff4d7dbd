//! Calls about the audit trail to the objects that keep one.

use crate::audit::{Author, Broken, Chain, Head};
use crate::id::UserId;
use crate::object_call::Call;
use serde::{Deserialize, Serialize};

/// Is the object's chain as it was written? Bounded: a long chain takes several calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyChain {
    /// Name of the chain, which the object knows only for those it has written to.
    pub chain: Chain,
    /// How far an earlier call came.
    pub behind: Head,
    /// The newest entry of the copy, if there is any.
    pub copy: Option<Head>,
}

impl Call for VerifyChain {
    const PATH: &'static str = "/audit/verify";
    type Answer = ChainReport;
}

/// Answer to [`VerifyChain`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReport {
    /// How far the chain is sound.
    pub sound: Head,
    /// Whether that is the whole chain.
    pub whole: bool,
    /// Where it is broken first.
    pub broken: Option<Broken>,
    /// Whether the copy's newest entry is this chain's of the same number; `None` without a copy.
    pub copy_agrees: Option<bool>,
}

/// A user was created by the first valid token: to be noted once, however often it is called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoteEnrolment {
    /// Who.
    pub user: UserId,
    /// In which request.
    pub author: Author,
}

impl Call for NoteEnrolment {
    const PATH: &'static str = "/audit/enrolment";
    type Answer = ();
}
