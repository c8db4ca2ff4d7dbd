//! Users whom operators create, and how users are called: copied to D1, where they are read.

use crate::control_plane_do::ControlPlane;
use molt_common::api::users::Profile;
use molt_common::id::UserId;
use molt_common::time::Millis;
use worker::Result;
use worker::d1::D1Type;

/// Copies one. Performing it twice does no harm, and one who was removed meanwhile is not made again by a change.
pub async fn copy(
    object: &ControlPlane,
    user: UserId,
    create: Option<u8>,
    profile: &Profile,
    at: Millis,
) -> Result<()> {
    let database = object.env.d1("PLATFORM_DB")?;
    let (id, at) = (user.to_string(), at.iso());
    let name = profile.name.as_deref().map_or(D1Type::Null, D1Type::Text);
    let email = profile.email.as_deref().map_or(D1Type::Null, D1Type::Text);
    let statement = match create {
        Some(tier) => {
            // Whoever is suspended stays so, whenever his row comes.
            let suspended = object.store()?.is_suspended(user)?;
            let status = if suspended { "suspended" } else { "active" };
            database
                .prepare(
                    "INSERT INTO users (id, name, email, tier, status, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) \
                     ON CONFLICT (id) DO NOTHING",
                )
                .bind_refs(&[
                    D1Type::Text(&id),
                    name,
                    email,
                    D1Type::Integer(i32::from(tier)),
                    D1Type::Text(status),
                    D1Type::Text(&at),
                ])?
        }
        // `updated_at` orders decisions about his status, which this is none of.
        None => database
            .prepare("UPDATE users SET name = COALESCE(?2, name), email = CASE WHEN ?4 = 1 THEN ?3 ELSE email END WHERE id = ?1")
            .bind_refs(&[
                D1Type::Text(&id),
                name,
                email,
                D1Type::Integer(i32::from(profile.sets_email)),
            ])?,
    };
    statement.run().await?;
    Ok(())
}
