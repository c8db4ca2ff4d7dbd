//! The configuration that a worker is deployed with: that of `wrangler/` with what the environment says. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use wrangler_config::WorkerConfig;

use crate::environment::{Environment, SchedulingPolicy};
use crate::worker::{Worker, text};

/// What the repository's names of workers begin with.
const REPOSITORY_PREFIX: &str = "moltworker-";
/// Flags whose variables are the last resort of a router that knows nothing better.
pub const FLAG_VARS: [&str; 2] = ["USE_NEW_ADMIN_API", "USE_NEW_CONTAINER_GATEWAY"];

/// Ids of resources, once they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Of KV namespaces, by title.
    pub kv: BTreeMap<String, String>,
    /// Of the database.
    pub database: Option<String>,
}

/// What the flags' variables are to be: what the environment says; without `LEGACY` on, since nothing else could answer; with it what is live,
/// because a deployment moves nobody; at first off.
pub fn flag_var<'a>(environment: &'a Environment, live: Option<&'a str>, name: &str) -> &'a str {
    match environment.vars.router.get(name) {
        Some(given) => given,
        None if environment.legacy.is_none() => "true",
        None => live.unwrap_or("false"),
    }
}

/// Makes the configuration of `worker`. `flags` are the values of [`FLAG_VARS`], `release` names the version in its answers.
pub fn effective(
    worker: Worker,
    repository: &WorkerConfig,
    environment: &Environment,
    ids: &Ids,
    flags: &[(&str, String)],
    release: Option<&str>,
) -> Value {
    let mut config = repository.effective(&vars(worker, environment, flags, release));
    config["name"] = Value::String(environment.worker(worker));
    for service in rows(&mut config, &["services"]) {
        rename(service.get_mut("service"), environment);
    }
    for object in rows(&mut config, &["durable_objects", "bindings"]) {
        rename(object.get_mut("script_name"), environment);
    }
    for namespace in rows(&mut config, &["kv_namespaces"]) {
        let title = environment.kv_title(text(namespace, &["binding"]).unwrap_or_default());
        if let Some(id) = ids.kv.get(&title) {
            namespace["id"] = Value::String(id.clone());
        }
    }
    for database in rows(&mut config, &["d1_databases"]) {
        database["database_name"] = Value::String(environment.database());
        if let Some(id) = &ids.database {
            database["database_id"] = Value::String(id.clone());
        }
    }
    if let Some(name) = &environment.resources.bucket {
        for bucket in rows(&mut config, &["r2_buckets"]) {
            bucket["bucket_name"] = Value::String(name.clone());
        }
    }
    if !environment.image_build_args.is_empty() {
        for container in rows(&mut config, &["containers"]) {
            for image in container
                .get_mut("images")
                .and_then(Value::as_object_mut)
                .into_iter()
                .flatten()
            {
                image.1["build_vars"] = json!(environment.image_build_args);
            }
        }
    }
    if environment.scheduling_policy == SchedulingPolicy::Default {
        for container in rows(&mut config, &["containers"]) {
            one_for_all(container, environment);
        }
    }
    if let Some(legacy) = &environment.legacy
        && worker != Worker::Admin
        && let Some(fields) = config.as_object_mut()
        && let Some(services) = fields.entry("services").or_insert_with(|| json!([])).as_array_mut()
    {
        services.push(json!({"binding": "LEGACY", "service": legacy.worker}));
    }
    if worker == Worker::Router {
        config["routes"] = routes(environment);
    }
    config
}

