//! The body of a request that may have to be sent twice.

use crate::dispatch::Call;
use molt_platform::forward::{self, Outgoing, header};
use worker::Result;
use worker::js_sys::ArrayBuffer;

/// Longer ones are not kept, bytes.
const LONGEST_KEPT: u64 = 1024 * 1024;

/// What there is of it here.
pub enum Body {
    /// Nothing: there is none, or it is passed on as it comes in, once.
    Passing {
        /// There is none.
        empty: bool,
    },
    /// All of it.
    Kept(ArrayBuffer),
}

impl Body {
    /// As it comes in.
    pub fn passing(call: &Call<'_>) -> Self {
        Self::Passing {
            empty: call.request.body().is_none(),
        }
    }

    /// Keeps one of which the client says that it is not too long.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn keep(call: &Call<'_>) -> Result<Self> {
        let length = header(call.request, "content-length").and_then(|text| text.parse::<u64>().ok());
        // No request of these methods can be built with a body, only passed on with the one that it came with.
        let can_be_built = !matches!(call.method.as_str(), "GET" | "HEAD");
        match (Self::passing(call), length) {
            (Self::Passing { empty: false }, Some(0..=LONGEST_KEPT)) if can_be_built => {
                forward::bytes(call.request).await.map(Self::Kept)
            }
            (body, _) => Ok(body),
        }
    }

    /// Whether the request can be sent again.
    pub const fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Passing { empty: false })
    }

    /// A copy of the request with this body.
    ///
    /// # Errors
    /// When the runtime refuses; always for the second copy of one that is not repeatable.
    pub fn outgoing(&self, call: &Call<'_>) -> Result<Outgoing> {
        match self {
            Self::Passing { .. } => Outgoing::new(&call.request.url(), call.request),
            Self::Kept(bytes) => Outgoing::with_kept_body(&call.request.url(), call.request, bytes),
        }
    }
}
