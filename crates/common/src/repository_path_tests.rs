use super::{Item, Kind, Operation, Place, RepositoryPath, Root, prefix};
use crate::id::{SandboxId, UserId};
use crate::repository_token::Access;
use crate::snapshot::{ObjectId, REPOSITORY_PATH};
use proptest::prelude::*;

const SANDBOX: &str = "sbx_0123456789abcdef0123456789abcdef";

fn id() -> String {
    "0123456789abcdef".repeat(4)
}

fn root(sandbox: &SandboxId, incarnation: u32) -> Root {
    Root {
        sandbox: sandbox.clone(),
        incarnation,
    }
}

fn parse(rest: &str) -> Result<RepositoryPath, crate::problem::Problem> {
    RepositoryPath::parse(&format!("{REPOSITORY_PATH}/{SANDBOX}/{rest}"))
}

fn operation(method: &str, rest: &str) -> Result<(Operation, Access), u16> {
    parse(rest)
        .unwrap()
        .operation(method, false)
        .map_err(|problem| problem.status)
}

#[test]
fn restics_names_are_read_and_stored_under_the_sandbox() {
    let config = parse("restic/config").unwrap();
    assert_eq!(config.place, Place::Item(Item::Config));
    assert_eq!(
        Item::Config.key(&root(&config.sandbox, 0)),
        format!("snapshots/{SANDBOX}/config")
    );
    for kind in Kind::ALL {
        assert_eq!(
            parse(&format!("restic/{}/", kind.word())).unwrap().place,
            Place::List(kind)
        );
        let path = parse(&format!("restic/{}/{}", kind.word(), id())).unwrap();
        let item = Item::Object(kind, ObjectId::parse(&id()).unwrap());
        assert_eq!(path.place, Place::Item(item));
        assert_eq!(
            item.key(&root(&path.sandbox, 0)),
            format!("snapshots/{SANDBOX}/{}/{}", kind.word(), id())
        );
    }
    assert_eq!(parse("restic/").unwrap().place, Place::Whole);
    assert_eq!(parse("publish").unwrap().place, Place::Publish);
}

#[test]
fn a_sandbox_reads_what_was_kept_of_its_own_user() {
    let (ada, ben) = (
        "0b0f3c1e-5a52-4c54-9d3f-6a5f0e1d2c3b",
        "1b0f3c1e-5a52-4c54-9d3f-6a5f0e1d2c3b",
    );
    let ada_id = UserId::parse(ada).unwrap();
    let sandbox = SandboxId::personal(ada_id);
    let parse = |rest: &str| RepositoryPath::parse(&format!("{REPOSITORY_PATH}/{sandbox}/{rest}"));
    let list = parse(&format!("import/{ada}/objects")).unwrap();
    assert_eq!(
        list.operation("GET", false).unwrap(),
        (Operation::ListKept(ada_id), Access::Read)
    );
    let one = parse(&format!("import/{ada}/object")).unwrap();
    assert_eq!(
        one.operation("GET", false).unwrap(),
        (Operation::ReadKept(ada_id), Access::Read)
    );
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(one.operation(method, false).unwrap_err().status, 405);
    }
    for rest in [
        format!("import/{ben}/objects"),
        format!("import/{}/objects", ada.to_uppercase()),
        format!("import/{ada}/"),
        format!("import/{ada}"),
        "import/".into(),
    ] {
        assert_eq!(parse(&rest).unwrap_err().status, 400, "{rest}");
    }
}

