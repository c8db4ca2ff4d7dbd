use super::super::documents;
use super::super::locked::{OWNER_SCOPES, locked};
use super::super::providers::default_for;
use super::*;
use crate::provider::{AgentProvider, Dialect};
use proptest::prelude::*;
use serde_json::json;

fn ours() -> Value {
    offering(&[])
}

fn offering(offered: &[AgentProvider]) -> Value {
    locked("user-1", &["https://a.example".to_owned()], 18789, offered)
}

fn defaults() -> Value {
    super::super::locked::defaults(None)
}

fn offered(id: &str) -> AgentProvider {
    AgentProvider {
        id: id.into(),
        dialect: Dialect::Openai,
        base_url: format!("http://providers.molt.internal/_molt/providers/{id}/v1"),
        models: Vec::new(),
    }
}

#[test]
fn an_empty_document_becomes_ours() {
    let merged = effective(&json!({}), &ours(), &defaults());
    assert_eq!(
        merged["gateway"]["auth"]["trustedProxy"]["allowUsers"],
        json!(["user-1"])
    );
    assert_eq!(
        merged["gateway"]["controlUi"]["allowedOrigins"],
        json!(["https://a.example"])
    );
    assert_eq!(merged["gateway"]["port"], 18789);
    assert_eq!(merged["update"]["checkOnStart"], false);
}

#[test]
fn the_users_keys_survive_and_ours_win() {
    let document = json!({
        "agents": {"defaults": {"model": {"primary": "x/y"}}},
        "channels": {"telegram": {"botToken": "t"}},
        "update": {"channel": "beta", "checkOnStart": true},
        "gateway": {
            "port": 1, "bind": "lan", "reload": {"mode": "hot"},
            "trustedProxies": ["0.0.0.0/0"],
            "auth": {"mode": "none", "password": "p", "trustedProxy": {"allowUsers": [], "userHeader": "x-other"},
                     "identityScopes": {"mallory": ["operator.admin"]}},
            "controlUi": {"basePath": "/ui", "allowedOrigins": ["*"]},
        },
    });
    let merged = effective(&document, &ours(), &defaults());
    assert_eq!(merged["agents"], document["agents"]);
    assert_eq!(merged["channels"], document["channels"]);
    assert_eq!(merged["update"], document["update"]);
    assert_eq!(merged["gateway"]["reload"], json!({"mode": "hot"}));
    assert_eq!(merged["gateway"]["controlUi"]["basePath"], "/ui");
    assert_eq!(merged["gateway"]["auth"]["password"], "p");
    assert_eq!(merged["gateway"]["auth"]["mode"], "trusted-proxy");
    assert_eq!(
        merged["gateway"]["auth"]["trustedProxy"]["allowUsers"],
        json!(["user-1"])
    );
    assert_eq!(
        merged["gateway"]["auth"]["identityScopes"],
        json!({"user-1": OWNER_SCOPES})
    );
    assert_eq!(merged["gateway"]["trustedProxies"], json!(["127.0.0.1"]));
    assert_eq!(
        merged["gateway"]["controlUi"]["allowedOrigins"],
        json!(["https://a.example"])
    );
}

#[test]
fn a_document_of_the_wrong_shape_gives_way() {
    for document in [
        json!({"gateway": 7}),
        json!({"gateway": {"auth": []}}),
        json!({"gateway": null}),
        json!([1]),
        Value::Null,
    ] {
        let merged = effective(&document, &ours(), &defaults());
        assert_eq!(merged["gateway"]["auth"]["mode"], "trusted-proxy", "{document}");
        assert_eq!(user_part(&merged, &ours(), &defaults()), json!({}), "{document}");
    }
}

#[test]
fn the_users_part_is_what_he_chose() {
    let disk = json!({
        "meta": {"lastTouchedAt": "now"}, "logging": {"level": "debug"},
        "update": {"checkOnStart": false, "channel": "beta"},
        "gateway": {"port": 18789, "reload": {"mode": "hot"}, "auth": {"mode": "trusted-proxy", "identityScopes": {"other": []}}},
    });
    assert_eq!(
        user_part(&disk, &ours(), &defaults()),
        json!({"logging": {"level": "debug"}, "update": {"channel": "beta"}, "gateway": {"reload": {"mode": "hot"}}})
    );
    let chosen = json!({"update": {"checkOnStart": true}});
    assert_eq!(user_part(&chosen, &ours(), &defaults()), chosen);
}

