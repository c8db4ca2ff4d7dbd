//! Whether a verified user may have a sandbox, and of which size: the row in D1, created once by the sign-up policy.

use molt_common::audit::Author;
use molt_common::audit_call::NoteEnrolment;
use molt_common::id::{SandboxId, UserId};
use molt_common::signup::{self, Address, Decision, Policy, Refusal, StatedEmail};
use molt_common::time::Millis;
use molt_platform::{call, d1, entropy, log, settings};
use serde::Deserialize;
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;
use worker::d1::{D1Database, D1PreparedStatement, D1Type};
use worker::{Env, Result};

/// The row is read again after this long, so that a suspension is seen soon.
const FRESH_MS: u64 = 10_000;
/// While the database does not answer, calls of an agent go by a row that is at most this old.
const STALE_MS: u64 = 300_000;
/// Whether a user may go on is known within this time, or nobody can tell: the alarm of his sandbox waits for it.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Rows that an isolate remembers at most.
const MOST: usize = 2_000;

/// What the platform knows of a user.
#[derive(Clone, Copy)]
pub enum Account {
    /// May have a sandbox of this tier.
    Active { tier: u8 },
    /// May not.
    Refused {
        code: &'static str,
        text: &'static str,
        /// Nobody took him in, and nobody shut him out.
        stranger: bool,
    },
}

#[derive(Deserialize)]
struct Row {
    status: String,
    tier: u8,
}

thread_local! {
    // Plain data, never a future: a request must not wait for another one's I/O.
    static KNOWN: RefCell<HashMap<UserId, (Millis, Account)>> = RefCell::new(HashMap::new());
}

/// Looks the user up; creates the row of an unknown one where sign-up is open.
pub async fn admit(env: &Env, user: UserId, email: StatedEmail<'_>, request_id: &str) -> Result<Account> {
    let now = entropy::now();
    let known = KNOWN.with_borrow(|known| known.get(&user).copied());
    if let Some((at, account)) = known
        && now.since(at) < FRESH_MS
    {
        return Ok(account);
    }
    let account = look_up(env, user, email, now, request_id).await?;
    remember(user, now, account);
    Ok(account)
}

/// The same for whom a call of his agent is made: as his row said within the last seconds. While the database is away, as it said within the last
/// minutes; nobody is let through of whom nothing is known.
pub async fn may_go_on(env: &Env, user: UserId) -> Result<bool> {
    let now = entropy::now();
    let known = KNOWN.with_borrow(|known| known.get(&user).copied());
    let is_active = |account: Account| matches!(account, Account::Active { .. });
    if let Some((at, account)) = known
        && now.since(at) < FRESH_MS
    {
        return Ok(is_active(account));
    }
    let found = async { row(&env.d1("PLATFORM_DB")?, user)?.first::<Row>(None).await };
    match (found.await, known) {
        (Ok(Some(row)), _) => {
            let account = Account::from(row);
            remember(user, now, account);
            Ok(is_active(account))
        }
        (Ok(None), _) => Ok(false),
        (Err(_), Some((at, account))) if now.since(at) < STALE_MS => Ok(is_active(account)),
        (Err(error), _) => Err(error),
    }
}

fn remember(user: UserId, now: Millis, account: Account) {
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(user, (now, account));
    });
}

/// Whether a user who has a sandbox may go on having one, as his row says now. One whose row is gone may not.
pub async fn may_have_one(env: &Env, user: UserId) -> Result<bool> {
    let found = async { row(&env.d1("PLATFORM_DB")?, user)?.first::<Row>(None).await };
    let row = d1::in_time(env, PATIENCE, found).await?;
    Ok(row.is_some_and(|row| matches!(row.into(), Account::Active { .. })))
}

