//! Request types of users.

use crate::id::UserId;
use crate::problem::Problem;
use crate::signup::{self, Address};
use serde::{Deserialize, Deserializer, Serialize};

/// Body of `POST /api/super/users`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateUser {
    /// His id with the identity provider: `sub` of his tokens.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Display name, 1 to 64 visible characters.
    pub name: String,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// 1, 2 or 3; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
}

/// Body of `PATCH /api/super/users/{id}`: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeUser {
    /// Display name, 1 to 64 visible characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address; null takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub email: Option<Option<String>>,
}

/// Tells a field that is null from one that is absent.
#[allow(clippy::option_option)] // Absent, null and a value are three things.
fn given<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// What of a user is changed, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the address changes.
    pub sets_email: bool,
    /// To what, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl ChangeUser {
    /// Checks it.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn profile(&self) -> Result<Profile, Problem> {
        if self.name.is_none() && self.email.is_none() {
            return Err(Problem::invalid("body", "changes nothing: name or email"));
        }
        Ok(Profile {
            name: self.name.as_deref().map(name).transpose()?,
            sets_email: self.email.is_some(),
            email: self.email.clone().flatten().as_deref().map(email).transpose()?,
        })
    }
}

impl CreateUser {
    /// Checks it.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn profile(&self) -> Result<Profile, Problem> {
        if !(1..=3).contains(&self.tier.unwrap_or(1)) {
            return Err(Problem::invalid("tier", "must be 1, 2 or 3"));
        }
        Ok(Profile {
            name: Some(name(&self.name)?),
            sets_email: true,
            email: self.email.as_deref().map(email).transpose()?,
        })
    }
}

fn name(text: &str) -> Result<String, Problem> {
    if signup::is_display_name(text) {
        Ok(text.to_owned())
    } else {
        Err(Problem::invalid(
            "name",
            "must be 1 to 64 visible characters without spaces at its ends",
        ))
    }
}

fn email(text: &str) -> Result<String, Problem> {
    match Address::parse(text) {
        Some(address) => Ok(address.as_str().to_ascii_lowercase()),
        None => Err(Problem::invalid("email", "must be an e-mail address of the plain form")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ChangeUser, CreateUser};
    use serde_json::{Value, json};

    fn changed(body: Value) -> Result<Value, Option<String>> {
        let body: ChangeUser = serde_json::from_value(body).unwrap();
        body.profile()
            .map(|profile| json!(profile))
            .map_err(|problem| problem.field)
    }

    #[test]
    fn what_is_absent_stays_and_null_takes_away() {
        assert_eq!(
            changed(json!({"name": "Ada"})),
            Ok(json!({"name": "Ada", "sets_email": false}))
        );
        assert_eq!(changed(json!({"email": null})), Ok(json!({"sets_email": true})));
        assert_eq!(
            changed(json!({"email": "A@Example.test"})),
            Ok(json!({"sets_email": true, "email": "a@example.test"}))
        );
        assert_eq!(changed(json!({})), Err(Some("body".into())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for name in ["", " Ada", "a\u{7}b", "a\u{202e}b", &"x".repeat(65)] {
            assert_eq!(changed(json!({"name": name})), Err(Some("name".into())), "{name:?}");
        }
        assert_eq!(changed(json!({"email": "nobody"})), Err(Some("email".into())));
        let create = json!({"userId": "ada00000-0000-4000-8000-000000000001", "name": "Ada", "tier": 4});
        let create: CreateUser = serde_json::from_value(create).unwrap();
        assert_eq!(create.profile().unwrap_err().field.as_deref(), Some("tier"));
    }
}