#[test]
fn what_may_not_be_set_is_named() {
    let refused = |document: Value| violations(&document, &ours());
    assert_eq!(refused(json!({"gateway": {"port": 1}})), ["gateway.port"]);
    assert_eq!(
        refused(json!({"meta": {}, "gateway": {"auth": {"mode": "none", "identityScopes": {}, "password": "p"}}})),
        ["gateway.auth.identityScopes", "gateway.auth.mode", "meta"]
    );
    assert_eq!(refused(json!({"gateway": 7})), ["gateway"]);
    assert_eq!(refused(json!({"gateway": {"auth": null}})), ["gateway.auth"]);
    assert_eq!(
        refused(json!({"gateway": {"auth": {"trustedProxy": {"deviceAutoApprove": {"scopes": []}}}}})),
        ["gateway.auth.trustedProxy.deviceAutoApprove.scopes"]
    );
    for fine in [
        json!({}),
        json!({"gateway": {}}),
        json!({"gateway": {"reload": {"mode": "off"}, "controlUi": {"basePath": "/x"}}}),
        json!({"agents": {"port": 1}}),
    ] {
        assert_eq!(refused(fine.clone()), [""; 0], "{fine}");
    }
}

proptest! {
    #[test]
    fn merging_twice_changes_nothing_and_ours_is_always_in_it(document in documents::documents()) {
        let merged = effective(&document, &ours(), &defaults());
        prop_assert_eq!(effective(&merged, &ours(), &defaults()), merged.clone());
        prop_assert_eq!(effective(&merged, &ours(), &Value::Null), merged);
    }

    #[test]
    fn a_users_part_comes_back_under_whatever_is_offered(document in documents::with_models(), offers in 0..3_u8, model in 0..3_u8) {
        let offers = [vec![], vec![offered("offered")], vec![offered("offered"), offered("gone")]][usize::from(offers)].clone();
        let locked = offering(&offers);
        let model = [None, Some("offered/m"), Some("gone/m")][usize::from(model)];
        let part = user_part(&document, &locked, &defaults());
        prop_assert_eq!(violations(&part, &locked), Vec::<String>::new());
        prop_assert!(!part.to_string().contains("molt.internal"));
        // What was filled in is known by what was not chosen, and taken out by it alone.
        let filled = default_for(&part, model);
        let merged = effective(&part, &locked, &super::super::locked::defaults(filled));
        prop_assert_eq!(user_part(&merged, &locked, &super::super::locked::defaults(filled)), part.clone());
        for offer in &offers {
            prop_assert_eq!(&merged["models"]["providers"][&offer.id], &locked["models"]["providers"][&offer.id]);
        }
        // The next start offers nothing: nothing of the offer stays, and nothing of the user's goes.
        let next = effective(&without_default(&merged, filled), &ours(), &defaults());
        prop_assert_eq!(user_part(&next, &ours(), &defaults()), part);
        prop_assert!(!next.to_string().contains("molt.internal"));
    }

    #[test]
    fn the_users_part_comes_back_from_what_the_agent_finds(document in documents::documents()) {
        let part = user_part(&document, &ours(), &defaults());
        prop_assert_eq!(violations(&part, &ours()), Vec::<String>::new());
        let merged = effective(&part, &ours(), &defaults());
        prop_assert_eq!(user_part(&merged, &ours(), &defaults()), part);
        // Nothing of the user's is lost that the platform does not claim.
        prop_assert_eq!(effective(&document, &ours(), &defaults()).as_object().map(|fields| fields.len()),
            Some(merged.as_object().map_or(0, |fields| fields.len())));
    }
}

