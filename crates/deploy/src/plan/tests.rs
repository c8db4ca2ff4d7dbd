use super::*;
use crate::account::{Share, Version};
use crate::configuration::Ids;

const LEGACY: &str = r#", "legacy": {"worker": "old-one"}"#;

fn environment(more: &str) -> Environment {
    let jwks = r#""vars": {"router": {"JWKS_URL": "https://id.example.com/keys"}}"#;
    Environment::parse(&format!(
        r#"{{"name": "a", "public_host": "bot.example.com", {jwks}{more}}}"#
    ))
    .unwrap()
}

fn wanted(environment: &Environment) -> Wanted<'_> {
    Wanted {
        environment,
        releases: PerWorker::try_new(|worker| Ok::<_, ()>(format!("{worker}-2"))).unwrap(),
        migration_tags: PerWorker::try_new(|worker| Ok::<_, ()>((worker != Worker::Router).then(|| "v1".to_owned())))
            .unwrap(),
        kv: BTreeSet::from(["moltworker-control-kv".to_owned()]),
        buckets: BTreeSet::from(["moltbot-data".to_owned()]),
        known_secrets: BTreeSet::new(),
        only: None,
        skip_image: false,
    }
}

/// Everything is there, at `release`, with all secrets.
fn complete(environment: &Environment, release: &str) -> Account {
    let workers = PerWorker::try_new(|worker| {
        let needed = secret::ALL
            .iter()
            .filter(|secret| secret.workers.contains(&worker) && secret.is_needed(environment));
        let version = Version {
            id: format!("{worker}-id"),
            release: Some(format!("{worker}-{release}")),
            migration_tag: (worker != Worker::Router).then(|| "v1".to_owned()),
            secrets: needed.map(|secret| secret.name.to_owned()).collect(),
            ..Version::default()
        };
        Ok::<_, ()>(Some(live(&[(version, 100.0)])))
    });
    Account {
        ids: Ids {
            kv: BTreeMap::from([("moltworker-control-kv".to_owned(), "k".to_owned())]),
            database: Some("d".to_owned()),
        },
        buckets: BTreeSet::from(["moltbot-data".to_owned()]),
        migrations_pending: false,
        workers: workers.unwrap(),
        legacy_exists: true,
    }
}

fn live(versions: &[(Version, f64)]) -> Live {
    Live {
        shares: versions
            .iter()
            .map(|(version, percentage)| Share {
                version_id: version.id.clone(),
                percentage: *percentage,
            })
            .collect(),
        versions: versions
            .iter()
            .map(|(version, _)| (version.id.clone(), version.clone()))
            .collect(),
    }
}

fn lines(plan: &[Action]) -> Vec<String> {
    plan.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_deployment_makes_all_in_order() {
    let environment = environment("");
    let plan = make(&wanted(&environment), &Account::default()).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "create the KV namespace moltworker-control-kv",
            "create the R2 bucket moltbot-data",
            "create the D1 database moltworker-platform",
            "make and keep MOLT_IDENTITY_KEYS, MOLT_SESSION_KEYS, MOLT_REPOSITORY_KEYS, MOLT_SECRET_KEYS, MOLTBOT_GATEWAY_MASTER_TOKEN",
            "apply the migrations of moltworker-platform (they only expand)",
            "deploy container-gateway: it is not there yet (with MOLT_IDENTITY_KEYS, MOLT_REPOSITORY_KEYS, MOLT_SECRET_KEYS)",
            "deploy admin: it is not there yet (with MOLT_IDENTITY_KEYS)",
            "deploy router: it is not there yet, and takes over bot.example.com (with MOLT_IDENTITY_KEYS, MOLT_SESSION_KEYS, MOLTBOT_GATEWAY_MASTER_TOKEN)",
            "ask whether it works",
        ]
    );
}

#[test]
fn what_is_deployed_already_is_left_alone() {
    let environment = environment("");
    let plan = make(&wanted(&environment), &complete(&environment, "2")).unwrap();
    assert_eq!(
        plan,
        [
            Action::Keep(Worker::ContainerGateway),
            Action::Keep(Worker::Admin),
            Action::Keep(Worker::Router),
            Action::Verify
        ]
    );
}

#[test]
fn updates_are_gradual_and_migrations_of_the_database_come_before_them() {
    let environment = environment("");
    let mut account = complete(&environment, "1");
    account.migrations_pending = true;
    assert_eq!(
        lines(&make(&wanted(&environment), &account).unwrap()),
        [
            "apply the migrations of moltworker-platform (they only expand)",
            "deploy container-gateway by 10 %, 50 %, 100 %: its contents changed",
            "deploy admin by 10 %, 50 %, 100 %: its contents changed",
            "deploy router by 10 %, 50 %, 100 %: its contents changed",
            "ask whether it works",
        ]
    );
}

#[test]
fn a_migration_of_objects_is_deployed_at_once_and_known_to_be_final() {
    let environment = environment("");
    let mut wanted = wanted(&environment);
    *wanted.migration_tags.of_mut(Worker::Admin) = Some("v2".to_owned());
    let plan = make(&wanted, &complete(&environment, "1")).unwrap();
    let one_way: Vec<Worker> = plan
        .iter()
        .filter_map(|action| match action {
            Action::Deploy(upload) if upload.one_way => Some(upload.worker),
            _ => None,
        })
        .collect();
    assert_eq!(one_way, [Worker::Admin]);
    assert!(lines(&plan)[1].starts_with("deploy admin at once: it migrates Durable Objects"));
    assert!(matches!(&plan[0], Action::Release(upload, _) if upload.worker == Worker::ContainerGateway));
}

