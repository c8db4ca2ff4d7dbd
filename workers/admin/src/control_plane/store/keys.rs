//! Admin keys and the switch of the bootstrap secret.

use super::{Note, Store, integer, stored};
use crate::control_plane::calls::{KeepKey, Revocation, StoredKey};
use molt_common::admin_key::{KeyId, KeyRecord};
use molt_common::audit::Author;
use molt_common::scope::{self, Scope};
use molt_common::time::Millis;
use serde::Deserialize;
use serde_json::{Value, json};
use worker::{Error, Result, SqlStorageValue};

/// Keys that are neither revoked nor expired; routers hold them all.
const MOST: usize = 500;
/// Revoked and expired keys are remembered this long, so that a list can say what became of them.
const REMEMBERED_MS: u64 = 400 * 24 * 3600 * 1000;
const COLUMNS: &str = "id, hash, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at";

#[derive(Deserialize)]
struct Row {
    id: String,
    hash: String,
    name: String,
    scopes: String,
    created_at: u64,
    created_by: String,
    expires_at: Option<u64>,
    last_used_at: Option<u64>,
    revoked_at: Option<u64>,
}

impl Row {
    fn scopes(&self) -> Result<Vec<Scope>> {
        serde_json::from_str(&self.scopes).map_err(stored)
    }

    fn record(self) -> Result<KeyRecord> {
        Ok(KeyRecord {
            scopes: self.scopes()?,
            id: KeyId::parse(&self.id).map_err(stored)?,
            hash: self.hash,
            expires_at: self.expires_at.map(Millis),
        })
    }

    fn key(self) -> Result<StoredKey> {
        Ok(StoredKey {
            scopes: self.scopes()?,
            id: KeyId::parse(&self.id).map_err(stored)?,
            name: self.name,
            created_at: Millis(self.created_at),
            created_by: self.created_by,
            expires_at: self.expires_at.map(Millis),
            last_used_at: self.last_used_at.map(Millis),
            revoked_at: self.revoked_at.map(Millis),
        })
    }
}

