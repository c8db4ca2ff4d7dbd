use std::os::unix::fs::PermissionsExt;

use molt_common::agent_config::secret::KEPT;
use serde_json::json;

use super::*;

/// A home, and what is written into its document under a small platform: `gateway.port` is 5 and `d` is 1 unless it is chosen.
struct Home(tempfile::TempDir);

impl Home {
    fn with(existing: Option<&[u8]>) -> Self {
        let home = tempfile::tempdir().unwrap();
        if let Some(existing) = existing {
            fs::create_dir_all(home.path().join(STATE_FOLDER)).unwrap();
            fs::write(home.path().join(STATE_FOLDER).join(FILE), existing).unwrap();
        }
        Self(home)
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join(STATE_FOLDER)
    }

    fn write(&self, handed: Option<HandOver>, checker: &str) -> Written {
        self.write_with(None, handed, checker)
    }

    fn write_with(&self, model: Option<&str>, handed: Option<HandOver>, checker: &str) -> Written {
        write_file(&Order {
            home: self.0.path().to_owned(),
            platform: Platform {
                locked: json!({"gateway": {"port": 5}}),
                defaults: json!({"d": 1}),
                model: model.map(str::to_owned),
            },
            handed,
            check: Check::by_shell(checker),
        })
        .unwrap()
    }

    fn model(&self) -> Value {
        self.document()["agents"]["defaults"]["model"]["primary"].clone()
    }

    fn document(&self) -> Value {
        json5::from_str(&fs::read_to_string(self.folder().join(FILE)).unwrap()).unwrap()
    }
}

const TAKES_ALL: &str = r#"echo '{"valid": true}'"#;
/// Refuses what names `bogus`.
const STRICT: &str = r#"if grep -q bogus "$OPENCLAW_CONFIG_PATH"; then
    echo '{"valid": false, "issues": [{"path": "<root>", "message": "Unrecognized key: \"bogus\""}]}'; exit 1
fi; echo '{"valid": true}'"#;

fn handed(document: Value, base: Value, known: &[&Value]) -> Option<HandOver> {
    Some(HandOver {
        id: "1-1".into(),
        document,
        base,
        known: known.iter().map(|document| hash(document)).collect(),
    })
}

#[test]
fn a_missing_document_is_created_for_its_owner_only() {
    let home = Home::with(None);
    let written = home.write(None, TAKES_ALL);
    assert_eq!(
        (written.outcome, home.document()),
        (Outcome::Created, json!({"gateway": {"port": 5}, "d": 1}))
    );
    let mode = fs::metadata(home.folder().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(home.folder()).unwrap().count(), 1, "no partial file stays");
}