#[test]
fn the_gateway_is_deployed_whole_where_only_that_changes_its_image() {
    let of = |environment: &Environment, skip_image| {
        let mut wanted = wanted(environment);
        wanted.skip_image = skip_image;
        make(&wanted, &complete(environment, "1")).unwrap()
    };
    let default = environment(r#", "scheduling_policy": "default""#);
    assert!(matches!(&of(&default, false)[0], Action::Deploy(upload) if !upload.one_way && !upload.skip_image));
    let object = environment("");
    assert!(matches!(&of(&object, false)[0], Action::Release(..)));
    assert!(matches!(&of(&object, true)[0], Action::Deploy(upload) if upload.skip_image));
}

#[test]
fn an_interrupted_run_is_taken_up_where_it_stopped() {
    let environment = environment("");
    let mut account = complete(&environment, "2");
    let of = |id: &str, release: &str| Version {
        id: id.to_owned(),
        release: Some(release.to_owned()),
        secrets: account
            .workers
            .of(Worker::Router)
            .as_ref()
            .unwrap()
            .main()
            .unwrap()
            .secrets
            .clone(),
        ..Version::default()
    };
    let divided = live(&[(of("old", "router-1"), 90.0), (of("new", "router-2"), 10.0)]);
    *account.workers.of_mut(Worker::Router) = Some(divided);
    let plan = make(&wanted(&environment), &account).unwrap();
    let Action::Release(upload, gradual) = &plan[2] else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (upload.former.as_deref(), gradual.uploaded.as_deref()),
        (Some("old"), Some("new"))
    );
    assert_eq!(gradual.steps, [50]);
}

#[test]
fn legacy_has_to_exist_and_gets_its_fence() {
    let environment = environment(LEGACY);
    let mut account = complete(&environment, "2");
    account.legacy_exists = false;
    assert!(make(&wanted(&environment), &account).unwrap_err()[0].contains("old-one"));
    let first = Account {
        legacy_exists: true,
        ..Account::default()
    };
    let plan = lines(&make(&wanted(&environment), &first).unwrap());
    assert!(plan[3].contains("LEGACY_FENCE_TOKEN"), "{plan:?}");
    assert!(
        plan[5].contains("(with MOLT_IDENTITY_KEYS, MOLT_REPOSITORY_KEYS, MOLT_SECRET_KEYS, LEGACY_FENCE_TOKEN)"),
        "{plan:?}"
    );
}

#[test]
fn a_foreign_secret_has_to_be_given_and_is_asked_for_by_name() {
    let environment = Environment::parse(r#"{"name": "a", "public_host": "bot.example.com"}"#).unwrap();
    let mut wanted = wanted(&environment);
    let faults = make(&wanted, &Account::default()).unwrap_err();
    assert!(
        faults.len() == 1 && faults[0].starts_with("SUPABASE_JWT_SECRET is needed"),
        "{faults:?}"
    );
    wanted.known_secrets.insert("SUPABASE_JWT_SECRET".to_owned());
    let plan = lines(&make(&wanted, &Account::default()).unwrap());
    assert!(plan[7].contains("SUPABASE_JWT_SECRET"), "{plan:?}");
}

#[test]
fn a_secret_that_a_worker_has_is_never_written_over() {
    let environment = environment("");
    let mut wanted = wanted(&environment);
    wanted.known_secrets.insert("MOLT_IDENTITY_KEYS".to_owned());
    wanted.known_secrets.insert("MOLTBOT_GATEWAY_MASTER_TOKEN".to_owned());
    let plan = make(&wanted, &complete(&environment, "1")).unwrap();
    for action in plan {
        if let Action::Release(upload, _) = action {
            assert!(upload.secrets.is_empty(), "{upload:?}");
        }
    }
}

#[test]
fn a_shared_secret_is_not_made_anew_for_one_of_its_workers() {
    let environment = environment("");
    let mut account = complete(&environment, "2");
    *account.workers.of_mut(Worker::Router) = None;
    let faults = make(&wanted(&environment), &account).unwrap_err();
    assert!(
        faults.len() == 1 && faults[0].contains("MOLT_IDENTITY_KEYS is at some workers and not at router"),
        "{faults:?}"
    );
    let mut wanted = wanted(&environment);
    wanted.known_secrets.insert("MOLT_IDENTITY_KEYS".to_owned());
    let plan = lines(&make(&wanted, &account).unwrap());
    assert!(
        plan.contains(&"make and keep MOLT_SESSION_KEYS, MOLTBOT_GATEWAY_MASTER_TOKEN".to_owned()),
        "{plan:?}"
    );
}

#[test]
fn one_worker_alone_needs_the_others_to_be_there() {
    let environment = environment("");
    let mut wanted = wanted(&environment);
    wanted.only = Some(Worker::Admin);
    assert_eq!(make(&wanted, &Account::default()).unwrap_err().len(), 2);
    let plan = make(&wanted, &complete(&environment, "1")).unwrap();
    assert!(matches!(&plan[..], [Action::Release(upload, _), Action::Verify] if upload.worker == Worker::Admin));
}
