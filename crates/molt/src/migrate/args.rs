//! Command line of `molt migrate`.

use super::error_rate::parse_rate;
use super::plan::Steps;
use clap::{Args, Subcommand};
use molt_common::flag::Flag;
use std::path::PathBuf;
use std::time::Duration;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Moves the admin API to the new worker (USE_NEW_ADMIN_API), step by step.
    AdminApi(Forward),
    /// Moves users to the container gateway (USE_NEW_CONTAINER_GATEWAY), step by step.
    ContainerGateway(Forward),
    /// Both, the admin API first.
    All(Forward),
    /// Sends everybody back to what ran before, at once, and proves that it answers. Works when the admin worker is down.
    Rollback(Back),
    /// Tells how far the migration is.
    Status(Status),
    /// Retires what ran before, once nobody needs it any more.
    Retire(Retire),
}

/// Which deployment.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// The stack of `scripts/dev` that runs on this machine, instead of a deployment
    #[arg(long)]
    pub local: bool,
    /// Ready file of that stack; without it that of the clone's own (.dev/ready.json)
    #[arg(long, value_name = "FILE", requires = "local")]
    pub ready_file: Option<PathBuf>,
    /// Where the progress is kept between runs (mode 0600, no secret in it)
    #[arg(long, value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// File that describes the deployment (docs/deploying.md): its address, its KV namespace, and what scripts/deploy is given
    #[arg(long, value_name = "FILE", env = "MOLT_DEPLOY_ENV")]
    pub env: Option<PathBuf>,
    /// Id of the deployment's KV namespace CONTROL_KV, for the override that needs no admin worker
    #[arg(long, value_name = "ID", env = "MOLT_CONTROL_KV_ID", value_parser = parse_namespace)]
    pub kv_namespace: Option<String>,
    /// Says what would be done and touches nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Tools, as scripts/lib/env.sh sets them.
    #[command(flatten)]
    pub tools: Tools,
}

/// Where the tools are.
#[derive(Clone, Debug, Default, Args)]
pub struct Tools {
    /// The clone
    #[arg(long, env = "MOLT_ROOT", hide = true)]
    pub root: Option<PathBuf>,
    /// Node that runs wrangler
    #[arg(long, env = "MOLT_NODE", hide = true)]
    pub node: Option<PathBuf>,
    /// wrangler's command-line file
    #[arg(long, env = "MOLT_WRANGLER", hide = true)]
    pub wrangler: Option<PathBuf>,
}

/// Who probes a user's path.
#[derive(Clone, Debug, Args)]
pub struct ProbeBy {
    /// File with the token of the user to probe with; without it the variable MOLT_PROBE_TOKEN, with --local a demo user
    #[arg(long, value_name = "FILE")]
    pub probe_token_file: Option<PathBuf>,
    /// Id of that user, where the token's `sub` is not it
    #[arg(long, value_name = "ID")]
    pub probe_subject: Option<String>,
    /// File with the token of a further user, who is watched on whichever path the flag has him; may be repeated
    #[arg(long, value_name = "FILE")]
    pub watch_token_file: Vec<PathBuf>,
    /// Path that users are probed with
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = parse_path)]
    pub probe_path: String,
}

/// Options of a migration.
#[derive(Clone, Debug, Args)]
pub struct Forward {
    /// Which deployment.
    #[command(flatten)]
    pub which: Which,
    /// Shares of subjects in per cent, one step after another
    #[arg(long, default_value = "5,25,50,100")]
    pub steps: Steps,
    /// Seconds for which each step is watched
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub watch: Duration,
    /// Highest share of failed requests while a step is watched
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_rate)]
    pub max_error_rate: f64,
    /// Seconds that the new path is given to answer rightly for the first time
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = parse_seconds)]
    pub probe_timeout: Duration,
    /// Who probes.
    #[command(flatten)]
    pub probe: ProbeBy,
    /// Why, for the history of the flags and the audit trail
    #[arg(long, default_value = "migration, step by step")]
    pub reason: String,
    /// Goes on with a migration that was interrupted, and does nothing when there is none
    #[arg(long)]
    pub resume: bool,
    /// Begins although a rollback killed the flag
    #[arg(long)]
    pub lift_kill: bool,
    /// When it has to be undone, users who were moved go back without what they made here
    #[arg(long)]
    pub discard_disk: bool,
    /// Undoes although nothing is bound as LEGACY, so that nobody is answered then
    #[arg(long)]
    pub allow_outage: bool,
    /// Takes the workers as they are deployed now
    #[arg(long)]
    pub skip_deploy: bool,
}

/// Options of a rollback.
#[derive(Clone, Debug, Args)]
pub struct Back {
    /// Which deployment.
    #[command(flatten)]
    pub which: Which,
    /// Flag to roll back; may be repeated. Both when absent
    #[arg(long = "flag", value_name = "NAME", value_parser = parse_flag)]
    pub flags: Vec<Flag>,
    /// Who proves it.
    #[command(flatten)]
    pub probe: ProbeBy,
    /// Why, for the history of the flags and the audit trail
    #[arg(long, default_value = "rollback")]
    pub reason: String,
    /// Users go back without what they made here; without it that is written for LEGACY first, and who cannot be written stays
    #[arg(long)]
    pub discard_disk: bool,
    /// Does it although nothing is bound as LEGACY, so that nobody is answered
    #[arg(long)]
    pub allow_outage: bool,
    /// Seconds that the flags API is given before the override in KV is written instead
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = parse_seconds)]
    pub api_timeout: Duration,
    /// Seconds until the old path must have answered
    #[arg(long, value_name = "SECONDS", default_value = "90", value_parser = parse_seconds)]
    pub proof_timeout: Duration,
}

/// Options of `status`.
#[derive(Clone, Debug, Args)]
pub struct Status {
    /// Which deployment.
    #[command(flatten)]
    pub which: Which,
}

/// Options of `retire`.
#[derive(Clone, Debug, Args)]
pub struct Retire {
    /// Which deployment.
    #[command(flatten)]
    pub which: Which,
    /// How long everybody must have been on the new path, such as 24h or 2d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    pub watch_period: Duration,
}

fn parse_seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or("must be seconds, at most a day of them")
}

fn parse_flag(text: &str) -> Result<Flag, String> {
    let names = Flag::ALL.map(Flag::name).join(" or ");
    Flag::parse(text).ok_or_else(|| format!("must be {names}"))
}

fn parse_namespace(text: &str) -> Result<String, &'static str> {
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_owned());
    }
    Err("must be the hexadecimal id of a KV namespace")
}

fn parse_path(text: &str) -> Result<String, &'static str> {
    let good = text.starts_with('/') && !text.starts_with("//") && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        Ok(text.to_owned())
    } else {
        Err("must be a path that begins with one /")
    }
}
