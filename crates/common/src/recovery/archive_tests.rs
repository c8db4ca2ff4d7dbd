use super::super::line::Line;
use super::super::tables::{Place, find};
use super::super::{DIGEST, FOLDER, HEAD, MANIFEST};
use super::{BadArchive, Check, Head, Manifest, Member, Verified};
use crate::audit::{Author, Chain, Change, Head as ChainHead};
use crate::id::UserId;
use crate::time::Millis;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW: Millis = Millis(1_800_000_000_000);

fn user() -> UserId {
    UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap()
}

fn row(place: Place, table: &str, user: Option<UserId>, row: Value) -> String {
    let table = find(place, table).unwrap();
    let line = Line::of_row(table, user, row.as_object().unwrap().clone());
    serde_json::to_string(&line).unwrap() + "\n"
}

fn end(place: Place, user: Option<UserId>, rows: u64) -> String {
    serde_json::to_string(&Line::of_end(place, user, rows)).unwrap() + "\n"
}

fn audit(chain: Chain, place: Place, user: Option<UserId>, count: u64) -> String {
    let mut head = ChainHead::start();
    let author = Author {
        actor: "system".into(),
        request_id: "r".into(),
    };
    (0..count)
        .map(|n| {
            let change = Change {
                at: NOW,
                author: &author,
                action: "a.done",
                target: "t",
                detail: &json!({"n": n}),
            };
            let entry = head.next(chain, &change);
            head = entry.head();
            let mut fields = serde_json::to_value(&entry).unwrap();
            let fields = fields.as_object_mut().unwrap();
            let request_id = fields.remove("requestId").unwrap();
            fields.insert("request_id".into(), request_id);
            row(place, "audit", user, json!(fields))
        })
        .collect()
}

fn user_row(id: UserId) -> String {
    let columns = json!({"id": id, "name": "Ada", "email": null, "status": "active", "tier": 1, "workspace_id": "default",
        "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z"});
    row(Place::Database, "users", None, columns)
}

/// Members with lines, as they are written.
fn texts() -> Vec<(String, String)> {
    let sandbox = [
        user_row(user()),
        row(Place::Sandbox, "audited", Some(user()), json!({"user": user()})),
        audit(Chain::Sandbox(user()), Place::Sandbox, Some(user()), 2),
    ];
    // An object may go on in the next member.
    let rest = [
        end(Place::Sandbox, Some(user()), 3),
        audit(Chain::Exec(user()), Place::Exec, Some(user()), 1),
        end(Place::Exec, Some(user()), 1),
    ];
    let control = [
        row(
            Place::ControlPlane,
            "suspended",
            None,
            json!({"user": user(), "since": 1}),
        ),
        audit(Chain::ControlPlane, Place::ControlPlane, None, 3),
        end(Place::ControlPlane, None, 4),
    ];
    [
        ("users/000001", sandbox.concat()),
        ("users/000002", rest.concat()),
        ("control-plane/000003", control.concat()),
    ]
    .map(|(name, text)| (format!("{FOLDER}/{name}.jsonl"), text))
    .to_vec()
}

fn manifest(texts: &[(String, String)]) -> Manifest {
    let mut rows = BTreeMap::new();
    for line in texts.iter().flat_map(|(_, text)| text.lines()) {
        let line: Line = serde_json::from_str(line).unwrap();
        if let Some(table) = line.table {
            *rows.entry(format!("{}.{table}", line.place)).or_default() += 1;
        }
    }
    Manifest {
        head: head(1),
        members: texts
            .iter()
            .map(|(name, text)| Member::of(name, text.as_bytes()))
            .collect(),
        rows,
    }
}

fn head(format: u32) -> Head {
    Head {
        format,
        release: "r1".into(),
        exported_at: NOW,
    }
}

fn archive_of(texts: &[(String, String)], manifest: &Manifest) -> Vec<(String, Vec<u8>)> {
    let told = serde_json::to_vec(manifest).unwrap();
    let mut members = vec![(HEAD.to_owned(), serde_json::to_vec(&head(1)).unwrap())];
    members.extend(
        texts
            .iter()
            .map(|(name, text)| (name.clone(), text.clone().into_bytes())),
    );
    let digest = Manifest::digest_line(&told).into_bytes();
    members.extend([(MANIFEST.to_owned(), told), (DIGEST.to_owned(), digest)]);
    members
}

fn archive() -> Vec<(String, Vec<u8>)> {
    archive_of(&texts(), &manifest(&texts()))
}

fn walked(members: &[(String, Vec<u8>)]) -> Result<Verified, BadArchive> {
    let mut check = Check::default();
    for (name, bytes) in members {
        check.member(name, bytes)?;
    }
    check.finish()
}

