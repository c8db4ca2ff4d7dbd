//! Calls to the `ControlPlane` object, both ends in this worker.

use molt_common::admin_key::{KeyId, KeyRecord};
use molt_common::api::users::Profile;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::job_id::JobId;
use molt_common::object_call::Call;
use molt_common::scope::Scope;
use molt_common::time::Millis;
use molt_common::trust::{EndSession, TrustSnapshot};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A key as it is stored, without what opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredKey {
    /// Public id.
    pub id: KeyId,
    /// Name that its maker gave.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Millis,
    /// By whom.
    pub created_by: String,
    /// Its end, if it has one.
    pub expires_at: Option<Millis>,
    /// Last use, to the minute.
    pub last_used_at: Option<Millis>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Millis>,
}

/// What routers must know; nothing new when they have `known`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadTrust {
    /// Version that the caller has.
    pub known: Option<u64>,
}

impl Call for ReadTrust {
    const PATH: &'static str = "/trust";
    /// `None`: what the caller has is the newest.
    type Answer = Option<TrustSnapshot>;
}

/// A user has signed out.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndOneSession {
    /// Which session.
    pub ended: EndSession,
}

impl Call for EndOneSession {
    const PATH: &'static str = "/sessions/end";
    type Answer = TrustSnapshot;
}

/// Keep a new key.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeepKey {
    /// What admits it.
    pub record: KeyRecord,
    /// Its name.
    pub name: String,
    /// Who makes it.
    pub author: Author,
}

impl Call for KeepKey {
    const PATH: &'static str = "/keys/keep";
    /// `None`: there are as many keys as there may be.
    type Answer = Option<StoredKey>;
}

/// A page of keys by id.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListKeys {
    /// Id of the last key of the page before; empty for the first.
    pub after: String,
    /// Most of them.
    pub limit: u32,
}

impl Call for ListKeys {
    const PATH: &'static str = "/keys/list";
    type Answer = KeyPage;
}

/// Answer to [`ListKeys`].
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyPage {
    /// Keys.
    pub keys: Vec<StoredKey>,
    /// Whether the bootstrap secret is switched off.
    pub bootstrap_off: bool,
}

/// One key.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadKey {
    /// Its id.
    pub id: KeyId,
}

impl Call for ReadKey {
    const PATH: &'static str = "/keys/read";
    type Answer = Option<StoredKey>;
}

/// A key is worth nothing from now on.
#[derive(Debug, Serialize, Deserialize)]
pub struct RevokeKey {
    /// Its id.
    pub id: KeyId,
    /// Who revokes it.
    pub author: Author,
}

impl Call for RevokeKey {
    const PATH: &'static str = "/keys/revoke";
    type Answer = Revocation;
}

/// Answer to [`RevokeKey`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Revocation {
    /// It is worth nothing, now or since before.
    Revoked {
        /// It.
        key: StoredKey,
    },
    /// There is no such key.
    Unknown,
    /// Nobody could do everything any more.
    LastWayIn,
}

/// A key was used just now.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoteUse {
    /// Its id.
    pub id: KeyId,
}

impl Call for NoteUse {
    const PATH: &'static str = "/keys/used";
    type Answer = ();
}

/// Switch the bootstrap secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct SwitchBootstrap {
    /// To this.
    pub off: bool,
    /// Who does.
    pub author: Author,
}

impl Call for SwitchBootstrap {
    const PATH: &'static str = "/bootstrap";
    /// Whether it stands there now: it is not switched off while nobody else may do everything.
    type Answer = bool;
}

/// Is the bootstrap secret switched off?
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadBootstrap {}

impl Call for ReadBootstrap {
    const PATH: &'static str = "/bootstrap/read";
    type Answer = bool;
}

/// Suspend a user, or reinstate him.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetSuspension {
    /// Whom.
    pub user: UserId,
    /// Whether he may not come in.
    pub suspended: bool,
    /// Why, for the audit trail.
    pub reason: String,
    /// Who does.
    pub author: Author,
}

impl Call for SetSuspension {
    const PATH: &'static str = "/users/suspension";
    type Answer = Outcome;
}

/// What came of a change that D1 has a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether it changed anything.
    pub changed: bool,
    /// Whether the copy has it already; if not, it will soon.
    pub copied: bool,
}

/// A job about many users was submitted or cancelled: to be noted once, however often it is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoteJob {
    /// Which.
    pub job_id: JobId,
    /// `<thing>.<done>`.
    pub action: String,
    /// Who did.
    pub author: Author,
    /// More; the trail cleans it.
    pub detail: Value,
}

impl Call for NoteJob {
    const PATH: &'static str = "/jobs/note";
    type Answer = ();
}

/// Invite an address, or take the invitation back.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetInvitation {
    /// Normalised address.
    pub email: String,
    /// Whether it is invited.
    pub invited: bool,
    /// Who does.
    pub author: Author,
}

impl Call for SetInvitation {
    const PATH: &'static str = "/invitations";
    type Answer = Outcome;
}

/// A removed user is nobody any more: neither suspended nor invited. Noted once per job.
#[derive(Debug, Serialize, Deserialize)]
pub struct ForgetUser {
    /// Whom.
    pub user: UserId,
    /// His address, if it was known.
    pub email: Option<String>,
    /// The job that removed him.
    pub job_id: JobId,
    /// Who had it done.
    pub author: Author,
    /// What was removed, for the audit trail.
    pub detail: Value,
}

impl Call for ForgetUser {
    const PATH: &'static str = "/users/forget";
    type Answer = ();
}

/// Create a user, or change how he is called.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetProfile {
    /// Whom.
    pub user: UserId,
    /// Tier of a user who is created; `None` for one who is there.
    pub create: Option<u8>,
    /// What is set.
    pub profile: Profile,
    /// Who does.
    pub author: Author,
}

impl Call for SetProfile {
    const PATH: &'static str = "/users/profile";
    type Answer = Outcome;
}