/// Why a change was taken back.
enum Refused {
    /// Nobody could do everything afterwards.
    LastWayIn,
    /// Storage failed.
    Storage(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

impl Store<'_> {
    fn rows(&self, condition: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>> {
        self.sql
            .exec(&format!("SELECT {COLUMNS} FROM keys WHERE {condition}"), values)?
            .to_array()
    }

    /// Keys that open something now.
    pub(super) fn good_keys(&self, now: Millis) -> Result<Vec<KeyRecord>> {
        let rows = self.rows(
            "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) ORDER BY id",
            vec![integer(now.0)],
        )?;
        rows.into_iter().map(Row::record).collect()
    }

    /// Keeps a new key; `None` when there are too many.
    pub fn keep_key(&self, keep: &KeepKey, now: Millis) -> Result<Option<StoredKey>> {
        if self.good_keys(now)?.len() >= MOST {
            return Ok(None);
        }
        let record = &keep.record;
        let scopes = serde_json::to_string(&record.scopes)?;
        let note = Note {
            author: &keep.author,
            action: "key.created",
            target: record.id.as_str(),
            detail: json!({"name": keep.name, "scopes": record.scopes, "expiresAt": record.expires_at.map(Millis::iso)}),
        };
        self.change::<Error>(&note, true, |at| {
            self.sql.exec(
                "DELETE FROM keys WHERE COALESCE(revoked_at, expires_at) < ?",
                vec![integer(at.0.saturating_sub(REMEMBERED_MS))],
            )?;
            self.sql.exec(
                "INSERT INTO keys (id, hash, name, scopes, created_at, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                vec![
                    record.id.as_str().into(),
                    record.hash.as_str().into(),
                    keep.name.as_str().into(),
                    scopes.into(),
                    integer(at.0),
                    keep.author.actor.as_str().into(),
                    record.expires_at.map_or(SqlStorageValue::Null, |end| integer(end.0)),
                ],
            )?;
            Ok(true)
        })?;
        self.key(&record.id)
    }

    /// One key, whatever became of it.
    pub fn key(&self, id: &KeyId) -> Result<Option<StoredKey>> {
        let row = self.rows("id = ?", vec![id.as_str().into()])?.into_iter().next();
        row.map(Row::key).transpose()
    }

    /// A page of keys by id.
    pub fn keys(&self, after: &str, limit: u32) -> Result<Vec<StoredKey>> {
        let rows = self.rows("id > ? ORDER BY id LIMIT ?", vec![after.into(), integer(limit.into())])?;
        rows.into_iter().map(Row::key).collect()
    }

    /// Revokes a key; once is enough. Refused when it is the last way in.
    pub fn revoke(&self, id: &KeyId, author: &Author) -> Result<Revocation> {
        let Some(key) = self.key(id)? else {
            return Ok(Revocation::Unknown);
        };
        let note = Note {
            author,
            action: "key.revoked",
            target: id.as_str(),
            detail: json!({"name": key.name}),
        };
        let outcome = self.change(&note, true, |at| {
            let was_open = !self.is_locked(at)?;
            self.sql.exec(
                "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                vec![integer(at.0), id.as_str().into()],
            )?;
            let changed = self.changes()? > 0;
            if changed && was_open && self.is_locked(at)? {
                return Err(Refused::LastWayIn);
            }
            Ok(changed)
        });
        match outcome {
            Ok(_) => Ok(self
                .key(id)?
                .map_or(Revocation::Unknown, |key| Revocation::Revoked { key })),
            Err(Refused::LastWayIn) => Ok(Revocation::LastWayIn),
            Err(Refused::Storage(error)) => Err(error),
        }
    }

    /// Whether nobody may do everything any more: not the holder of the bootstrap secret, and of no key either. Only who may do everything
    /// can switch the bootstrap secret, so nothing but a new deployment would help.
    fn is_locked(&self, now: Millis) -> Result<bool> {
        let does_everything = |key: &KeyRecord| scope::permits(&key.scopes, Scope::Everything);
        Ok(self.bootstrap_off()? && !self.good_keys(now)?.iter().any(does_everything))
    }

    /// Switches the bootstrap secret on again when the last key that may do everything has expired.
    pub fn open_again(&self, now: Millis) -> Result<()> {
        if !self.is_locked(now)? {
            return Ok(());
        }
        let author = Author {
            actor: "system".into(),
            request_id: String::new(),
        };
        self.set_bootstrap(false, &author, json!({"because": "no usable key may do everything"}))
            .map_err(|refused| match refused {
                Refused::Storage(error) => error,
                Refused::LastWayIn => stored("it cannot be opened again"),
            })
    }

    /// When [`Self::open_again`] may have something to do: when the last key that may do everything expires.
    pub fn next_lock(&self, now: Millis) -> Result<Option<Millis>> {
        if !self.bootstrap_off()? {
            return Ok(None);
        }
        let keys = self.good_keys(now)?.into_iter();
        let ends = keys
            .filter(|key| scope::permits(&key.scopes, Scope::Everything))
            .map(|key| key.expires_at);
        // One that does not expire keeps it off for good.
        Ok(ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max()))
    }

    /// Notes a use. No change that anybody must be told of.
    pub fn note_use(&self, id: &KeyId, now: Millis) -> Result<()> {
        self.sql.exec(
            "UPDATE keys SET last_used_at = MAX(COALESCE(last_used_at, 0), ?) WHERE id = ?",
            vec![integer(now.0), id.as_str().into()],
        )?;
        Ok(())
    }

    /// Whether the bootstrap secret is switched off.
    pub fn bootstrap_off(&self) -> Result<bool> {
        Ok(self.control()?.bootstrap_off != 0)
    }

    /// Switches it. Refused (`false`) when nobody could do everything afterwards.
    pub fn switch_bootstrap(&self, off: bool, author: &Author) -> Result<bool> {
        match self.set_bootstrap(off, author, json!({})) {
            Ok(()) => Ok(true),
            Err(Refused::LastWayIn) => Ok(false),
            Err(Refused::Storage(error)) => Err(error),
        }
    }

    fn set_bootstrap(&self, off: bool, author: &Author, detail: Value) -> std::result::Result<(), Refused> {
        let note = Note {
            author,
            action: if off {
                "bootstrap.switched_off"
            } else {
                "bootstrap.switched_on"
            },
            target: "bootstrap",
            detail,
        };
        self.change(&note, true, |at| {
            self.sql.exec(
                "UPDATE control SET bootstrap_off = ?1 WHERE id = 1 AND bootstrap_off != ?1",
                vec![i32::from(off).into()],
            )?;
            let changed = self.changes()? > 0;
            if changed && self.is_locked(at)? {
                return Err(Refused::LastWayIn);
            }
            Ok(changed)
        })?;
        Ok(())
    }
}
