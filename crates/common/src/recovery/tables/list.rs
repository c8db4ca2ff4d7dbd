//! What is exported.

use super::{AUDIT_TABLE, Column, Kind, Place, Reading, Table, USERS};

const fn text(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Text,
        optional: false,
    }
}

const fn integer(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Integer,
        optional: false,
    }
}

const fn maybe(column: Column) -> Column {
    Column {
        optional: true,
        ..column
    }
}

const fn table(place: Place, name: &'static str, reading: Reading, columns: &'static [Column]) -> Table {
    Table {
        place,
        name,
        columns,
        reading,
        single: false,
        only: "",
        left_columns: &[],
    }
}

/// A table with one row.
const fn single(place: Place, name: &'static str, columns: &'static [Column]) -> Table {
    Table {
        single: true,
        left_columns: ALWAYS_ONE,
        ..table(place, name, Reading::Whole, columns)
    }
}

const ALWAYS_ONE: &[(&str, &str)] = &[("id", "always 1")];

/// Counters are told to D1 once more from the beginning.
const TOLD_ANEW: &[(&str, &str)] = &[("told", "what D1 has been told of the row: it is told anew")];

/// A chain of audit entries, as every object keeps it.
const AUDIT: &[Column] = &[
    integer("seq"),
    integer("at"),
    text("actor"),
    text("action"),
    text("target"),
    text("request_id"),
    text("detail"),
    text("previous"),
    text("hash"),
];

