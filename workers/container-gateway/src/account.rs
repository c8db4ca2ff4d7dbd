//! Whether a verified user may have a sandbox, and of which size: the row in D1, created once by the sign-up policy.

use molt_common::id::UserId;
use molt_common::time::Millis;
use molt_platform::{entropy, settings};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::HashMap;
use worker::{Env, Result, d1::D1Type};

/// The row is read again after this long, so that a suspension is seen soon.
const FRESH_MS: u64 = 10_000;
/// Rows that an isolate remembers at most.
const MOST: usize = 2_000;

/// What the platform knows of a user.
#[derive(Clone, Copy)]
pub enum Account {
    /// May have a sandbox of this tier.
    Active { tier: u8 },
    /// May not.
    Refused { code: &'static str, text: &'static str },
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
pub async fn admit(env: &Env, user: UserId, email: Option<&str>) -> Result<Account> {
    let now = entropy::now();
    let known = KNOWN.with_borrow(|known| known.get(&user).copied());
    if let Some((at, account)) = known
        && now.since(at) < FRESH_MS
    {
        return Ok(account);
    }
    let account = look_up(env, user, email, now).await?;
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(user, (now, account));
    });
    Ok(account)
}

async fn look_up(env: &Env, user: UserId, email: Option<&str>, now: Millis) -> Result<Account> {
    let database = env.d1("PLATFORM_DB")?;
    let id = user.to_string();
    let select = database.prepare("SELECT status, tier FROM users WHERE id = ?1");
    let row = select.bind_refs(&[D1Type::Text(&id)])?.first::<Row>(None).await?;
    match row {
        Some(row) if row.status == "active" => Ok(Account::Active {
            tier: row.tier.clamp(1, 3),
        }),
        Some(_) => Ok(Account::Refused {
            code: "user_suspended",
            text: "This account is suspended. Ask your operator.",
        }),
        None if settings::text(env, "SIGNUP").as_deref() == Some("open") => {
            let insert = database.prepare(
                "INSERT INTO users (id, name, email, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (id) DO NOTHING",
            );
            let created = now.iso();
            let name = email.and_then(|email| email.split('@').next()).unwrap_or(&id);
            let email = email.map_or(D1Type::Null, D1Type::Text);
            insert
                .bind_refs(&[D1Type::Text(&id), D1Type::Text(name), email, D1Type::Text(&created)])?
                .run()
                .await?;
            Ok(Account::Active { tier: 1 })
        }
        None => Ok(Account::Refused {
            code: "sign_up_closed",
            text: "There is no account for you here, and new ones are not being taken. Ask your operator.",
        }),
    }
}
