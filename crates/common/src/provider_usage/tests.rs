use super::UsageReader;
use crate::usage::Tokens;
use proptest::prelude::*;
use serde_json::{Value, json};

const JSON: Option<&str> = Some("application/json; charset=utf-8");
const EVENTS: Option<&str> = Some("text/event-stream");

type Read = (Option<String>, Option<Tokens>);

fn read(content_type: Option<&str>, pieces: &[&[u8]]) -> Read {
    let mut reader = UsageReader::of(content_type);
    for piece in pieces {
        reader.read(piece);
    }
    (reader.model().map(str::to_owned), reader.tokens())
}

fn took(model: &str, input: u64, cached_input: u64, output: u64) -> Read {
    let tokens = Tokens {
        input,
        cached_input,
        output,
    };
    (Some(model.to_owned()), Some(tokens))
}

fn of_json(document: &Value) -> Read {
    read(JSON, &[document.to_string().as_bytes()])
}

fn events(documents: &[Value]) -> String {
    let lines: Vec<String> = documents
        .iter()
        .map(|one| format!("event: x\ndata: {one}\n\n"))
        .collect();
    lines.concat()
}

#[test]
fn documents_of_both_protocols() {
    let chat = json!({
        "id": "chatcmpl-1", "model": "gpt-4o-2024", "choices": [{"message": {"content": "\"usage\": {\"prompt_tokens\": 1}"}}],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29, "prompt_tokens_details": {"cached_tokens": 3}},
    });
    assert_eq!(of_json(&chat), took("gpt-4o-2024", 19, 3, 10));
    let responses = json!({
        "object": "response", "model": "gpt-5", "usage": {"input_tokens": 36, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 87},
    });
    assert_eq!(of_json(&responses), took("gpt-5", 36, 8, 87));
    let embeddings =
        json!({"data": [{"embedding": [0.1, -2e-3]}], "model": "e", "usage": {"prompt_tokens": 8, "total_tokens": 8}});
    assert_eq!(of_json(&embeddings), took("e", 8, 0, 0));
    let message = json!({
        "type": "message", "model": "claude-x", "content": [{"type": "text", "text": "x"}],
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 5},
    });
    assert_eq!(of_json(&message), took("claude-x", 60, 30, 5));
    let both =
        json!({"model": "m", "usage": {"prompt_tokens": 50, "cache_read_input_tokens": 30, "completion_tokens": 5}});
    assert_eq!(of_json(&both), took("m", 50, 30, 5));
    let failed = json!({"error": {"message": "no", "type": "x"}});
    assert_eq!(of_json(&failed), (None, None));
}