/// Every table that is exported, in the order in which rows are restored.
pub const TABLES: &[Table] = &[
    Table {
        left_columns: &[(
            "tier_version",
            "counts changes that the sandbox's object announced, which counts anew",
        )],
        ..table(
            Place::Database,
            USERS,
            Reading::Whole,
            &[
                text("id"),
                text("name"),
                maybe(text("email")),
                text("status"),
                integer("tier"),
                text("workspace_id"),
                text("created_at"),
                text("updated_at"),
            ],
        )
    },
    table(
        Place::Database,
        "invitations",
        Reading::Whole,
        &[
            text("email"),
            text("created_at"),
            text("invited_by"),
            maybe(text("used_at")),
            maybe(text("used_by")),
        ],
    ),
    Table {
        // What is under way ends with the platform that drives it.
        only: "state NOT IN ('queued', 'waking', 'starting', 'running')",
        ..table(
            Place::Database,
            "jobs",
            Reading::Whole,
            &[
                text("job_id"),
                text("kind"),
                maybe(text("user_id")),
                maybe(text("parent")),
                text("state"),
                integer("created_at"),
                integer("version"),
                text("view"),
                integer("updated_at"),
            ],
        )
    },
    // The objects keep the newest days only. What they tell anew of those is no newer than this, or has a higher version.
    table(
        Place::Database,
        "usage_days",
        Reading::Whole,
        &[
            text("user_id"),
            integer("day"),
            text("provider"),
            integer("own_key"),
            integer("requests"),
            integer("ended"),
            integer("failed"),
            integer("request_bytes"),
            integer("answer_bytes"),
            integer("stated"),
            integer("input_tokens"),
            integer("cached_input_tokens"),
            integer("output_tokens"),
            integer("priced"),
            integer("nano_usd"),
            integer("version"),
            integer("updated_at"),
        ],
    ),
    table(
        Place::Database,
        "container_days",
        Reading::Whole,
        &[
            text("user_id"),
            integer("day"),
            integer("tier"),
            integer("ms"),
            integer("version"),
            integer("updated_at"),
        ],
    ),
    table(
        Place::Database,
        "storage_days",
        Reading::Whole,
        &[
            text("user_id"),
            integer("day"),
            integer("bytes"),
            integer("version"),
            integer("updated_at"),
        ],
    ),
    single(Place::Sandbox, "audited", &[text("user")]),
    Table {
        left_columns: &[
            ("id", "always 1"),
            ("control_token", "opens a container that is not there any more"),
        ],
        ..single(Place::Sandbox, "sandbox", &[text("state")])
    },
    single(Place::Sandbox, "ownership", &[text("state")]),
    single(Place::Sandbox, "repository_key", &[text("wrapped")]),
    single(Place::Sandbox, "snapshots_kept", &[text("state")]),
    table(
        Place::Sandbox,
        "snapshots",
        Reading::Whole,
        &[integer("sequence"), text("id"), text("entry")],
    ),
    single(Place::Sandbox, "config_standing", &[text("state")]),
    table(
        Place::Sandbox,
        "config_versions",
        Reading::Appended,
        &[
            integer("version"),
            text("hash"),
            text("document"),
            text("author"),
            maybe(text("reason")),
            integer("at"),
            text("request_id"),
            text("source"),
            maybe(text("edit_id")),
        ],
    ),
    Table {
        only: "ended_at IS NOT NULL",
        ..table(
            Place::Sandbox,
            "changes",
            Reading::Whole,
            &[
                integer("seq"),
                text("id"),
                text("owner"),
                integer("tier"),
                text("change"),
                maybe(integer("ended_at")),
            ],
        )
    },
    table(
        Place::Sandbox,
        "user_secrets",
        Reading::Whole,
        &[text("name"), text("used_for"), text("sealed"), integer("set_at")],
    ),
    single(Place::Sandbox, "user_secrets_revision", &[integer("revision")]),
    single(
        Place::Sandbox,
        "outbound",
        &[text("policy"), integer("version"), integer("changed_at")],
    ),
    single(Place::Sandbox, "legacy_kept", &[text("state")]),
    single(Place::Sandbox, "budget", &[text("state")]),
    Table {
        left_columns: TOLD_ANEW,
        ..table(
            Place::Sandbox,
            "usage_days",
            Reading::Whole,
            &[
                integer("day"),
                text("provider"),
                integer("own_key"),
                integer("requests"),
                integer("ended"),
                integer("failed"),
                integer("request_bytes"),
                integer("answer_bytes"),
                integer("stated"),
                integer("input_tokens"),
                integer("cached_input_tokens"),
                integer("output_tokens"),
                integer("priced"),
                integer("nano_usd"),
                integer("version"),
            ],
        )
    },
    Table {
        left_columns: TOLD_ANEW,
        ..table(
            Place::Sandbox,
            "container_days",
            Reading::Whole,
            &[integer("day"), integer("tier"), integer("ms"), integer("version")],
        )
    },
    Table {
        left_columns: TOLD_ANEW,
        ..table(
            Place::Sandbox,
            "storage_days",
            Reading::Whole,
            &[integer("day"), integer("bytes"), integer("version")],
        )
    },
    table(Place::Sandbox, AUDIT_TABLE, Reading::Appended, AUDIT),
    table(Place::Exec, AUDIT_TABLE, Reading::Appended, AUDIT),
    Table {
        left_columns: &[
            ("id", "always 1"),
            ("published", "says what the copy of another platform has"),
        ],
        ..single(
            Place::ControlPlane,
            "control",
            &[integer("version"), integer("bootstrap_off")],
        )
    },
    table(
        Place::ControlPlane,
        "keys",
        Reading::Whole,
        &[
            text("id"),
            text("hash"),
            text("name"),
            text("scopes"),
            integer("created_at"),
            text("created_by"),
            maybe(integer("expires_at")),
            maybe(integer("last_used_at")),
            maybe(integer("revoked_at")),
        ],
    ),
    single(Place::ControlPlane, "flag_set", &[integer("version"), integer("epoch")]),
    table(
        Place::ControlPlane,
        "flags",
        Reading::Whole,
        &[
            text("name"),
            integer("version"),
            maybe(text("setting")),
            text("author"),
            text("reason"),
            integer("at"),
        ],
    ),
    table(
        Place::ControlPlane,
        "flag_history",
        Reading::Appended,
        &[
            text("name"),
            integer("version"),
            text("action"),
            maybe(text("before")),
            maybe(text("after")),
            text("author"),
            text("reason"),
            integer("at"),
            text("request_id"),
        ],
    ),
    table(
        Place::ControlPlane,
        "suspended",
        Reading::Appended,
        &[text("user"), integer("since")],
    ),
    table(
        Place::ControlPlane,
        "ended_sessions",
        Reading::Expiring,
        &[text("session"), integer("until")],
    ),
    table(
        Place::ControlPlane,
        "invitations",
        Reading::Appended,
        &[text("email"), integer("created_at"), text("invited_by")],
    ),
    table(Place::ControlPlane, AUDIT_TABLE, Reading::Appended, AUDIT),
];