#[test]
fn providers_are_locked_one_by_one_and_leave_with_the_offer() {
    let mine = json!({"baseUrl": "https://mine.example/v1", "apiKey": "${MY_KEY}", "models": []});
    let user = json!({"models": {"mode": "merge", "providers": {"mine": mine, "openai": {"baseUrl": "https://mine.example", "headers": {"x": "y"}}}}});
    let both = offering(&[offered("openai"), offered("anthropic")]);
    let merged = effective(&user, &both, &defaults());
    let providers = &merged["models"]["providers"];
    assert_eq!(providers["mine"], mine);
    assert_eq!(
        providers["openai"], both["models"]["providers"]["openai"],
        "nothing of his is mixed in"
    );
    assert_eq!(providers["anthropic"]["apiKey"], "${MOLT_PROVIDER_TOKEN}");
    let kept = json!({"models": {"mode": "merge", "providers": {"mine": mine}}});
    assert_eq!(user_part(&merged, &both, &defaults()), kept);
    // Whoever does not know any more that it was offered takes it for the platform's all the same.
    for fewer in [offering(&[offered("openai")]), ours()] {
        let after = effective(&merged, &fewer, &defaults());
        assert!(after["models"]["providers"].get("anthropic").is_none(), "{after}");
        assert_eq!(user_part(&after, &fewer, &defaults()), kept);
        assert_eq!(user_part(&merged, &fewer, &defaults()), kept);
    }
    let alone = effective(&json!({}), &both, &defaults());
    assert_eq!(
        effective(&alone, &ours(), &defaults()),
        effective(&json!({}), &ours(), &defaults())
    );
}

#[test]
fn what_asks_at_the_platforms_address_is_nobody_elses() {
    let both = offering(&[offered("openai")]);
    let refused = |providers: Value| violations(&json!({ "models": { "providers": providers } }), &both);
    assert_eq!(
        refused(json!({"openai": {"baseUrl": "https://mine.example"}})),
        ["models.providers.openai"]
    );
    assert_eq!(refused(json!({"openai": null})), ["models.providers.openai"]);
    let copied = json!({"baseUrl": "http://providers.molt.internal/_molt/providers/openai/v1"});
    assert_eq!(refused(json!({ "copy": copied })), ["models.providers.copy"]);
    assert_eq!(refused(json!({"mine": {"baseUrl": "https://mine.example"}})), [""; 0]);
    assert_eq!(violations(&json!({"models": 7}), &both), ["models"]);
    let old = json!({"ui": {}, "models": {"providers": {"openai": {}, "copy": copied, "mine": {}}}});
    assert_eq!(
        without_providers(&old, &both),
        json!({"ui": {}, "models": {"providers": {"mine": {}}}})
    );
    assert_eq!(
        without_providers(&json!({"models": {"providers": {"openai": {}}}}), &both),
        json!({})
    );
    assert_eq!(
        without_providers(&json!({"models": {}, "gateway": {"port": 1}}), &both),
        json!({"models": {}, "gateway": {"port": 1}})
    );
    assert_eq!(violations(&json!({"models": 7}), &ours()), [""; 0]);
    assert_eq!(violations(&json!({"models": {"mode": "replace"}}), &both), [""; 0]);
}

#[test]
fn the_model_is_the_platforms_only_while_the_user_has_chosen_none() {
    let with = |model: &'static str| super::super::locked::defaults(Some(model));
    let placed = effective(&json!({"agents": {"list": []}}), &ours(), &with("a/one"));
    assert_eq!(placed["agents"]["defaults"]["model"]["primary"], "a/one");
    // The offer changes: what was only a default changes with it, and what was chosen stays.
    assert_eq!(
        user_part(&placed, &ours(), &with("a/one")),
        json!({"agents": {"list": []}})
    );
    let follows = effective(&without_default(&placed, Some("a/one")), &ours(), &with("b/two"));
    assert_eq!(follows["agents"]["defaults"]["model"]["primary"], "b/two");
    let chosen = json!({"agents": {"defaults": {"model": {"primary": "a/one"}}}});
    assert_eq!(without_default(&chosen, None), chosen);
    assert_eq!(without_default(&chosen, Some("b/two")), chosen);
    let stays = effective(&chosen, &ours(), &with("b/two"));
    assert_eq!(stays["agents"], chosen["agents"]);
    assert_eq!(user_part(&stays, &ours(), &defaults()), chosen);
    let none = effective(&without_default(&placed, Some("a/one")), &ours(), &defaults());
    assert_eq!(none["agents"], json!({"list": []}));
}
