//! What providers of models say, in both protocols: whole answers, and the events of a stream.

use crate::provider_stub::TOKENS;
use serde_json::{Value, json};

/// A protocol.
#[derive(Clone, Copy, Debug)]
pub enum Speaks {
    /// `/v1/chat/completions`.
    Openai,
    /// `/v1/messages`.
    Anthropic,
}

/// A whole answer.
#[must_use]
pub fn document(speaks: Speaks, model: &str) -> Value {
    let (asked, answered) = TOKENS;
    match speaks {
        Speaks::Openai => json!({
            "id": "chatcmpl-stub", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello from the stub"}}],
            "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
        }),
        Speaks::Anthropic => json!({
            "id": "msg_stub", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "hello from the stub"}], "usage": {"input_tokens": asked, "output_tokens": answered},
        }),
    }
}

/// The event before the first token.
#[must_use]
pub fn first(speaks: Speaks, model: &str) -> String {
    match speaks {
        Speaks::Openai => {
            let chunk =
                json!({"model": model, "choices": [{"index": 0, "delta": {"role": "assistant"}}], "usage": null});
            format!("data: {chunk}\n\n")
        }
        Speaks::Anthropic => {
            let usage = json!({"input_tokens": TOKENS.0, "output_tokens": 1});
            let start = json!({"type": "message_start", "message": {"id": "msg_stub", "model": model, "role": "assistant", "usage": usage}});
            format!("event: message_start\ndata: {start}\n\n")
        }
    }
}

/// An event with this text.
#[must_use]
pub fn token(speaks: Speaks, model: &str, text: &str) -> String {
    match speaks {
        Speaks::Openai => {
            let chunk = json!({"model": model, "choices": [{"index": 0, "delta": {"content": text}}], "usage": null});
            format!("data: {chunk}\n\n")
        }
        Speaks::Anthropic => {
            let delta =
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
            format!("event: content_block_delta\ndata: {delta}\n\n")
        }
    }
}

/// The events behind the last token, with what the answer took.
#[must_use]
pub fn end(speaks: Speaks, model: &str) -> String {
    let (asked, answered) = TOKENS;
    match speaks {
        Speaks::Openai => {
            let usage = json!({"prompt_tokens": asked, "completion_tokens": answered});
            let chunk = json!({"model": model, "choices": [], "usage": usage});
            format!("data: {chunk}\n\ndata: [DONE]\n\n")
        }
        Speaks::Anthropic => {
            let delta = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": answered}});
            format!(
                "event: message_delta\ndata: {delta}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
            )
        }
    }
}
