use super::*;

fn field(text: &str) -> String {
    match Environment::parse(text).unwrap_err() {
        EnvironmentError::Field(field, _) => field,
        EnvironmentError::Form(form) => form,
    }
}

#[test]
fn the_least_file_has_sound_defaults() {
    let least = Environment::parse(r#"{"name": "a", "public_host": "bot.example.com"} // the least"#).unwrap();
    assert_eq!(least.worker(Worker::Admin), "moltworker-admin-api");
    assert_eq!(least.database(), "moltworker-platform");
    assert_eq!(least.kv_title("RATE_LIMIT_KV"), "moltworker-rate-limit-kv");
    assert_eq!(least.scheduling_policy, SchedulingPolicy::DurableObject);
    assert_eq!(least.url(), "https://bot.example.com");
    assert!(least.legacy.is_none());
}

#[test]
fn what_is_wrong_is_named() {
    let with = |more: &str| field(&format!(r#"{{"name": "a", "public_host": "bot.example.com", {more}}}"#));
    assert_eq!(field(r#"{"name": "A B", "public_host": "bot.example.com"}"#), "name");
    for host in [
        "https://bot.example.com",
        "bot",
        "bot.example.com/x",
        "BOT.example.com",
        "a..b",
        "",
    ] {
        assert_eq!(
            field(&format!(r#"{{"name": "a", "public_host": "{host}"}}"#)),
            "public_host",
            "{host}"
        );
    }
    assert_eq!(with(r#""zone": "example.org""#), "public_host");
    assert_eq!(with(r#""zone": "ample.com""#), "public_host");
    assert_eq!(with(r#""admin_host": "bot.example.com""#), "admin_host");
    assert_eq!(with(r#""steps": [50, 10]"#), "steps");
    assert_eq!(with(r#""steps": [0]"#), "steps");
    assert_eq!(with(r#""steps": [100]"#), "steps");
    assert_eq!(with(r#""legacy": {"worker": "moltworker-router"}"#), "legacy.worker");
    assert_eq!(
        with(r#""vars": {"router": {"LEGACY_MODE": "on"}}"#),
        "vars.router.LEGACY_MODE"
    );
    assert_eq!(
        with(r#""vars": {"router": {"DEV_IDENTITY_USERS": "[]"}}"#),
        "vars.router.DEV_IDENTITY_USERS"
    );
    assert_eq!(with(r#""verify": {"url": "http://bot.example.com"}"#), "verify.url");
    assert!(with(r#""hots": 1"#).contains("hots"));
}

#[test]
fn a_variable_that_no_worker_has_is_refused_and_the_issuer_is_demanded() {
    let known = BTreeSet::from(["JWT_ISSUER".to_owned(), "ACCESS_TEAM".to_owned()]);
    let check = |vars: &str| {
        let text = format!(r#"{{"name": "a", "public_host": "b.example.com", "vars": {{"router": {vars}}}}}"#);
        let checked = Environment::parse(&text).unwrap().check_vars(Worker::Router, &known);
        checked.map_err(|error| error.to_string())
    };
    assert!(
        check(r#"{"JWT_ISSUR": "x"}"#)
            .unwrap_err()
            .contains("vars.router.JWT_ISSUR`")
    );
    assert!(check("{}").unwrap_err().contains("vars.router.JWT_ISSUER`"));
    assert!(check(r#"{"JWT_ISSUER": ""}"#).is_err());
    check(r#"{"JWT_ISSUER": "x"}"#).unwrap();
    check(r#"{"ACCESS_TEAM": "x"}"#).unwrap();
}
