//! A sign-in in progress: what binds it to the browser that began it, and where it leads.

use crate::access;
use crate::id::hex;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// Hexadecimal digits of state and nonce: 16 random bytes each.
const DIGITS: usize = 32;
/// Seconds that a person may take at the identity provider.
pub const LIFETIME_S: u64 = 600;

/// What the browser keeps in one cookie while the person is at the identity provider. Nobody but the server and this browser knows it, so a
/// link can bring neither another state nor another destination.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginState {
    state: String,
    nonce: String,
    next: String,
}

/// Why a sign-in is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No state cookie, several, or not one of ours.
    #[error("no sign-in was begun in this browser")]
    NotBegun,
    /// The state that came back is not the one that was sent.
    #[error("another sign-in came back")]
    OtherState,
    /// The token was made for another sign-in.
    #[error("the token carries the nonce of another sign-in")]
    OtherNonce,
}

impl LoginState {
    /// A new one from random bytes; `next` becomes `/` unless it is a path of ours.
    #[must_use]
    pub fn new(state: [u8; 16], nonce: [u8; 16], next: Option<&str>) -> Self {
        Self {
            state: hex(&state),
            nonce: hex(&nonce),
            next: access::return_path(next).to_owned(),
        }
    }

    /// Value of the cookie.
    #[must_use]
    pub fn cookie(&self) -> String {
        format!("{}.{}.{}", self.state, self.nonce, URL_SAFE_NO_PAD.encode(&self.next))
    }

    /// Reads the values of all state cookies of a request. Two would mean that somebody planted one: neither counts then.
    ///
    /// # Errors
    /// [`LoginError::NotBegun`].
    pub fn read<'a>(mut cookies: impl Iterator<Item = &'a str>) -> Result<Self, LoginError> {
        match (cookies.next(), cookies.next()) {
            (Some(cookie), None) => Self::parse(cookie).ok_or(LoginError::NotBegun),
            _ => Err(LoginError::NotBegun),
        }
    }

    fn parse(cookie: &str) -> Option<Self> {
        let (state, rest) = cookie.split_once('.')?;
        let (nonce, next) = rest.split_once('.')?;
        let random = |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(next).ok()?).ok()?;
        // Checked again: a cookie is the browser's, and may have been planted where its name has no prefix.
        (random(state) && random(nonce)).then(|| Self {
            state: state.into(),
            nonce: nonce.into(),
            next: access::return_path(Some(&next)).to_owned(),
        })
    }

    /// What is sent along and comes back.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// What the provider is asked to put into the token.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Where the person wanted to go: a path of ours.
    #[must_use]
    pub fn next(&self) -> &str {
        &self.next
    }

    /// Compares what came back. The comparison takes the same time wherever the two differ.
    ///
    /// # Errors
    /// [`LoginError::OtherState`].
    pub fn came_back_with(&self, state: Option<&str>) -> Result<(), LoginError> {
        same(&self.state, state.unwrap_or_default())
            .then_some(())
            .ok_or(LoginError::OtherState)
    }

    /// Compares the token's `nonce`; a provider that knows none leaves it out.
    ///
    /// # Errors
    /// [`LoginError::OtherNonce`].
    pub fn allows_nonce(&self, nonce: Option<&str>) -> Result<(), LoginError> {
        nonce
            .is_none_or(|nonce| same(&self.nonce, nonce))
            .then_some(())
            .ok_or(LoginError::OtherNonce)
    }
}

fn same(expected: &str, given: &str) -> bool {
    bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{LoginError, LoginState};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    fn state(next: Option<&str>) -> LoginState {
        LoginState::new([1; 16], [2; 16], next)
    }

    fn read(cookies: &[&str]) -> Option<LoginState> {
        LoginState::read(cookies.iter().copied()).ok()
    }

    #[test]
    fn comes_back_from_its_cookie() {
        let begun = state(Some("/chat?a=b;c#d"));
        assert!(read(&[&begun.cookie()]).is_some_and(|read| read == begun));
        assert_eq!(begun.next(), "/chat?a=b;c#d");
        assert!(!begun.cookie().contains([';', ',', ' ', '"']));
        assert_ne!(begun.state(), begun.nonce());
    }

    #[test]
    fn a_planted_or_second_cookie_is_worth_nothing() {
        let good = state(None).cookie();
        assert!(read(&[]).is_none());
        assert!(read(&[&good, &good]).is_none());
        for bad in [
            "",
            "..",
            "x",
            "a.b.c",
            &good[1..],
            &good.replace('.', "-"),
            &format!("{good}!"),
        ] {
            assert!(read(&[bad]).is_none(), "{bad}");
        }
        let (head, _) = good.rsplit_once('.').unwrap();
        for (planted, leads) in [
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/chat", "/chat"),
        ] {
            let cookie = format!("{head}.{}", URL_SAFE_NO_PAD.encode(planted));
            assert_eq!(read(&[&cookie]).unwrap().next(), leads, "{planted}");
        }
    }

    #[test]
    fn only_its_own_state_and_nonce_are_taken() {
        let begun = state(None);
        assert_eq!(begun.came_back_with(Some(begun.state())), Ok(()));
        for other in [None, Some(""), Some(begun.nonce()), Some(&begun.state()[1..])] {
            assert_eq!(begun.came_back_with(other), Err(LoginError::OtherState), "{other:?}");
        }
        assert_eq!(begun.allows_nonce(None), Ok(()));
        assert_eq!(begun.allows_nonce(Some(begun.nonce())), Ok(()));
        for other in ["", begun.state(), &begun.nonce()[1..]] {
            assert_eq!(begun.allows_nonce(Some(other)), Err(LoginError::OtherNonce), "{other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_cookie_holds_it_leads_to_a_path_of_ours(cookie in "\\PC{0,200}", next in "\\PC{0,60}") {
            let (head, _) = state(None).cookie().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            let planted = format!("{head}.{}", URL_SAFE_NO_PAD.encode(&next));
            for cookie in [cookie, planted] {
                if let Some(read) = read(&[&cookie]) {
                    prop_assert!(read.next().starts_with('/') && !read.next().starts_with("//"));
                }
            }
        }
    }
}
