//! Whether the first valid token of an unknown user makes him one of ours.
//!
//! Policy (`SIGNUP`): `open` takes everybody, `invited` those whose e-mail address has an unused invitation, `domains` those whose address is
//! of a listed domain (`SIGNUP_DOMAINS`), `closed` nobody. Anything else is `closed`.
//!
//! An address counts only when it is confirmed. Supabase's access token says `email`, and with confirmations on (its default) nobody gets
//! a token before the address is confirmed: `EMAIL_CONFIRMATIONS=on` states that. Otherwise the token itself must say so with the top-level
//! claim `email_verified: true`; the claim of that name in `user_metadata` is no proof, because users may write there. Where any of them says
//! `false`, the address never counts.

use crate::id::UserId;

/// Longest e-mail address (RFC 5321).
const LONGEST_EMAIL: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;
/// Characters of a display name.
const LONGEST_NAME: usize = 64;

/// Who is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Everybody.
    Open,
    /// Whoever was invited.
    Invited,
    /// Whoever has a confirmed address of one of these domains, lower case.
    Domains(Vec<String>),
    /// Nobody.
    Closed,
}

impl Policy {
    /// Reads `SIGNUP` and `SIGNUP_DOMAINS`. A domain that is none admits nobody.
    #[must_use]
    pub fn parse(signup: Option<&str>, domains: &[String]) -> Self {
        match signup {
            Some("open") => Self::Open,
            Some("invited") => Self::Invited,
            Some("domains") => Self::Domains(
                domains
                    .iter()
                    .filter(|domain| is_domain(domain))
                    .map(|domain| domain.to_ascii_lowercase())
                    .collect(),
            ),
            _ => Self::Closed,
        }
    }
}

/// What a verified token says about its owner's address.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatedEmail<'a> {
    /// `email`.
    pub address: Option<&'a str>,
    /// Whether it is confirmed: the token's own claim, and `Some(false)` when any part of the token denies it.
    pub verified: Option<bool>,
}

impl<'a> StatedEmail<'a> {
    /// The address if it may be relied upon: confirmed, and of the plain form. `provider_confirms`: see `EMAIL_CONFIRMATIONS` above.
    #[must_use]
    pub fn confirmed(self, provider_confirms: bool) -> Option<Address<'a>> {
        self.verified
            .unwrap_or(provider_confirms)
            .then(|| self.address.and_then(Address::parse))
            .flatten()
    }
}

/// An address of the plain form: ASCII, one `@`, no quotes or comments, a domain of letters, digits and dashes without a dot at its end.
/// Everything else is some other spelling that two programs may read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    whole: &'a str,
    domain: &'a str,
}

impl<'a> Address<'a> {
    /// Reads one; `None` when it is not of that form.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
        let local_ok = local.len() <= LONGEST_LOCAL_PART
            && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom));
        (local_ok && is_domain(domain) && text.len() <= LONGEST_EMAIL).then_some(Self { whole: text, domain })
    }

    /// The whole address, as it was written.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.whole
    }
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

/// What becomes of a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Taken.
    Take,
    /// Taken if an invitation for this address is still unused; using it and making the user are one transaction.
    TakeIfInvited(Address<'a>),
    /// Not taken.
    Refuse(Refusal),
}

/// Why somebody is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The policy takes nobody.
    Closed,
    /// The policy asks for an address, and there is none that counts.
    NoConfirmedEmail,
    /// The address has no unused invitation.
    NotInvited,
    /// The address is of another domain.
    OtherDomain,
}

impl Refusal {
    /// Stable code of the problem.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Closed => "sign_up_closed",
            Self::NoConfirmedEmail => "email_not_confirmed",
            Self::NotInvited => "not_invited",
            Self::OtherDomain => "domain_not_allowed",
        }
    }

    /// For the person.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Closed => "There is no account for you here, and new ones are not being taken. Ask your operator.",
            Self::NoConfirmedEmail => {
                "There is no account for you here. A new one needs a confirmed e-mail address; confirm yours and sign in again."
            }
            Self::NotInvited => {
                "There is no account for you here. New ones are by invitation, and none is open for your e-mail address."
            }
            Self::OtherDomain => {
                "There is no account for you here. New ones are for certain e-mail domains, and yours is not among them."
            }
        }
    }
}

/// Decides about a newcomer; `email` is his confirmed address.
#[must_use]
pub fn decide<'a>(policy: &Policy, email: Option<Address<'a>>) -> Decision<'a> {
    match (policy, email) {
        (Policy::Open, _) => Decision::Take,
        (Policy::Closed, _) => Decision::Refuse(Refusal::Closed),
        (Policy::Invited | Policy::Domains(_), None) => Decision::Refuse(Refusal::NoConfirmedEmail),
        (Policy::Invited, Some(email)) => Decision::TakeIfInvited(email),
        (Policy::Domains(domains), Some(email)) => {
            if domains.iter().any(|domain| domain.eq_ignore_ascii_case(email.domain)) {
                Decision::Take
            } else {
                Decision::Refuse(Refusal::OtherDomain)
            }
        }
    }
}

/// A name to show for a new user: the local part of his address without anything that a terminal or page would obey, else his id.
#[must_use]
pub fn display_name(email: Option<&str>, id: UserId) -> String {
    let local = email.map_or("", |email| email.split('@').next().unwrap_or_default());
    let shown: String = local
        .chars()
        .filter(|character| !is_invisible(*character))
        .take(LONGEST_NAME)
        .collect();
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    if shown.is_empty() { id.to_string() } else { shown }
}

/// Whether an operator may call a user so: what a terminal or page would obey is no name.
#[must_use]
pub fn is_display_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=LONGEST_NAME).contains(&length) && text.trim() == text && !text.chars().any(is_invisible)
}

/// Control characters, and those that reorder, join or hide text.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
#[path = "signup_tests.rs"]
mod tests;
