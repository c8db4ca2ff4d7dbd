//! What a command writes, by stream and offset.
//!
//! Each stream is a sequence of bytes of its own. Of each the first half and the last half of the limit are kept, so a stream is its beginning,
//! perhaps a gap, and its end. A cursor is a position in both; it stays valid for ever, grows only, and whatever follows it is told once.

pub mod chunks;
pub mod events;
pub mod follow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// One of the two streams of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl StreamName {
    /// Both, in the order in which they are told.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// As in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A position in both streams: the next offset of each. As text `<stdout>-<stderr>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OutputCursor {
    /// Next offset of standard output.
    pub stdout: u64,
    /// Next offset of standard error.
    pub stderr: u64,
}

/// A text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a cursor that an answer gave, such as 0-0")]
pub struct NoCursor;

impl OutputCursor {
    /// The next offset of a stream.
    #[must_use]
    pub const fn of(&self, stream: StreamName) -> u64 {
        match stream {
            StreamName::Stdout => self.stdout,
            StreamName::Stderr => self.stderr,
        }
    }

    /// Sets the next offset of a stream.
    pub const fn set(&mut self, stream: StreamName, offset: u64) {
        match stream {
            StreamName::Stdout => self.stdout = offset,
            StreamName::Stderr => self.stderr = offset,
        }
    }
}

impl fmt::Display for OutputCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stdout, self.stderr)
    }
}

impl FromStr for OutputCursor {
    type Err = NoCursor;
    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (stdout, stderr) = text.split_once('-').ok_or(NoCursor)?;
        Ok(Self {
            stdout: offset(stdout)?,
            stderr: offset(stderr)?,
        })
    }
}

/// Digits only, and small enough that nothing added to it overflows.
fn offset(text: &str) -> Result<u64, NoCursor> {
    let digits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(NoCursor)
}

impl Serialize for OutputCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OutputCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Bytes of one stream, as they were written; base64 in JSON. What lies between the end of the piece before and `at` was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPiece {
    /// Which stream.
    pub stream: StreamName,
    /// Offset of the first byte in that stream.
    pub at: u64,
    /// The bytes.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub bytes: Vec<u8>,
}

impl OutputPiece {
    /// Offset of the byte after the last.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.at.saturating_add(self.bytes.len() as u64)
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD
        .decode(String::deserialize(deserializer)?)
        .map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::{OutputCursor, OutputPiece, StreamName};

    #[test]
    fn a_cursor_is_two_offsets() {
        let cursor: OutputCursor = "512-7".parse().unwrap();
        assert_eq!((cursor.of(StreamName::Stdout), cursor.of(StreamName::Stderr)), (512, 7));
        assert_eq!(serde_json::to_string(&cursor).unwrap(), "\"512-7\"");
        for bad in [
            "",
            "1",
            "-",
            "1-",
            "-1",
            "+1-1",
            "1-1-1",
            " 1-1",
            "a-b",
            "99999999999999999-0",
        ] {
            assert!(bad.parse::<OutputCursor>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_piece_carries_any_bytes() {
        let piece = OutputPiece {
            stream: StreamName::Stderr,
            at: 3,
            bytes: vec![0, 255, 10],
        };
        let json = serde_json::to_string(&piece).unwrap();
        assert_eq!(json, r#"{"stream":"stderr","at":3,"bytes":"AP8K"}"#);
        assert_eq!(serde_json::from_str::<OutputPiece>(&json).unwrap(), piece);
        assert_eq!(piece.end(), 6);
    }
}