#[test]
fn what_a_killed_writer_left_is_gone_and_stops_nobody() {
    let home = Home::with(Some(b"{gateway: {port: 5}, d: 1}"));
    let ours = format!("{PARTIAL}{}", std::process::id());
    let others = [
        "openclaw.json.1",
        ".openclaw.json.",
        ".openclaw.json.1x",
        ".openclaw.json",
    ];
    for left in [ours.as_str(), ".openclaw.json.1"].iter().chain(&others) {
        fs::write(home.folder().join(left), "{botToken: 'lit-kQ9-0123456789'}").unwrap();
    }
    fs::create_dir(home.folder().join(".openclaw.json.7")).unwrap();
    home.write(handed(json!({"a": 2}), json!({}), &[]), TAKES_ALL);
    assert_eq!(home.document()["a"], 2);
    let mut found: Vec<_> = fs::read_dir(home.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort_unstable();
    let mut expected = [others.as_slice(), &[".openclaw.json.7", FILE]].concat();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn json5_is_read_and_the_users_keys_stay() {
    let home = Home::with(Some(b"// mine\n{a: 'b', gateway: {port: 1, x: [1,],}, d: 2}"));
    let written = home.write(None, TAKES_ALL);
    assert_eq!(
        (written.outcome, home.document()),
        (
            Outcome::Merged,
            json!({"a": "b", "gateway": {"port": 5, "x": [1]}, "d": 2})
        )
    );
}

#[test]
fn a_document_that_needs_no_change_keeps_its_comments() {
    let text = b"// mine\n{gateway: {port: 5}, d: 2}";
    let home = Home::with(Some(text));
    let user = json!({"d": 2});
    for hand in [
        None,
        handed(user.clone(), json!({}), &[]),
        handed(json!({}), json!({}), &[]),
    ] {
        assert_eq!(home.write(hand, "exit 1").outcome, Outcome::Unchanged);
        assert_eq!(fs::read(home.folder().join(FILE)).unwrap(), text);
    }
}

#[test]
fn an_unreadable_document_is_kept_under_another_name_each_time() {
    let deep = "[".repeat(100_000);
    for broken in [b"{a: ".as_slice(), b"[1]", b"\xff\xfe", b"", deep.as_bytes()] {
        let home = Home::with(Some(broken));
        let written = home.write(None, TAKES_ALL);
        assert_eq!(written.outcome, Outcome::SetAside("openclaw.json.unreadable-1".into()));
        assert_eq!(home.document()["gateway"]["port"], 5);
        assert_eq!(
            fs::read(home.folder().join("openclaw.json.unreadable-1")).unwrap(),
            broken
        );
        fs::write(home.folder().join(FILE), "again: broken").unwrap();
        let again = home.write(None, TAKES_ALL);
        assert_eq!(again.outcome, Outcome::SetAside("openclaw.json.unreadable-2".into()));
    }
}

#[test]
fn what_was_handed_over_is_on_an_empty_disk_and_over_what_was_seen() {
    let (old, new) = (json!({"a": 1, "b": 1}), json!({"a": 2}));
    let home = Home::with(None);
    home.write(handed(new.clone(), old.clone(), &[]), TAKES_ALL);
    assert_eq!(home.document(), json!({"a": 2, "gateway": {"port": 5}, "d": 1}));
    for known in [[].as_slice(), &[&json!({"a": 1, "b": 1})]] {
        let base = if known.is_empty() {
            old.clone()
        } else {
            json!({"other": 1})
        };
        let home = Home::with(Some(b"{a: 1, b: 1, meta: {at: 7}, gateway: {port: 5}, d: 1}"));
        home.write(handed(new.clone(), base, known), TAKES_ALL);
        assert_eq!(
            home.document(),
            json!({"a": 2, "meta": {"at": 7}, "gateway": {"port": 5}, "d": 1})
        );
    }
}

#[test]
fn what_nobody_has_seen_yet_is_not_lost() {
    let home = Home::with(Some(b"{a: 1, b: 1, theirs: true, gateway: {port: 5}}"));
    home.write(
        handed(json!({"a": 2}), json!({"a": 1, "b": 1}), &[&json!({})]),
        TAKES_ALL,
    );
    assert_eq!(
        home.document(),
        json!({"a": 2, "theirs": true, "gateway": {"port": 5}, "d": 1})
    );
}

#[test]
fn what_the_agents_schema_refuses_changes_nothing_and_is_said() {
    let home = Home::with(Some(b"{a: 1, gateway: {port: 5}, d: 1}"));
    let written = home.write(handed(json!({"bogus": 1}), json!({"a": 1}), &[]), STRICT);
    assert_eq!(written.refused.as_deref(), Some("<root>: Unrecognized key: \"bogus\""));
    assert_eq!(
        (written.outcome, home.document()["a"].clone()),
        (Outcome::Unchanged, json!(1))
    );
    assert_eq!(fs::read_dir(home.folder()).unwrap().count(), 1);
    // Without an answer it is not taken either.
    let written = home.write(handed(json!({"a": 2}), json!({"a": 1}), &[]), "exit 3");
    assert!(written.refused.is_some_and(|why| why.contains("could not be checked")));
    assert_eq!(home.document()["a"], 1);
    let written = home.write(handed(json!({"a": 2}), json!({"a": 1}), &[]), STRICT);
    assert_eq!((written.refused, home.document()["a"].clone()), (None, json!(2)));
}

#[test]
fn on_an_empty_disk_the_last_document_that_was_good_takes_the_place_of_a_refused_one() {
    let home = Home::with(None);
    let written = home.write(handed(json!({"bogus": 1}), json!({"a": 1}), &[]), STRICT);
    assert!(written.refused.is_some_and(|why| why.contains("bogus")));
    assert_eq!(home.document()["a"], 1);
    let home = Home::with(None);
    let written = home.write(handed(json!({"bogus": 1}), json!({"bogus": 2}), &[]), STRICT);
    assert!(written.refused.is_some());
    assert_eq!(home.document(), json!({"gateway": {"port": 5}, "d": 1}));
}

#[test]
fn secrets_stay_on_the_disk_and_missing_ones_are_named() {
    let home = Home::with(Some(
        b"{channels: {x: {botToken: 'lit-kQ9-0123456789'}}, gateway: {port: 5}, d: 1}",
    ));
    let base = json!({"channels": {"x": {"botToken": KEPT}}});
    let wanted = json!({"channels": {"x": {"botToken": KEPT, "on": true}, "y": {"botToken": KEPT}}});
    let written = home.write(handed(wanted, base, &[]), TAKES_ALL);
    assert_eq!(written.missing, ["channels.y.botToken"]);
    assert_eq!(
        home.document()["channels"],
        json!({"x": {"botToken": "lit-kQ9-0123456789", "on": true}, "y": {}})
    );
}

#[test]
fn a_default_model_follows_the_offer_and_a_chosen_one_stays() {
    let home = Home::with(None);
    for offered in ["a/one", "b/two", "b/two"] {
        home.write_with(Some(offered), None, TAKES_ALL);
        assert_eq!(home.model(), offered);
    }
    assert_eq!(default_model::read(&home.folder()), ["b/two"]);
    home.write_with(None, None, TAKES_ALL);
    assert_eq!(home.document(), json!({"gateway": {"port": 5}, "d": 1}));
    assert_eq!(fs::read_dir(home.folder()).unwrap().count(), 1, "no note stays");
    // Chosen on the disk, it is the user's, whatever is offered then.
    home.write_with(Some("a/one"), None, TAKES_ALL);
    let mut chosen = home.document();
    chosen["agents"]["defaults"]["model"]["primary"] = "mine/x".into();
    fs::write(home.folder().join(FILE), chosen.to_string()).unwrap();
    for offered in [Some("a/one"), Some("mine/x"), None, Some("b/two")] {
        home.write_with(offered, None, TAKES_ALL);
        assert_eq!(home.model(), "mine/x", "{offered:?}");
    }
}

#[test]
fn a_model_that_was_asked_for_is_chosen_even_where_it_is_the_default() {
    let choice = |model: &str| json!({"agents": {"defaults": {"model": {"primary": model}}}});
    let home = Home::with(None);
    home.write_with(Some("a/one"), None, TAKES_ALL);
    home.write_with(Some("a/one"), handed(choice("a/one"), json!({}), &[]), TAKES_ALL);
    home.write_with(Some("b/two"), None, TAKES_ALL);
    assert_eq!(home.model(), "a/one");
    // Taken back, the default counts again, and follows.
    home.write_with(Some("b/two"), handed(json!({}), choice("a/one"), &[]), TAKES_ALL);
    assert_eq!(home.model(), "b/two");
    home.write_with(Some("c/three"), None, TAKES_ALL);
    assert_eq!(home.model(), "c/three");
}

#[test]
fn a_write_that_was_cut_short_makes_no_choice_of_a_default() {
    let home = Home::with(None);
    home.write_with(Some("a/one"), None, TAKES_ALL);
    // Noted as both; the document is still the old one, or already the new one.
    for stands in ["a/one", "b/two"] {
        home.write_with(Some(stands), None, TAKES_ALL);
        default_model::write(&home.folder(), &["a/one", "b/two"]).unwrap();
        home.write_with(Some("c/three"), None, TAKES_ALL);
        assert_eq!(home.model(), "c/three", "{stands}");
    }
}
