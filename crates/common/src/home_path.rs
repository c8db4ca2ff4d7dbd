//! Paths below the agent's home, as bytes: names on a disk need not be UTF-8. Outside they stand percent-encoded, as in a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest path, bytes: what Linux takes.
const LONGEST: usize = 4_000;
/// Longest name, bytes: what Linux takes.
const LONGEST_NAME: usize = 255;
/// Deepest path, names.
const DEEPEST: usize = 128;
/// What stands for itself in a URL (RFC 3986, section 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a text is no path below the home. The text says what is wrong with the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HomePathError {
    /// A percent sign begins no escape.
    #[error("is not percent-encoded")]
    Encoding,
    /// It begins at the root of the file system.
    #[error("must be relative to the agent's home")]
    Absolute,
    /// `.`, `..` or an empty name.
    #[error("must have no empty name and neither . nor .. in it")]
    Dots,
    /// No file system has it in a name.
    #[error("must have no NUL in it")]
    Nul,
    /// More than a file system takes.
    #[error("is longer than {LONGEST} bytes, has a name of more than {LONGEST_NAME}, or is deeper than {DEEPEST}")]
    TooLong,
}

/// A path below the agent's home, without anything that would lead out of it. The home itself is the empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HomePath(Vec<Vec<u8>>);

impl HomePath {
    /// Reads a percent-encoded path; one slash may stand at its end.
    ///
    /// # Errors
    /// [`HomePathError`].
    pub fn parse(text: &str) -> Result<Self, HomePathError> {
        Self::from_bytes(&decoded(text).ok_or(HomePathError::Encoding)?)
    }

    /// Reads a path as it stands on a disk; one slash may stand at its end.
    ///
    /// # Errors
    /// [`HomePathError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HomePathError> {
        if bytes.first() == Some(&b'/') {
            return Err(HomePathError::Absolute);
        }
        if bytes.contains(&0) {
            return Err(HomePathError::Nul);
        }
        if bytes.len() > LONGEST {
            return Err(HomePathError::TooLong);
        }
        let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let names: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        if names.iter().any(|name| matches!(name.as_slice(), b"" | b"." | b"..")) {
            return Err(HomePathError::Dots);
        }
        if names.len() > DEEPEST || names.iter().any(|name| name.len() > LONGEST_NAME) {
            return Err(HomePathError::TooLong);
        }
        Ok(Self(names))
    }

    /// Whether it is the home itself.
    #[must_use]
    pub const fn is_home(&self) -> bool {
        self.0.is_empty()
    }

    /// Its names, from the home on.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator {
        self.0.iter().map(Vec::as_slice)
    }

    /// The folder that it is in and its name there; `None` for the home.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &[u8])> {
        let (name, folder) = self.0.split_last()?;
        Some((Self(folder.to_vec()), name))
    }

    /// As bytes with slashes between the names; `.` for the home.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.is_home() {
            b".".to_vec()
        } else {
            self.0.join(&b'/')
        }
    }

    /// What lies in it under this name, percent-encoded.
    #[must_use]
    pub fn encoded_child(&self, name: &[u8]) -> String {
        let slash = if self.is_home() { "" } else { "/" };
        format!("{self}{slash}{}", encoded(name))
    }
}

/// One name, percent-encoded.
#[must_use]
pub fn encoded(name: &[u8]) -> String {
    percent_encode(name, PLAIN).to_string()
}

/// The bytes that a percent-encoded text stands for; `None` when a percent sign begins no escape.
#[must_use]
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    Some(bytes)
}

impl fmt::Display for HomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let slash = if at == 0 { "" } else { "/" };
            write!(f, "{slash}{}", percent_encode(name, PLAIN))?;
        }
        Ok(())
    }
}

impl TryFrom<String> for HomePath {
    type Error = HomePathError;
    fn try_from(text: String) -> Result<Self, HomePathError> {
        Self::parse(&text)
    }
}

impl From<HomePath> for String {
    fn from(path: HomePath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{HomePath, HomePathError};
    use proptest::prelude::*;

    #[test]
    fn nothing_leads_out_of_the_home() {
        for (text, error) in [
            ("/etc/passwd", HomePathError::Absolute),
            ("%2Fetc/passwd", HomePathError::Absolute),
            ("..", HomePathError::Dots),
            ("a/../b", HomePathError::Dots),
            ("a/%2e%2E/b", HomePathError::Dots),
            ("a%2F..%2Fb", HomePathError::Dots),
            ("a//b", HomePathError::Dots),
            ("a//", HomePathError::Dots),
            ("./a", HomePathError::Dots),
            ("a%00b", HomePathError::Nul),
            ("a%2", HomePathError::Encoding),
            ("a%", HomePathError::Encoding),
            ("a%g0", HomePathError::Encoding),
            ("a%+1", HomePathError::Encoding),
        ] {
            assert_eq!(HomePath::parse(text), Err(error), "{text}");
        }
        assert_eq!(HomePath::parse(&"a".repeat(256)), Err(HomePathError::TooLong));
        assert_eq!(HomePath::parse(&"a/".repeat(129)), Err(HomePathError::TooLong));
        assert_eq!(HomePath::parse(&"aaa/".repeat(1_001)), Err(HomePathError::TooLong));
        // What only looks dangerous is a name like any other.
        for name in ["...", "..a", "%5C..%5C", "~", "%25%32%65"] {
            assert!(HomePath::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_path_has_one_spelling() {
        assert!(HomePath::parse("").unwrap().is_home());
        assert_eq!(HomePath::parse("").unwrap().to_bytes(), b".");
        for (text, spelling) in [
            ("a/b/", "a/b"),
            ("a%2fb", "a/b"),
            ("a b+c", "a%20b%2Bc"),
            ("%ff", "%FF"),
            ("%7e", "~"),
        ] {
            assert_eq!(HomePath::parse(text).unwrap().to_string(), spelling);
        }
        let path = HomePath::parse("a/b%ff").unwrap();
        let (folder, name) = path.split().unwrap();
        assert_eq!((folder.to_string().as_str(), name), ("a", b"b\xff".as_slice()));
        assert_eq!(folder.encoded_child(name), path.to_string());
        assert_eq!(HomePath::default().encoded_child(b"x"), "x");
        assert_eq!(HomePath::default().split(), None);
    }

    proptest! {
        #[test]
        fn any_path_that_is_taken_is_one_of_names_and_goes_both_ways(bytes in prop::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..40)) {
            if let Ok(path) = HomePath::from_bytes(&bytes) {
                for name in path.names() {
                    prop_assert!(!matches!(name, b"" | b"." | b".."));
                    prop_assert!(!name.contains(&b'/') && !name.contains(&0));
                }
                let text = path.to_string();
                prop_assert!(text.is_ascii());
                prop_assert_eq!(HomePath::parse(&text), Ok(path));
            }
        }
    }
}