#[test]
fn what_was_written_is_found_whole() {
    let verified = walked(&archive()).unwrap();
    assert_eq!((verified.users, verified.manifest.rows["sandbox.audit"]), (1, 2));
    assert_eq!(verified.id.len(), 64);
}

#[test]
fn an_archive_that_was_cut_is_refused_wherever() {
    let whole = archive();
    for length in 0..whole.len() {
        assert!(walked(&whole[..length]).is_err(), "{length} members");
    }
    for gone in 0..whole.len() {
        let mut members = whole.clone();
        let (name, _) = members.remove(gone);
        assert!(walked(&members).is_err(), "without {name}");
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_found_wherever(member in 0_usize..6, at in any::<prop::sample::Index>(), mask in 1_u8..) {
        let mut members = archive();
        let (name, bytes) = &mut members[member];
        let at = at.index(bytes.len());
        // The name of the manifest behind its digest is for people.
        prop_assume!(!(name.as_str() == DIGEST && at >= 64));
        let was = bytes[at];
        bytes[at] ^= mask;
        // The same text: blanks between values of the first member.
        prop_assume!(was != bytes[at]);
        let name = name.clone();
        prop_assert!(walked(&members).is_err(), "byte {at} of {name}");
    }

    #[test]
    fn no_bytes_make_it_fail_otherwise(members in prop::collection::vec((".{0,20}", prop::collection::vec(any::<u8>(), 0..200)), 0..4)) {
        let mut all = archive();
        all.splice(2.., members);
        prop_assert!(walked(&all).is_err());
    }
}

/// What is said of an archive whose members were changed like this, and whose manifest agrees with them.
fn said(change: impl FnOnce(&mut Vec<(String, String)>)) -> String {
    let mut texts = texts();
    change(&mut texts);
    let manifest = manifest(&texts);
    walked(&archive_of(&texts, &manifest)).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_named_with_member_and_line() {
    let stranger = UserId::parse("bee00000-0000-4000-8000-000000000002").unwrap();
    let at = |text: &str, end: &str| {
        assert!(text.starts_with(&format!("{FOLDER}/")) && text.contains(end), "{text}");
    };
    let foreign = row(Place::Sandbox, "audited", Some(stranger), json!({"user": stranger}));
    at(
        &said(|texts| texts[1].1 = texts[1].1.replacen('\n', &format!("\n{foreign}"), 1)),
        &format!("users/000002.jsonl, line 2: is of user {stranger}, whose own row does not stand before"),
    );
    at(
        &said(|texts| texts[1].1 = texts[1].1.replacen("\"end\":3", "\"end\":4", 1)),
        "users/000002.jsonl, line 1: the object has 3 rows here and 4 by its end",
    );
    at(
        &said(|texts| texts[2].1 = texts[2].1.replacen("a.done", "b.done", 1)),
        "control-plane/000003.jsonl, line 2: audit entry 1 is not as it was written",
    );
    at(
        &said(|texts| texts[0].1.push_str(&user_row(user()))),
        "users/000001.jsonl, line 5: stands among the lines of another object",
    );
    let long =
        json!({"place": "control-plane", "table": "suspended", "row": {"user": "u".repeat(700_000), "since": 1}});
    at(
        &said(|texts| texts[2].1 = format!("{long}\n{}", texts[2].1)),
        "control-plane/000003.jsonl, line 1: is longer than 700000 bytes",
    );
    at(
        &said(|texts| texts[2].1 = texts[2].1.repeat(2_000)),
        "control-plane/000003.jsonl: is longer than 800000 bytes",
    );
}

/// What is made of a manifest.
type Lie = fn(&mut Manifest);

#[test]
fn a_manifest_that_lies_is_refused() {
    let lies: [(Lie, &str); 5] = [
        (
            |it| it.members[1].sha256 = "0".repeat(64),
            "users/000002.jsonl: is not as",
        ),
        (|it| drop(it.members.pop()), "names 2 members, and there are 3"),
        (
            |it| *it.rows.entry("sandbox.audit".into()).or_default() = 9,
            "counts other rows of sandbox.audit",
        ),
        (
            |it| *it.rows.entry("sandbox.x".into()).or_default() = 1,
            "counts other rows of sandbox.x",
        ),
        (
            |it| it.head.release = "r2".into(),
            "something else than the first member",
        ),
    ];
    for (lie, said) in lies {
        let mut manifest = manifest(&texts());
        lie(&mut manifest);
        let error = walked(&archive_of(&texts(), &manifest)).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn another_format_is_named() {
    let mut members = archive();
    members[0].1 = serde_json::to_vec(&head(2)).unwrap();
    let error = walked(&members).unwrap_err().to_string();
    assert!(
        error.contains("format 2 is not the one of this version, which is 1"),
        "{error}"
    );
}
