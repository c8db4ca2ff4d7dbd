//! The tables of the object of a user's removals: the newest one, and what is still to be told elsewhere.

use super::calls::{Standing, Submit};
use crate::bulk_job::notes;
use crate::job_index::outbox::{self, Outbox};
use molt_common::api::jobs::JobView;
use molt_common::api::removal::RemovalReport;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::job_id::JobId;
use molt_common::job_title::title;
use molt_common::time::Millis;
use molt_lifecycle::removal::Removal;
use serde::{Deserialize, Serialize};
use worker::{Error, Result, SqlStorage, State};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS removal (id INTEGER PRIMARY KEY CHECK (id = 1), asked TEXT NOT NULL, state TEXT NOT NULL);
";

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The job.
    pub job_id: JobId,
    /// Whom.
    pub user: UserId,
    /// His address; forgotten at the end.
    pub email: Option<String>,
    /// Tier of his row.
    pub tier: u8,
    /// Who asked.
    pub author: Author,
    /// Times that the sandbox was asked to be destroyed in vain.
    #[serde(default)]
    pub destroyed_in_vain: u32,
}

impl From<&Submit> for Asked {
    fn from(submit: &Submit) -> Self {
        Self {
            job_id: submit.job_id.clone(),
            user: submit.user,
            email: submit.email.clone(),
            tier: submit.tier,
            author: submit.author.clone(),
            destroyed_in_vain: 0,
        }
    }
}

impl Asked {
    /// As the API shows it.
    pub fn view(&self, removal: &Removal) -> JobView {
        JobView {
            job_id: self.job_id.clone(),
            kind: self.job_id.kind(),
            user_id: Some(self.user),
            parent: None,
            title: "remove user".into(),
            state: removal.state,
            status: removal.state.status().into(),
            error: removal.error.as_deref().map(title),
            progress: None,
            change: None,
            created_at: removal.created_at.iso(),
            started_at: Some(removal.created_at.iso()),
            completed_at: removal.completed_at.map(Millis::iso),
            result_url: Some(format!("/api/super/users/{}/removal", self.user)),
        }
    }

    /// Place by place.
    pub fn report(&self, removal: &Removal) -> RemovalReport {
        RemovalReport {
            user_id: self.user,
            job_id: self.job_id.clone(),
            state: removal.state,
            error: removal.error.as_deref().map(title),
            places: removal.places.clone(),
            created_at: removal.created_at.iso(),
            completed_at: removal.completed_at.map(Millis::iso),
        }
    }
}

/// The object's tables.
pub struct Store {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Name {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    asked: String,
    state: String,
}

fn stored<T: serde::de::DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::RustError(format!("stored removal: {error}")))
}

impl Store {
    /// The tables, if there are any. Whoever asks for a removal that there is not leaves nothing behind.
    pub fn existing(state: &State) -> Result<Option<Self>> {
        let sql = state.storage().sql();
        let found: Vec<Name> = sql
            .exec("SELECT name FROM sqlite_master WHERE name = 'removal'", None)?
            .to_array()?;
        Ok(found.iter().any(|found| found.name.is_some()).then_some(Self { sql }))
    }

    /// Makes the tables.
    pub fn create(state: &State) -> Result<Self> {
        let sql = state.storage().sql();
        sql.exec(SCHEMA, None)?;
        sql.exec(outbox::SCHEMA, None)?;
        sql.exec(notes::SCHEMA, None)?;
        Ok(Self { sql })
    }

    /// For what is told elsewhere.
    pub fn sql(&self) -> &SqlStorage {
        &self.sql
    }

    /// The newest removal.
    pub fn load(&self) -> Result<Option<(Asked, Removal)>> {
        let rows: Vec<Row> = self
            .sql
            .exec("SELECT asked, state FROM removal WHERE id = 1", None)?
            .to_array()?;
        let row = rows.first();
        row.map(|row| Ok((stored(&row.asked)?, stored(&row.state)?)))
            .transpose()
    }

    /// The same as the API shows it.
    pub fn standing(&self) -> Result<Option<Standing>> {
        let found = self.load()?;
        Ok(found.map(|(asked, removal)| Standing {
            view: asked.view(&removal),
            report: asked.report(&removal),
        }))
    }

    /// Stores it, and announces what lists show of it.
    pub fn save(&self, asked: &Asked, before: Option<&Removal>, removal: &Removal) -> Result<()> {
        self.sql.exec(
            "INSERT INTO removal (id, asked, state) VALUES (1, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET asked = excluded.asked, state = excluded.state",
            vec![
                serde_json::to_string(asked)?.into(),
                serde_json::to_string(removal)?.into(),
            ],
        )?;
        let shown = |removal: &Removal| (removal.state, removal.error.clone());
        if before.map(shown) != Some(shown(removal)) {
            Outbox::of(&self.sql).put(&asked.view(removal), removal.created_at)?;
        }
        Ok(())
    }
}
