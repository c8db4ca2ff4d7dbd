//! Which side answers a call: the flag of its route, as it stands for whoever calls (`molt_common::flag` decides).

use crate::admission::Caller;
use crate::dispatch::Call;
use crate::trust;
use molt_common::flag::{Flag, Rank, Source, Standing, Subject};
use molt_common::trust_memory::TrustMemory;
use molt_platform::{entropy, settings};

/// What an answer says about the flags that it was decided by.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Their rank; its version is 0 when none was ever set.
    pub rank: Rank,
    /// Who decided.
    pub source: Source,
}

/// How a flag stands for somebody, or for all where nobody is given. The answer of this call will say so.
pub fn decide(call: &Call<'_>, flag: Flag, caller: Option<&Caller>) -> Standing {
    let standing = standing(call, flag, caller.and_then(Caller::subject).as_ref());
    call.flags.set(Some(Stamp {
        rank: rank(),
        source: standing.source,
    }));
    standing
}

/// How a flag stands for a subject.
pub fn standing(call: &Call<'_>, flag: Flag, subject: Option<&Subject>) -> Standing {
    let variable = settings::text(call.env, flag.name());
    trust::look(|memory| memory.standing(flag, variable.as_deref(), subject, entropy::now()))
}

/// Rank of the flags that this isolate goes by.
pub fn rank() -> Rank {
    trust::look(TrustMemory::rank)
}
