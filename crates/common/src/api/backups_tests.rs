use super::RestoreRequest;
use crate::sandbox_change::{Wanted, WantedUpkeep};
use crate::snapshot::ObjectId;
use proptest::prelude::*;
use serde_json::{Value, json};

const SNAPSHOT: ObjectId = ObjectId::new([7; 32]);

fn asked(body: Value) -> Result<Wanted, Option<String>> {
    let request: RestoreRequest = serde_json::from_value(body).unwrap();
    request.wanted(SNAPSHOT).map_err(|problem| problem.field)
}

fn path(path: &str, to: Option<&str>) -> Wanted {
    Wanted::Upkeep {
        work: WantedUpkeep::RestorePath {
            snapshot: SNAPSHOT,
            path: path.into(),
            to: to.map(Into::into),
        },
    }
}

#[test]
fn what_is_asked_is_one_of_three_things() {
    assert_eq!(asked(json!({})), Ok(Wanted::Restore { snapshot: SNAPSHOT }));
    let compare = Wanted::Upkeep {
        work: WantedUpkeep::Compare { snapshot: SNAPSHOT },
    };
    assert_eq!(asked(json!({"dryRun": true})), Ok(compare));
    assert_eq!(asked(json!({"path": "a/b c.txt"})), Ok(path("a/b c.txt", None)));
    assert_eq!(asked(json!({"path": "a/", "to": "é/b"})), Ok(path("a", Some("é/b"))));
}

#[test]
fn what_makes_no_sense_names_its_field() {
    for (body, field) in [
        (json!({"to": "a"}), "to"),
        (json!({"path": "a", "dryRun": true}), "dryRun"),
        (json!({"path": ""}), "path"),
        (json!({"path": "/"}), "path"),
        (json!({"path": "/etc/passwd"}), "path"),
        (json!({"path": "../x"}), "path"),
        (json!({"path": "a/./b"}), "path"),
        (json!({"path": "a//b"}), "path"),
        (json!({"path": "a\u{0}b"}), "path"),
        (json!({"path": "a".repeat(4_096)}), "path"),
        (json!({"path": "a", "to": "b/.."}), "to"),
    ] {
        assert_eq!(asked(body.clone()), Err(Some(field.into())), "{body}");
    }
}

proptest! {
    #[test]
    fn what_is_accepted_never_leads_out_of_the_home(given in "[a.\\\\/ \u{0}é-]{0,12}") {
        if let Ok(Wanted::Upkeep { work: WantedUpkeep::RestorePath { path, .. } }) = asked(json!({"path": given})) {
            let below = std::path::Path::new(&path);
            prop_assert!(below.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{path:?}");
            prop_assert!(!path.contains('\0') && below.is_relative());
        }
    }
}
