//! What is not exported.

use super::Place;

const COPIED: &str = "says how much of the chain D1 has, where it is written again";
const OF_RESTORE: &str = "how far a restore into this object came";
const NOT_RESULTS: &str = "results of commands are kept for a day, and those under way end with the platform";
const ANNOUNCED: &str = "what lists are still to be told: they are told anew";

/// Every table that is not exported, and why.
pub const LEFT_OUT: &[(Place, &str, &str)] = &[
    (
        Place::Sandbox,
        "provider_calls",
        "calls of the last minutes, which ended with the platform",
    ),
    (
        Place::Sandbox,
        "container_run",
        "the container that ran on the platform of before",
    ),
    (
        Place::Sandbox,
        "providers_handed",
        "what the start of a container was given",
    ),
    (
        Place::Sandbox,
        "outbound_start",
        "what the start of a container was given",
    ),
    (
        Place::Database,
        "audit",
        "copies of the chains that the objects keep, which write them again",
    ),
    (
        Place::Database,
        "sandbox_states",
        "copies of what each sandbox's object announces, which it does anew",
    ),
    (
        Place::ControlPlane,
        "outbox",
        "what D1 is still to be told: both are made to agree at the end of a restore",
    ),
    (Place::ControlPlane, "audit_copied", COPIED),
    (Place::ControlPlane, "recovery", OF_RESTORE),
    (
        Place::Sandbox,
        "start_times",
        "how long starts took on the platform of before",
    ),
    (Place::Sandbox, "outbox", ANNOUNCED),
    (Place::Sandbox, "announcements", ANNOUNCED),
    (
        Place::Sandbox,
        "tier_to_copy",
        "a changed tier that D1 is still to be told: it is told anew",
    ),
    (Place::Sandbox, "audit_copied", COPIED),
    (Place::Sandbox, "recovery", OF_RESTORE),
    (Place::Exec, "execs", NOT_RESULTS),
    (Place::Exec, "outputs", NOT_RESULTS),
    (Place::Exec, "output", NOT_RESULTS),
    (Place::Exec, "exec_jobs", NOT_RESULTS),
    (Place::Exec, "steps", "counts the steps of an alarm"),
    (Place::Exec, "exec_schema", "the version of these tables"),
    (Place::Exec, "announcements", ANNOUNCED),
    (Place::Exec, "audit_copied", COPIED),
    (Place::Exec, "recovery", OF_RESTORE),
];