/// Names of the variables that the repository's configuration has; those with a value are its defaults.
pub fn known_vars(repository: &WorkerConfig) -> BTreeSet<String> {
    let config = repository.effective(&[]);
    let vars = config.get("vars").and_then(Value::as_object);
    vars.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Titles of the KV namespaces of a configuration.
pub fn kv_titles(config: &Value, environment: &Environment) -> BTreeSet<String> {
    let namespaces = config.get("kv_namespaces").and_then(Value::as_array);
    let bindings = namespaces
        .into_iter()
        .flatten()
        .filter_map(|row| text(row, &["binding"]));
    bindings.map(|binding| environment.kv_title(binding)).collect()
}

/// Names of the R2 buckets of a configuration.
pub fn buckets(config: &Value) -> BTreeSet<String> {
    let buckets = config.get("r2_buckets").and_then(Value::as_array);
    let names = buckets
        .into_iter()
        .flatten()
        .filter_map(|row| text(row, &["bucket_name"]));
    names.map(str::to_owned).collect()
}

/// Tag of the newest migration of the Durable Objects of a configuration.
pub fn migration_tag(config: &Value) -> Option<&str> {
    text(config.get("migrations")?.as_array()?.last()?, &["tag"])
}

fn vars(
    worker: Worker,
    environment: &Environment,
    flags: &[(&str, String)],
    release: Option<&str>,
) -> Vec<(String, Value)> {
    let mode = if environment.legacy.is_some() { "on" } else { "off" };
    let mut vars = vec![("LEGACY_MODE", mode.to_owned())];
    if worker != Worker::Admin {
        vars.push(("PUBLIC_ORIGINS", format!("https://{}", environment.public_host)));
    }
    if worker == Worker::Router {
        vars.extend(flags.iter().cloned());
    }
    if let Some(release) = release {
        vars.push(("MOLT_RELEASE", release.to_owned()));
    }
    let given = environment.vars.of(worker).iter();
    vars.into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .chain(given.map(|(name, value)| (name.clone(), Value::String(value.clone()))))
        .collect()
}

/// The same container for the policy under which a start chooses neither image nor size.
fn one_for_all(container: &mut Value, environment: &Environment) {
    let image = container.get("images").and_then(|images| images.get("stable")).cloned();
    let Some(fields) = container.as_object_mut() else {
        return;
    };
    fields.remove("scheduling_policy");
    fields.remove("images");
    if let Some(image) = image {
        if let Some(dockerfile) = image.get("dockerfile") {
            fields.insert("image".to_owned(), dockerfile.clone());
        }
        if let Some(context) = image.get("build_context") {
            fields.insert("image_build_context".to_owned(), context.clone());
        }
        if let Some(arguments) = image.get("build_vars") {
            fields.insert("image_vars".to_owned(), arguments.clone());
        }
    }
    fields.insert("max_instances".to_owned(), json!(environment.containers.max_instances));
    fields.insert("instance_type".to_owned(), json!(environment.containers.instance_type));
}

fn routes(environment: &Environment) -> Value {
    let route = |host: &str| match &environment.zone {
        Some(zone) => json!({"pattern": format!("{host}/*"), "zone_name": zone}),
        None => json!({"pattern": host, "custom_domain": true}),
    };
    environment.hosts().into_iter().map(route).collect()
}

fn rename(name: Option<&mut Value>, environment: &Environment) {
    if let Some(name) = name
        && let Some(rest) = name.as_str().and_then(|name| name.strip_prefix(REPOSITORY_PREFIX))
    {
        *name = Value::String(format!("{}-{rest}", environment.prefix));
    }
}

fn rows<'a>(config: &'a mut Value, path: &[&str]) -> impl Iterator<Item = &'a mut Value> {
    let list = path.iter().try_fold(config, |value, key| value.get_mut(*key));
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn environment(more: &str) -> Environment {
        Environment::parse(&format!(
            r#"{{"name": "a", "prefix": "acme", "public_host": "bot.example.com"{more}}}"#
        ))
        .unwrap()
    }

    fn of(worker: Worker, more: &str, ids: &Ids) -> Value {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let file = root.join(format!("wrangler/{worker}.jsonc"));
        let repository =
            WorkerConfig::parse(&std::fs::read_to_string(file).unwrap(), Path::new("/repo/wrangler")).unwrap();
        effective(
            worker,
            &repository,
            &environment(more),
            ids,
            &[("USE_NEW_ADMIN_API", "false".to_owned())],
            Some("r1"),
        )
    }

    #[test]
    fn workers_find_each_other_under_their_deployed_names() {
        let router = of(Worker::Router, "", &Ids::default());
        assert_eq!(router["name"], "acme-router");
        assert_eq!(
            router["services"],
            json!([
                {"binding": "ADMIN_API", "service": "acme-admin-api"},
                {"binding": "CONTAINER_GATEWAY", "service": "acme-container-gateway"},
            ])
        );
        let admin = of(Worker::Admin, "", &Ids::default());
        let sandbox = admin["durable_objects"]["bindings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == "Sandbox");
        assert_eq!(sandbox.unwrap()["script_name"], "acme-container-gateway");
        assert_eq!(admin["name"], "acme-admin-api", "as the router's binding says");
    }

    #[test]
    fn all_workers_run_under_one_date_and_have_timers_that_are_numbers() {
        for worker in Worker::ALL {
            let config = of(worker, "", &Ids::default());
            let router = of(Worker::Router, "", &Ids::default());
            assert_eq!(config["compatibility_date"], router["compatibility_date"], "{worker}");
            let mut flags = vec!["no_nodejs_global_timers"];
            if worker == Worker::ContainerGateway {
                // Without it nobody tells that who asked a provider has gone.
                flags.push("enable_request_signal");
            }
            assert_eq!(config["compatibility_flags"], json!(flags), "{worker}");
        }
    }

    #[test]
    fn legacy_is_bound_only_when_there_is_one() {
        let legacy = r#", "legacy": {"worker": "old-one"}"#;
        let bound = |worker, more| {
            let config = of(worker, more, &Ids::default());
            let services = config
                .get("services")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let found = services
                .iter()
                .find(|row| row["binding"] == "LEGACY")
                .map(|row| row["service"].clone());
            (found, config["vars"]["LEGACY_MODE"].clone())
        };
        for worker in Worker::ALL {
            assert_eq!(bound(worker, ""), (None, json!("off")), "{worker}");
        }
        assert_eq!(bound(Worker::Router, legacy), (Some(json!("old-one")), json!("on")));
        assert_eq!(
            bound(Worker::ContainerGateway, legacy),
            (Some(json!("old-one")), json!("on"))
        );
        assert_eq!(bound(Worker::Admin, legacy), (None, json!("on")));
    }

    #[test]
    fn resources_are_bound_by_their_ids() {
        let ids = Ids {
            kv: BTreeMap::from([("acme-control-kv".to_owned(), "k".to_owned())]),
            database: Some("d".to_owned()),
        };
        let admin = of(Worker::Admin, r#", "resources": {"bucket": "data"}"#, &ids);
        assert_eq!(admin["kv_namespaces"][0]["id"], "k");
        assert_eq!(admin["d1_databases"][0]["database_id"], "d");
        assert_eq!(admin["d1_databases"][0]["database_name"], "acme-platform");
        assert_eq!(admin["r2_buckets"][0]["bucket_name"], "data");
        assert_eq!(admin["d1_databases"][0]["migrations_dir"], "/repo/wrangler/migrations");
    }

    #[test]
    fn either_scheduling_policy_has_its_container() {
        let object = of(Worker::ContainerGateway, "", &Ids::default());
        assert_eq!(object["containers"][0]["scheduling_policy"], "durable_object");
        let default = of(
            Worker::ContainerGateway,
            r#", "scheduling_policy": "default", "containers": {"max_instances": 7}"#,
            &Ids::default(),
        );
        assert_eq!(
            default["containers"],
            json!([{"class_name": "Sandbox", "image": "/repo/images/sandbox/Dockerfile", "image_build_context": "/repo",
                "max_instances": 7, "instance_type": "standard-1"}])
        );
    }

    #[test]
    fn the_image_is_built_with_the_operators_arguments() {
        let arguments = r#", "image_build_args": {"BASE_IMAGE": "mirror/debian"}"#;
        let object = of(Worker::ContainerGateway, arguments, &Ids::default());
        let vars = json!({"BASE_IMAGE": "mirror/debian"});
        assert_eq!(object["containers"][0]["images"]["stable"]["build_vars"], vars);
        let default = format!(r#"{arguments}, "scheduling_policy": "default""#);
        let default = of(Worker::ContainerGateway, &default, &Ids::default());
        assert_eq!(default["containers"][0]["image_vars"], vars);
    }

    #[test]
    fn hosts_become_routes_of_the_router_alone() {
        assert_eq!(
            of(Worker::Router, "", &Ids::default())["routes"],
            json!([{"pattern": "bot.example.com", "custom_domain": true}])
        );
        let zone = of(
            Worker::Router,
            r#", "zone": "example.com", "admin_host": "ops.example.com""#,
            &Ids::default(),
        );
        assert_eq!(
            zone["routes"],
            json!([{"pattern": "bot.example.com/*", "zone_name": "example.com"}, {"pattern": "ops.example.com/*", "zone_name": "example.com"}])
        );
        assert!(of(Worker::Admin, "", &Ids::default()).get("routes").is_none());
    }

    #[test]
    fn variables_of_the_environment_come_last() {
        let router = of(
            Worker::Router,
            r#", "vars": {"router": {"PUBLIC_ORIGINS": "https://x.example"}}"#,
            &Ids::default(),
        );
        assert_eq!(router["vars"]["PUBLIC_ORIGINS"], "https://x.example");
        assert_eq!(router["vars"]["USE_NEW_ADMIN_API"], "false");
        assert_eq!(router["vars"]["MOLT_RELEASE"], "r1");
        assert_eq!(
            of(Worker::ContainerGateway, "", &Ids::default())["vars"]["PUBLIC_ORIGINS"],
            "https://bot.example.com"
        );
        assert!(
            of(Worker::Admin, "", &Ids::default())["vars"]
                .get("USE_NEW_ADMIN_API")
                .is_none()
        );
    }

    #[test]
    fn flags_start_on_alone_off_beside_legacy_and_then_stay() {
        let alone = environment("");
        let beside = environment(r#", "legacy": {"worker": "old-one"}"#);
        let said =
            environment(r#", "legacy": {"worker": "old-one"}, "vars": {"router": {"USE_NEW_ADMIN_API": "true"}}"#);
        let of = |environment, live| flag_var(environment, live, "USE_NEW_ADMIN_API").to_owned();
        assert_eq!(of(&alone, None), "true");
        assert_eq!(of(&beside, None), "false");
        assert_eq!(of(&beside, Some("true")), "true", "turning LEGACY on moves nobody back");
        assert_eq!(of(&alone, Some("false")), "true", "nothing else could answer");
        assert_eq!(of(&said, Some("false")), "true");
    }
}
