use super::Table;
use crate::provider::{Dialect, KeyHeader};
use proptest::prelude::*;
use serde_json::{Value, json};

fn row() -> Value {
    json!({
        "id": "local", "dialect": "openai", "baseUrl": "https://models.example/api/", "keyHeader": "bearer",
        "keyName": "LOCAL_API_KEY", "paths": ["/v1/chat/completions", "/v1/models/*"],
        "models": [{"id": "m1", "contextWindow": 8192, "inputPrice": 150_000}],
    })
}

fn with(field: &str, value: Value) -> String {
    let mut row = row();
    row[field] = value;
    json!([row]).to_string()
}

fn wrong(text: &str) -> String {
    Table::read(Some(text), None).unwrap_err().field
}

#[test]
fn everybody_has_the_same_two() {
    let table = Table::read(None, None).unwrap();
    let ids: Vec<&str> = table.rows().iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["anthropic", "openai"]);
    let anthropic = table.find("anthropic").unwrap();
    assert_eq!(
        (anthropic.key_header, anthropic.key_name.as_str()),
        (KeyHeader::XApiKey, "ANTHROPIC_API_KEY")
    );
    assert_eq!(table.find("openai").unwrap().key_header, KeyHeader::Bearer);
    assert!(table.find("local").is_none());
}

#[test]
fn the_gateways_base_says_what_it_speaks() {
    let read = |base| {
        Table::read(None, Some(base))
            .unwrap()
            .find("ai-gateway")
            .unwrap()
            .clone()
    };
    let claude = read("https://gateway.ai.cloudflare.com/v1/acc/gw/anthropic//");
    assert_eq!(claude.base_url, "https://gateway.ai.cloudflare.com/v1/acc/gw/anthropic");
    assert_eq!(
        (claude.dialect, claude.key_header),
        (Dialect::Anthropic, KeyHeader::XApiKey)
    );
    assert!(claude.admits("/v1/messages"));
    let gpt = read("https://gateway.ai.cloudflare.com/v1/acc/gw/openai/");
    assert_eq!((gpt.dialect, gpt.key_header), (Dialect::Openai, KeyHeader::Bearer));
    assert!(gpt.admits("/chat/completions") && !gpt.admits("/v1/chat/completions"));
    let error = Table::read(None, Some("gateway.example")).unwrap_err();
    assert_eq!(error.field, "AI_GATEWAY_BASE_URL");
}

#[test]
fn rows_add_and_replace() {
    let text = json!([row(), {
        "id": "openai", "dialect": "openai", "baseUrl": "http://127.0.0.1:9", "keyHeader": "ai-gateway", "keyName": "K", "paths": ["/*"],
    }])
    .to_string();
    let table = Table::read(Some(&text), None).unwrap();
    assert_eq!(table.rows().len(), 3);
    let openai = table.find("openai").unwrap();
    assert_eq!(
        (openai.base_url.as_str(), openai.key_header),
        ("http://127.0.0.1:9", KeyHeader::AiGateway)
    );
    assert!(openai.admits("/anything/at/all"));
    let local = table.find("local").unwrap();
    assert_eq!(local.base_url, "https://models.example/api");
    assert_eq!(local.models[0].input_price, Some(150_000));
}

#[test]
fn the_agent_is_told_the_base_that_its_clients_expect() {
    let told = |table: &Table, id: &str| table.find(id).unwrap().for_agent().base_url;
    let table = Table::read(None, Some("https://g.example/compat")).unwrap();
    let host = "http://providers.molt.internal/_molt/providers";
    assert_eq!(told(&table, "openai"), format!("{host}/openai/v1"));
    assert_eq!(told(&table, "anthropic"), format!("{host}/anthropic"));
    assert_eq!(told(&table, "ai-gateway"), format!("{host}/ai-gateway"));
}

#[test]
fn a_wrong_row_is_named_and_nothing_stands() {
    assert_eq!(wrong("{}"), "PROVIDERS");
    assert_eq!(wrong(""), "PROVIDERS");
    assert_eq!(wrong("[1]"), "PROVIDERS[0]");
    assert_eq!(wrong(&with("surprise", json!(1))), "PROVIDERS[0]");
    assert_eq!(wrong(&with("dialect", json!("gopher"))), "PROVIDERS[0]");
    assert_eq!(wrong(&with("id", json!("Local"))), "PROVIDERS[0].id");
    assert_eq!(wrong(&json!([row(), row()]).to_string()), "PROVIDERS[1].id");
    assert_eq!(wrong(&with("paths", json!([]))), "PROVIDERS[0].paths");
    assert_eq!(
        wrong(&with("paths", json!(["/v1", "/v1/../x"]))),
        "PROVIDERS[0].paths[1]"
    );
    assert_eq!(wrong(&with("models", json!([{"id": ""}]))), "PROVIDERS[0].models[0].id");
    for name in [
        "",
        "openai",
        "1K",
        "MOLT_SECRET_KEYS",
        "LEGACY_FENCE_TOKEN",
        &"K".repeat(65),
    ] {
        assert_eq!(wrong(&with("keyName", json!(name))), "PROVIDERS[0].keyName", "{name}");
    }
    assert_eq!(wrong(&"[".repeat(70_000)), "PROVIDERS");
}

#[test]
fn a_base_is_https_unless_it_is_this_machine() {
    for good in [
        "https://a.example",
        "https://a.example:8443/x/y",
        "http://localhost:1",
        "http://[::1]:1/x",
        "http://127.9.9.9",
    ] {
        assert!(Table::read(Some(&with("baseUrl", json!(good))), None).is_ok(), "{good}");
    }
    for bad in [
        "",
        "http://a.example",
        "http://127.0.0.1.a.example",
        "http://10.0.0.1",
        "ftp://a.example",
        "https://user:pw@a.example",
        "https://a.example/?q",
        "https://a.example/#f",
        "https://a.example/x/../y",
        "https://a.example//x",
        "https://a.example/%2e",
        "https://",
        "/x",
        "https://a.example\\x",
        "https://a example",
    ] {
        assert_eq!(wrong(&with("baseUrl", json!(bad))), "PROVIDERS[0].baseUrl", "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in ".{0,200}") {
        let _ = Table::read(Some(&text), Some(&text));
    }
}