async fn look_up(env: &Env, user: UserId, email: StatedEmail<'_>, now: Millis, request_id: &str) -> Result<Account> {
    let database = env.d1("PLATFORM_DB")?;
    if let Some(row) = row(&database, user)?.first::<Row>(None).await? {
        return Ok(row.into());
    }
    let domains = settings::list(env, "SIGNUP_DOMAINS");
    let policy = Policy::parse(settings::text(env, "SIGNUP").as_deref(), &domains);
    let provider_confirms = settings::text(env, "EMAIL_CONFIRMATIONS").as_deref() == Some("on");
    let newcomer = Newcomer {
        user,
        email: email.confirmed(provider_confirms),
        now,
    };
    let taken = match signup::decide(&policy, newcomer.email) {
        Decision::Take => {
            note(env, user, request_id).await?;
            newcomer.take(&database).await?
        }
        Decision::TakeIfInvited(address) => {
            if !is_invited(&database, address, user).await? {
                return Ok(Refusal::NotInvited.into());
            }
            note(env, user, request_id).await?;
            newcomer.take_if_invited(&database, address).await?
        }
        Decision::Refuse(refusal) => return Ok(refusal.into()),
    };
    match taken {
        Some(row) => {
            log::info("user_created_or_found", json!({"user": user.to_string()}));
            Ok(row.into())
        }
        None => Ok(Refusal::NotInvited.into()),
    }
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        if row.status == "active" {
            Self::Active {
                tier: row.tier.clamp(1, 3),
            }
        } else {
            Self::Refused {
                code: "user_suspended",
                text: "This account is suspended. Ask your operator.",
                stranger: false,
            }
        }
    }
}

impl From<Refusal> for Account {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            code: refusal.code(),
            text: refusal.text(),
            stranger: true,
        }
    }
}

/// Has the user's object note down, once, that he is taken; before he is, so that nobody comes without a note.
async fn note(env: &Env, user: UserId, request_id: &str) -> Result<()> {
    let enrolment = NoteEnrolment {
        user,
        author: Author {
            actor: format!("user:{user}"),
            request_id: request_id.to_owned(),
        },
    };
    call::make(&call::sandbox(env, &SandboxId::personal(user))?, &enrolment).await
}

/// Whether the address has an invitation that is unused, or that another first request of this user has used just now.
async fn is_invited(database: &D1Database, address: Address<'_>, user: UserId) -> Result<bool> {
    let id = user.to_string();
    let found = database
        .prepare("SELECT 1 FROM invitations WHERE email = ?1 AND (used_by IS NULL OR used_by = ?2)")
        .bind_refs(&[D1Type::Text(address.as_str()), D1Type::Text(&id)])?
        .first::<serde_json::Value>(None)
        .await?;
    Ok(found.is_some())
}

fn row(database: &D1Database, user: UserId) -> Result<D1PreparedStatement> {
    let id = user.to_string();
    database
        .prepare("SELECT status, tier FROM users WHERE id = ?1")
        .bind_refs(&[D1Type::Text(&id)])
}

/// Somebody whom the policy takes. Each way is one transaction that ends with the row, so that of many first requests one makes it and all
/// find it.
struct Newcomer<'a> {
    user: UserId,
    email: Option<Address<'a>>,
    now: Millis,
}

impl Newcomer<'_> {
    async fn take(&self, database: &D1Database) -> Result<Option<Row>> {
        let make = self.make(database, "WHERE true")?;
        last(database, vec![make, row(database, self.user)?]).await
    }

    /// Uses the invitation and makes the user together: one invitation makes one user, whoever comes at the same time with the same address.
    async fn take_if_invited(&self, database: &D1Database, address: Address<'_>) -> Result<Option<Row>> {
        let (id, at) = (self.user.to_string(), self.now.iso());
        let spend = database
            .prepare("UPDATE invitations SET used_at = ?2, used_by = ?3 WHERE email = ?1 AND used_by IS NULL")
            .bind_refs(&[D1Type::Text(address.as_str()), D1Type::Text(&at), D1Type::Text(&id)])?;
        let make = self.make(
            database,
            "WHERE EXISTS (SELECT 1 FROM invitations WHERE email = ?3 AND used_by = ?1)",
        )?;
        last(database, vec![spend, make, row(database, self.user)?]).await
    }

    fn make(&self, database: &D1Database, condition: &str) -> Result<D1PreparedStatement> {
        let (id, at) = (self.user.to_string(), self.now.iso());
        let email = self.email.as_ref().map(Address::as_str);
        let name = signup::display_name(email, self.user);
        database
            .prepare(format!(
                "INSERT INTO users (id, name, email, created_at, updated_at) SELECT ?1, ?2, ?3, ?4, ?4 {condition} \
                 ON CONFLICT (id) DO NOTHING"
            ))
            .bind_refs(&[
                D1Type::Text(&id),
                D1Type::Text(&name),
                email.map_or(D1Type::Null, D1Type::Text),
                D1Type::Text(&at),
            ])
    }
}

/// The first row of the last statement.
async fn last(database: &D1Database, statements: Vec<D1PreparedStatement>) -> Result<Option<Row>> {
    let results = database.batch(statements).await?;
    let rows = results.last().map(worker::d1::D1Result::results::<Row>).transpose()?;
    Ok(rows.and_then(|rows| rows.into_iter().next()))
}
