//! The sandbox's real image: built by a real Docker engine, directly and through wrangler's dry run, and booted with the real agent.
//!
//! What it needs is in the environment: `MOLT_IMAGE_DOCKER` (the client that wrangler is to use), `MOLT_IMAGE_ARGS` (build arguments, `NAME=VALUE`,
//! divided by blanks) and `DOCKER_HOST` (`scripts/lib/image.sh`).

mod boot;
mod docker;
#[path = "../deploy/program.rs"]
#[allow(dead_code, reason = "the deployment's own tests use the rest")]
mod program;

use docker::{Docker, build_arguments};
use program::Operator;
use serde_json::{Map, Value, json};

/// Both ways in which a deployment may place containers build the image.
#[test]
fn wrangler_builds_it_under_either_policy() {
    let arguments: Map<String, Value> = build_arguments()
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    for policy in ["durable_object", "default"] {
        let mut operator = Operator::new(json!({"scheduling_policy": policy, "image_build_args": arguments}));
        operator.set("WRANGLER_DOCKER_BIN", &Docker::program());
        // Where the engine has no bridge, a build still needs a network to be named.
        operator.set("WRANGLER_CI_OVERRIDE_NETWORK_MODE_HOST", "1");
        let text = operator.succeeds(&["--dry-run", "--only", "container-gateway"]);
        assert!(
            !text.contains("NOT CHECKED: the build of the sandbox's image"),
            "{text}"
        );
        assert!(text.contains("--dry-run: exiting"), "{text}");
    }
}

/// A Dockerfile that does not build is not said to do so: the dry runs above would pass without looking at it otherwise.
#[test]
fn a_build_that_fails_fails_the_dry_run() {
    let mut operator = Operator::new(
        json!({"image_build_args": {"BASE_IMAGE": "there-is-no-such-image:x", "SUPERVISOR": "scratch", "AGENT": "scratch"}}),
    );
    operator.set("WRANGLER_DOCKER_BIN", &Docker::program());
    operator.set("WRANGLER_CI_OVERRIDE_NETWORK_MODE_HOST", "1");
    let text = operator.fails(&["--dry-run", "--only", "container-gateway"]);
    assert!(text.contains("there-is-no-such-image"), "{text}");
}
