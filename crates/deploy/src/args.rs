//! The command line. No secret is ever part of it.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::worker::Worker;

/// Brings the workers to a Cloudflare account, and back.
///
/// CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID are taken from the environment. Secrets are taken from the environment under their
/// names, from the file of the deployment, or with --secrets-stdin.
#[derive(Parser, Debug)]
#[command(name = "scripts/deploy", version)]
pub struct Args {
    /// What to do.
    #[arg(value_enum, default_value = "deploy")]
    pub action: Action,
    /// File that describes the deployment; see deploy/example.jsonc.
    #[arg(long, value_name = "FILE")]
    pub env: PathBuf,
    /// Says what would be done, and builds the workers without uploading them. Needs neither credentials nor a network.
    #[arg(long)]
    pub dry_run: bool,
    /// This worker alone.
    #[arg(long, value_name = "WORKER")]
    pub only: Option<Worker>,
    /// The same as the action `rollback`.
    #[arg(long)]
    pub rollback: bool,
    /// Replaces this secret at all workers that have it. May be repeated.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["dry_run", "rollback", "only"])]
    pub rotate: Vec<String>,
    /// Leaves the sandbox's image as it is, which needs no Docker.
    #[arg(long)]
    pub skip_image: bool,
    /// Reads secrets from standard input: JSON of the form {"NAME": "VALUE"}.
    #[arg(long)]
    pub secrets_stdin: bool,
    /// Root of the clone.
    #[arg(long, env = "MOLT_ROOT", hide = true)]
    pub root: PathBuf,
    /// Node that runs wrangler.
    #[arg(long, env = "MOLT_NODE", hide = true)]
    pub node: PathBuf,
    /// wrangler's command-line file.
    #[arg(long, env = "MOLT_WRANGLER", hide = true)]
    pub wrangler: PathBuf,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Deploys what is built.
    Deploy,
    /// Goes back to the versions before.
    Rollback,
    /// Says what is deployed.
    Status,
}