#[test]
fn every_other_spelling_is_refused() {
    let id = id();
    for rest in [
        String::new(),
        "restic".into(),
        "restic/data".into(),
        "restic/data/..".into(),
        "restic/../config".into(),
        "restic//config".into(),
        "restic/config/".into(),
        "restic/Config".into(),
        "restic/tmp/".into(),
        format!("restic/data/{id}/"),
        format!("restic/data/01/{id}"),
        format!("restic/data/{}", id.to_uppercase()),
        format!("restic/data/{}", &id[1..]),
        format!("restic/data/{id}0"),
        format!("restic/data/%30{}", &id[1..]),
        format!("restic/data/../../{SANDBOX}/config"),
        format!("restic/config/{id}"),
        "publish/".into(),
        "publish/x".into(),
    ] {
        let problem = parse(&rest).unwrap_err();
        assert_eq!(
            (problem.status, problem.field.as_deref()),
            (400, Some("path")),
            "{rest}"
        );
    }
    for path in [
        REPOSITORY_PATH.to_owned(),
        format!("{REPOSITORY_PATH}/"),
        format!("{REPOSITORY_PATH}/sbx_1/restic/config"),
        format!("{REPOSITORY_PATH}/../{SANDBOX}/restic/config"),
        format!("{REPOSITORY_PATH}/{}/restic/config", SANDBOX.to_uppercase()),
        "/".into(),
    ] {
        assert_eq!(RepositoryPath::parse(&path).unwrap_err().status, 400, "{path}");
    }
}

#[test]
fn what_only_adds_removes_nothing_but_locks() {
    let id = id();
    for kind in Kind::ALL {
        let path = format!("restic/{}/{id}", kind.word());
        let taken = if kind == Kind::Locks {
            Access::Append
        } else {
            Access::Full
        };
        assert_eq!(operation("DELETE", &path).unwrap().1, taken, "{path}");
        assert_eq!(operation("POST", &path).unwrap().1, Access::Append, "{path}");
        for read in ["GET", "HEAD"] {
            assert_eq!(operation(read, &path).unwrap().1, Access::Read, "{path}");
        }
        assert_eq!(
            operation("GET", &format!("restic/{}/", kind.word())).unwrap().1,
            Access::Read
        );
    }
    assert_eq!(operation("DELETE", "restic/config").unwrap().1, Access::Full);
    assert_eq!(operation("POST", "restic/config").unwrap().1, Access::Append);
    assert_eq!(
        operation("POST", "publish").unwrap(),
        (Operation::Publish, Access::Append)
    );
    let create = parse("restic/").unwrap().operation("POST", true).unwrap();
    assert_eq!(create, (Operation::Create, Access::Append));
}

#[test]
fn other_methods_are_refused() {
    for (method, rest) in [
        ("DELETE", "restic/"),
        ("GET", "restic/"),
        ("DELETE", "restic/data/"),
        ("HEAD", "restic/data/"),
        ("PUT", "restic/config"),
        ("PATCH", "restic/config"),
        ("GET", "publish"),
        ("head", "restic/config"),
    ] {
        assert_eq!(operation(method, rest), Err(405), "{method} {rest}");
    }
    assert_eq!(operation("POST", "restic/"), Err(400));
}

#[test]
fn a_repository_that_was_begun_again_shares_no_key_with_the_one_before_and_goes_with_its_user() {
    let sandbox = parse("restic/config").unwrap().sandbox;
    let items = || {
        let objects = Kind::ALL.map(|kind| Item::Object(kind, ObjectId::parse(&id()).unwrap()));
        objects.into_iter().chain([Item::Config])
    };
    assert_eq!(
        Item::Config.key(&root(&sandbox, 2)),
        format!("snapshots/{SANDBOX}/again-2/config")
    );
    for item in items() {
        let keys = [0, 1, 2].map(|incarnation| item.key(&root(&sandbox, incarnation)));
        assert!(keys.iter().all(|key| key.starts_with(&prefix(&sandbox))), "{keys:?}");
        // Nor is one of them listed as another's.
        for kind in Kind::ALL {
            let listed = |key: &String, number| key.starts_with(&root(&sandbox, number).prefix_of(kind));
            assert!(
                !listed(&keys[1], 0) && !listed(&keys[2], 1) && !listed(&keys[0], 1),
                "{keys:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_path_has_a_key_outside_its_sandbox(rest in "[a-z0-9./%_-]{0,80}") {
        if let Ok(RepositoryPath { sandbox, place: Place::Item(item) }) = parse(&rest) {
            let key = item.key(&root(&sandbox, 0));
            prop_assert!(key.starts_with(&format!("snapshots/{SANDBOX}/")) && !key.contains("..") && !key.contains("//"), "{}", key);
        }
    }
}