#[test]
fn events_of_both_protocols() {
    let chat = events(&[
        json!({"model": "gpt-4o", "choices": [{"delta": {"content": "a"}}], "usage": null}),
        json!({"model": "gpt-4o", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
    ]) + "data: [DONE]\n\n";
    assert_eq!(read(EVENTS, &[chat.as_bytes()]), took("gpt-4o", 7, 0, 2));
    let responses = events(&[
        json!({"type": "response.created", "response": {"model": "gpt-5", "usage": null}}),
        json!({"type": "response.output_text.delta", "delta": "a"}),
        json!({"type": "response.completed", "response": {"model": "gpt-5", "usage": {
            "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3}}}),
    ]);
    assert_eq!(read(EVENTS, &[responses.as_bytes()]), took("gpt-5", 9, 4, 3));
    let message = events(&[
        json!({"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 25, "cache_read_input_tokens": 5, "output_tokens": 1}}}),
        json!({"type": "content_block_delta", "delta": {"text": "x"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 15, "cache_read_input_tokens": null}}),
        json!({"type": "message_stop"}),
    ]);
    assert_eq!(read(EVENTS, &[message.as_bytes()]), took("claude", 30, 5, 15));
    for odd in [
        message.replace('\n', "\r\n"),
        message.replace('\n', "\r"),
        message.replace("data: ", "data:"),
    ] {
        assert_eq!(read(EVENTS, &[odd.as_bytes()]), took("claude", 30, 5, 15), "{odd:?}");
    }
    let over_lines = "data: {\"model\":\"m\",\ndata: \"usage\":{\"prompt_tokens\":\ndata: 5}}\n\n";
    assert_eq!(read(EVENTS, &[over_lines.as_bytes()]), took("m", 5, 0, 0));
    let torn = "data: {\"a\":\"\n\ndata: {\"model\":\"m\",\"usage\":{\"prompt_tokens\":5}}\n\n";
    assert_eq!(
        read(EVENTS, &[torn.as_bytes()]),
        took("m", 5, 0, 0),
        "an event that is no JSON harms none after it"
    );
}

#[test]
fn what_a_user_or_model_wrote_states_nothing() {
    let usage = json!({"prompt_tokens": 1, "input_tokens": 1, "output_tokens": 1});
    for elsewhere in [
        json!({"choices": [{"model": "x", "usage": usage}]}),
        json!({"metadata": {"model": "x", "usage": usage}}),
        json!([{"model": "x", "usage": usage}]),
        json!({"usage": [usage], "model": ["x"]}),
        json!({"usage": {"nested": usage, "cached_tokens": 4}}),
        json!({"message": {"message": {"usage": usage, "model": "x"}}}),
        json!({"usage": {"prompt_tokens": "5", "output_tokens": -3, "input_tokens": 1.5}, "model": 7}),
        json!({"usage": {"prompt_tokens": 1e300, "output_tokens": 1_000_000_000_000_000_000_u64}}),
        json!({"model": "", "usage": {}}),
        json!({"model": "a\nb"}),
        json!({"model": "x".repeat(129)}),
    ] {
        assert_eq!(of_json(&elsewhere), (None, None), "{elsewhere}");
    }
    let text = br#"{"model":"m","usage":{"prompt_tokens":1}}"#;
    assert_eq!(read(Some("audio/mpeg"), &[text]), (None, None));
    assert_eq!(read(None, &[text]), (None, None));
}

#[test]
fn escapes_are_what_they_mean() {
    let text = br#"{"x\"{":"}\\","m\u006fdel":"meta\/llama\u002d3","usage":{"prompt_tokens":4}}"#;
    assert_eq!(read(JSON, &[text]), took("meta/llama-3", 4, 0, 0));
}

#[test]
fn its_size_does_not_depend_on_what_comes() {
    assert!(size_of::<UsageReader>() < 640, "{}", size_of::<UsageReader>());
    let mut reader = UsageReader::of(JSON);
    reader.read(br#"{"model":"m","text":""#);
    for _ in 0..160 {
        reader.read(&[b'x'; 64 * 1024]);
    }
    reader.read(br#"","usage":{"prompt_tokens":6}}"#);
    assert_eq!(reader.tokens().unwrap().input, 6);
    for byte in [b'[', b'{', b'"', b'\\', b'9', b':', b'}'] {
        let mut reader = UsageReader::of(JSON);
        for _ in 0..40 {
            reader.read(&[byte; 64 * 1024]);
        }
        assert_eq!(reader.tokens(), None);
    }
}

/// The same, by a parser that holds the whole document.
fn whole(document: &Value) -> Read {
    let mut places = vec![document];
    // The scanner takes what comes last.
    if let Value::Object(fields) = document {
        places = Vec::new();
        for (name, value) in fields {
            match name.as_str() {
                "message" | "response" => places.push(value),
                "model" | "usage" if !places.contains(&document) => places.push(document),
                _ => {}
            }
        }
    }
    let mut model = None;
    let mut counts = std::collections::BTreeMap::new();
    for place in places {
        let name = place
            .get("model")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        model = name.map(str::to_owned).or(model);
        for (name, number) in place.get("usage").and_then(Value::as_object).into_iter().flatten() {
            if let Some(number) = number.as_u64() {
                counts.insert(name.clone(), number);
            }
        }
    }
    let of = |name: &str| counts.get(name).copied();
    let stated = ["prompt_tokens", "input_tokens", "output_tokens"]
        .iter()
        .any(|name| of(name).is_some());
    let tokens = stated.then(|| Tokens {
        input: of("prompt_tokens")
            .unwrap_or_else(|| of("input_tokens").unwrap_or(0) + of("cache_read_input_tokens").unwrap_or(0)),
        cached_input: 0,
        output: of("output_tokens").unwrap_or(0),
    });
    (model, tokens)
}

fn documents() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            "model", "usage", "message", "prompt_tokens", "input_tokens", "output_tokens", "cache_read_input_tokens",
        ])
        .prop_map(str::to_owned),
        1 => "[a-z\"\\\\{}:,é]{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..1_000_000).prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        "[a-zé\"\\\\\\[\\]{}:,/ ]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn it_reads_what_a_whole_parser_reads(document in documents()) {
        let (model, tokens) = of_json(&document);
        let (whole_model, whole_tokens) = whole(&document);
        prop_assert_eq!(model, whole_model);
        let bare = |tokens: Option<Tokens>| tokens.map(|tokens| (tokens.input, tokens.output));
        prop_assert_eq!(bare(tokens), bare(whole_tokens));
    }

    #[test]
    fn cuts_change_nothing(
        documents in prop::collection::vec(documents(), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        feed in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let text = events(&documents).replace('\n', feed);
        prop_assert_eq!(read(EVENTS, &cut(text.as_bytes(), &cuts)), read(EVENTS, &[text.as_bytes()]));
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(read(EVENTS, &single), read(EVENTS, &[text.as_bytes()]));
        let text = documents[0].to_string();
        prop_assert_eq!(read(JSON, &cut(text.as_bytes(), &cuts)), read(JSON, &[text.as_bytes()]));
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..400), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        for content_type in [JSON, EVENTS] {
            prop_assert_eq!(read(content_type, &cut(&bytes, &cuts)), read(content_type, &[&bytes]));
        }
    }
}
