//! The counters in the object's SQLite. The statements are those of `molt_lifecycle::metering::tables`.

use crate::sandbox_do::Sandbox;
use molt_common::time::Millis;
use molt_common::usage::Budget;
use molt_common::usage::day::Day;
use molt_lifecycle::metering::admission::Counts;
use molt_lifecycle::metering::call::Addition;
use molt_lifecycle::metering::run::{Part, Run};
use molt_lifecycle::metering::tables;
use molt_platform::sql::integer;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// The object's counters.
pub struct Usage {
    sql: SqlStorage,
}

/// A call that wants to begin.
pub struct Begun<'a> {
    /// Its name.
    pub call: &'a str,
    /// The start that makes it.
    pub generation: u64,
    /// Whom it asks.
    pub provider: &'a str,
    /// Whether the user's own key is shown.
    pub own_key: bool,
}

/// A call that has begun: where it was counted.
#[derive(Deserialize)]
pub struct UnderWay {
    /// Whom it asks.
    pub provider: String,
    own_key: u64,
    day: u64,
}

#[derive(Deserialize)]
struct StateRow {
    state: String,
}

fn stored(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("stored usage: {error}"))
}

impl Usage {
    /// The tables, which exist from here on.
    pub fn of(object: &Sandbox) -> Result<Self> {
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    fn run(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<()> {
        self.sql.exec(statement, values).map(drop)
    }

    fn rows<T: DeserializeOwned>(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        self.sql.exec(query, values)?.to_array()
    }

    fn state<T: DeserializeOwned>(&self, table: &str) -> Result<Option<T>> {
        let rows: Vec<StateRow> = self.rows(&format!("SELECT state FROM {table} WHERE id = 1"), vec![])?;
        let state = rows.first().map(|row| serde_json::from_str(&row.state));
        state.transpose().map_err(stored)
    }

    fn set_state(&self, table: &str, state: Option<String>) -> Result<()> {
        match state {
            Some(state) => self.run(
                &format!(
                    "INSERT INTO {table} (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state"
                ),
                vec![state.into()],
            ),
            None => self.run(&format!("DELETE FROM {table}"), vec![]),
        }
    }

    /// The user's budget, where he has one.
    pub fn budget(&self) -> Result<Option<Budget>> {
        self.state("budget")
    }

    /// Stores it.
    pub fn set_budget(&self, budget: Option<&Budget>) -> Result<()> {
        let state = budget.map(serde_json::to_string).transpose()?;
        self.set_state("budget", state)
    }

    /// What there is, seen from a call of this name of this start.
    pub fn counts(&self, generation: u64, call: &str, now: Millis) -> Result<Counts> {
        let mut values: Vec<SqlStorageValue> = tables::counts(now).map(integer).to_vec();
        values.extend([integer(generation), call.into()]);
        let rows: Vec<Counts> = self.rows(tables::COUNTS, values)?;
        rows.into_iter().next().ok_or_else(|| stored("there are no counts"))
    }

    /// Forgets calls that count for nothing any more.
    pub fn sweep(&self, now: Millis) -> Result<()> {
        self.run(tables::SWEEP, tables::sweep(now).map(integer).to_vec())
    }

    /// Counts a call that is admitted.
    pub fn begin(&self, begun: &Begun<'_>, now: Millis) -> Result<()> {
        let (day, own_key) = (integer(Day::of(now).0.into()), integer(begun.own_key.into()));
        self.run(
            tables::BEGIN,
            vec![
                begun.call.into(),
                integer(begun.generation),
                begun.provider.into(),
                own_key.clone(),
                day.clone(),
                integer(now.0),
            ],
        )?;
        self.run(tables::COUNT, vec![day, begun.provider.into(), own_key])
    }

    /// A call that has begun and not ended.
    pub fn under_way(&self, call: &str) -> Result<Option<UnderWay>> {
        let rows: Vec<UnderWay> = self.rows(tables::UNDER_WAY, vec![call.into()])?;
        Ok(rows.into_iter().next())
    }

    /// Counts its end.
    pub fn end(&self, call: &str, begun: &UnderWay, add: &Addition) -> Result<()> {
        self.run(tables::END, vec![call.into()])?;
        let mut values = vec![
            integer(begun.day),
            begun.provider.as_str().into(),
            integer(begun.own_key),
        ];
        values.extend(
            [
                add.failed,
                add.request_bytes,
                add.answer_bytes,
                add.stated,
                add.tokens.input,
                add.tokens.cached_input,
                add.tokens.output,
                add.priced,
                add.nano_usd,
            ]
            .map(integer),
        );
        self.run(tables::ADD, values)
    }

    /// The run of a container that is on.
    pub fn container_run(&self) -> Result<Option<Run>> {
        self.state("container_run")
    }

    /// Stores it.
    pub fn set_container_run(&self, run: Option<&Run>) -> Result<()> {
        let state = run.map(serde_json::to_string).transpose()?;
        self.set_state("container_run", state)
    }

    /// Counts a part of a run.
    pub fn ran(&self, part: &Part) -> Result<()> {
        let values = [u64::from(part.day.0), u64::from(part.tier), part.ms];
        self.run(tables::RAN, values.map(integer).to_vec())
    }

    /// Notes how much is stored today.
    pub fn note_storage(&self, bytes: u64, today: Day) -> Result<()> {
        self.run(tables::STORED, vec![integer(today.0.into()), integer(bytes)])
    }

    /// Forgets days that lists have and budgets do not need.
    pub fn forget(&self, today: Day) -> Result<()> {
        let before = integer(today.before(tables::KEPT_DAYS).0.into());
        tables::FORGET
            .iter()
            .try_for_each(|statement| self.run(statement, vec![before.clone()]))
    }

    /// For what is told elsewhere.
    pub fn sql(&self) -> &SqlStorage {
        &self.sql
    }
}
