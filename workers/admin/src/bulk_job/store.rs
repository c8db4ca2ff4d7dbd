//! The tables of a bulk job's object. What was asked for never changes and lies apart from how it stands.

use super::calls::{ChildPage, Submit, Target, Work};
use super::notes;
use crate::job_index::outbox::{self, Outbox};
use molt_common::api::bulk::JobChild;
use molt_common::api::jobs::JobView;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::job_id::{JobId, JobKind};
use molt_common::job_title::title;
use molt_common::time::Millis;
use molt_lifecycle::bulk::{BulkJob, Child};
use serde::{Deserialize, Serialize};
use worker::{Error, Result, SqlStorage, State};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS bulk (id INTEGER PRIMARY KEY CHECK (id = 1), asked TEXT NOT NULL, job TEXT NOT NULL, cancelled_by TEXT);
";

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Its id.
    pub job_id: JobId,
    /// What is done for each.
    #[serde(flatten)]
    pub work: Work,
    /// With which tiers sandboxes are started.
    pub targets: Vec<Target>,
    /// Of the whole request.
    pub fingerprint: String,
    /// Who submitted it.
    pub author: Author,
}

impl From<&Submit> for Asked {
    fn from(submit: &Submit) -> Self {
        Self {
            job_id: submit.job_id.clone(),
            work: submit.work.clone(),
            targets: submit.targets.clone(),
            fingerprint: submit.fingerprint.clone(),
            author: submit.author.clone(),
        }
    }
}

impl Asked {
    /// Tier of a user's sandbox, where it must be started.
    pub fn tier(&self, user: UserId) -> u8 {
        let target = self.targets.iter().find(|target| target.user_id == user);
        target.map_or(1, |target| target.tier)
    }

    /// As the API shows it.
    pub fn view(&self, job: &BulkJob) -> JobView {
        JobView {
            job_id: self.job_id.clone(),
            kind: self.job_id.kind(),
            user_id: None,
            parent: None,
            title: title(&self.work.shown()),
            state: job.state,
            status: job.state.status().into(),
            error: job.error.as_deref().map(title),
            progress: Some(job.progress()),
            change: None,
            created_at: job.created_at.iso(),
            started_at: job.started_at.map(Millis::iso),
            completed_at: job.completed_at.map(Millis::iso),
            result_url: Some(format!("/api/super/jobs/{}/children", self.job_id)),
        }
    }
}

/// The object's tables.
pub struct Store {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Text {
    value: Option<String>,
}

fn stored<T: serde::de::DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::RustError(format!("stored bulk job: {error}")))
}

impl Store {
    /// The tables, if there is a job. Whoever asks for one that there is not leaves nothing behind.
    pub fn existing(state: &State) -> Result<Option<Self>> {
        let sql = state.storage().sql();
        let found: Vec<Text> = sql
            .exec("SELECT name AS value FROM sqlite_master WHERE name = 'bulk'", None)?
            .to_array()?;
        Ok((!found.is_empty()).then_some(Self { sql }))
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

    fn text(&self, column: &str) -> Result<Option<String>> {
        let query = format!("SELECT {column} AS value FROM bulk WHERE id = 1");
        let rows: Vec<Text> = self.sql.exec(&query, None)?.to_array()?;
        Ok(rows.into_iter().next().and_then(|row| row.value))
    }

    /// Keeps a new job and announces it.
    pub fn insert(&self, asked: &Asked, job: &BulkJob) -> Result<()> {
        self.sql.exec(
            "INSERT INTO bulk (id, asked, job) VALUES (1, ?, ?)",
            vec![serde_json::to_string(asked)?.into(), serde_json::to_string(job)?.into()],
        )?;
        Outbox::of(&self.sql).put(&asked.view(job), job.created_at)
    }

    /// What was asked for.
    pub fn asked(&self) -> Result<Asked> {
        let text = self.text("asked")?;
        stored(&text.ok_or_else(|| Error::RustError("a bulk job without its request".into()))?)
    }

    /// How it stands.
    pub fn job(&self) -> Result<BulkJob> {
        let text = self.text("job")?;
        stored(&text.ok_or_else(|| Error::RustError("a bulk job vanished".into()))?)
    }

    /// Stores how it stands, and announces what lists show of it.
    pub fn save(&self, asked: &Asked, before: &BulkJob, job: &BulkJob) -> Result<()> {
        if job == before {
            return Ok(());
        }
        self.sql.exec(
            "UPDATE bulk SET job = ? WHERE id = 1",
            vec![serde_json::to_string(job)?.into()],
        )?;
        if job.state != before.state || job.progress() != before.progress() {
            Outbox::of(&self.sql).put(&asked.view(job), job.created_at)?;
        }
        Ok(())
    }

    /// Who cancelled it first.
    pub fn set_canceller(&self, author: &Author) -> Result<()> {
        self.sql.exec(
            "UPDATE bulk SET cancelled_by = ? WHERE id = 1 AND cancelled_by IS NULL",
            vec![serde_json::to_string(author)?.into()],
        )?;
        Ok(())
    }

    /// Who cancelled it, if somebody did.
    pub fn canceller(&self) -> Result<Option<Author>> {
        self.text("cancelled_by")?.map(|json| stored(&json)).transpose()
    }

    /// A page of its parts.
    pub fn children(&self, after: u32, limit: u32) -> Result<ChildPage> {
        let job = self.job()?;
        let (skipped, taken) = (
            usize::try_from(after).unwrap_or(usize::MAX),
            usize::try_from(limit).unwrap_or(usize::MAX),
        );
        let children: Vec<JobChild> = job.children().iter().skip(skipped).take(taken).map(shown).collect();
        let end = skipped.saturating_add(children.len());
        let next = (end < job.children().len()).then(|| u32::try_from(end).unwrap_or(u32::MAX));
        Ok(ChildPage { children, next })
    }
}

fn shown(child: &Child) -> JobChild {
    let job = child.job.as_ref();
    let exec_id = job.filter(|job| job.kind() == JobKind::Exec).map(|job| job.local());
    JobChild {
        user_id: child.user,
        state: child.state,
        status: child.state.status().into(),
        result_url: match (exec_id, job) {
            (Some(id), _) => Some(format!("/api/super/users/{}/exec/{id}", child.user)),
            (None, job) => job.map(|job| format!("/api/super/jobs/{job}")),
        },
        exec_id: exec_id.cloned(),
        job_id: job.cloned(),
        exit_code: child.exit_code,
        error: child.error.clone(),
    }
}
