//! What is known of one upload, on disk and in memory.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use molt_common::time::Millis;
use molt_common::upload::{Method, Target, UploadId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Progress {
    /// Bytes are missing.
    Receiving,
    /// All bytes are there; the agent is not, yet.
    Waiting,
    /// The agent gets it. Stored before the first byte is sent.
    Delivering,
    /// The agent has answered, and the answer is on disk.
    Answered {
        /// HTTP status.
        status: u16,
        /// Headers for the edge.
        headers: Vec<(String, String)>,
        /// Bytes of the body.
        bytes: u64,
    },
    /// It was not delivered, or nobody knows. The bytes are kept, so that it can be delivered again.
    Failed {
        /// Stable word.
        code: String,
        /// For people.
        detail: String,
    },
}

impl Progress {
    /// The word of the state.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Waiting => "waiting",
            Self::Delivering => "delivering",
            Self::Answered { .. } => "answered",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether the agent is still to be asked.
    pub const fn is_under_way(&self) -> bool {
        matches!(self, Self::Waiting | Self::Delivering)
    }

    fn failed(code: &str, detail: &str) -> Self {
        Self::Failed {
            code: code.to_owned(),
            detail: detail.to_owned(),
        }
    }

    /// The agent took the request and broke off.
    pub fn broke_off() -> Self {
        Self::failed(
            "agent_broke_off",
            "The agent closed the connection before its answer was whole. Whether it has acted on the upload is not known.",
        )
    }

    /// The supervisor ended meanwhile.
    pub fn interrupted() -> Self {
        Self::failed(
            "delivery_interrupted",
            "The delivery was cut off by a restart. Whether the agent has acted on the upload is not known.",
        )
    }

    /// The answer does not fit.
    pub fn answer_too_long() -> Self {
        Self::failed(
            "answer_too_long",
            "The agent took the upload and answered with more than can be kept.",
        )
    }

    /// The disk refused.
    pub fn not_kept() -> Self {
        Self::failed(
            "answer_not_kept",
            "The agent took the upload; its answer could not be kept.",
        )
    }

    /// The upload cannot be read or be made a request.
    pub fn unreadable() -> Self {
        Self::failed("upload_unreadable", "What was uploaded could not be read.")
    }

    /// What a restart makes of it. `complete`: all bytes are there.
    pub fn after_restart(self, method: Method, complete: bool) -> Self {
        match self {
            Self::Receiving if complete => Self::Waiting,
            // Doing it twice is doing it once.
            Self::Delivering if method == Method::Put => Self::Waiting,
            Self::Delivering => Self::interrupted(),
            other => other,
        }
    }
}

/// Everything about one upload but its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its id.
    pub id: UploadId,
    /// Bytes that there will be.
    pub length: u64,
    /// What it is for.
    pub target: Target,
    /// `Upload-Metadata`, as it came.
    pub metadata: String,
    /// `Idempotency-Key` of its creation.
    pub key: Option<String>,
    /// What the edge said of the client who created it: proto, host, address, request id.
    pub edge: Vec<(String, String)>,
    /// Epoch milliseconds.
    pub created_at: u64,
    /// Epoch milliseconds after which it is forgotten, unless something is added to it.
    pub expires_at: u64,
    /// From here on the bytes were never compared with the hash that the client stated for them.
    pub unverified_from: Option<u64>,
    /// How far it is.
    pub progress: Progress,
}

impl Record {
    /// As clients see it.
    pub fn view(&self, offset: u64) -> Value {
        let (answer, error) = match &self.progress {
            Progress::Answered { status, bytes, .. } => (json!({"status": status, "bytes": bytes}), Value::Null),
            Progress::Failed { code, detail } => (Value::Null, json!({"code": code, "detail": detail})),
            _ => (Value::Null, Value::Null),
        };
        json!({
            "uploadId": self.id, "state": self.progress.word(), "offset": offset, "length": self.length,
            "target": self.target, "createdAt": Millis(self.created_at).iso(), "expiresAt": Millis(self.expires_at).iso(),
            "answer": answer, "error": error,
        })
    }
}

/// Headers as they are kept; what is not text is left out.
pub fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    pairs.collect()
}

/// Kept headers.
pub fn restored(pairs: &[(String, String)]) -> HeaderMap {
    let headers = pairs
        .iter()
        .filter_map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?)));
    // Built one by one: repeated names stay repeated.
    headers.fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(name, value);
        map
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_repeats_only_what_may_be_repeated() {
        assert_eq!(Progress::Delivering.after_restart(Method::Put, true), Progress::Waiting);
        for once in [Method::Post, Method::Patch] {
            assert_eq!(Progress::Delivering.after_restart(once, true), Progress::interrupted());
        }
        assert_eq!(Progress::Receiving.after_restart(Method::Post, true), Progress::Waiting);
        assert_eq!(
            Progress::Receiving.after_restart(Method::Post, false),
            Progress::Receiving
        );
        assert_eq!(Progress::Waiting.after_restart(Method::Post, true), Progress::Waiting);
    }

    #[test]
    fn headers_are_kept_with_their_repetitions() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        assert_eq!(restored(&kept(&headers)), headers);
    }
}
