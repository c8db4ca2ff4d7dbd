//! `scripts/deploy`: dry runs with the real wrangler, and whole deployments to an account that a stand-in for wrangler keeps.

mod account;
mod dry_run;
mod edge;
mod first;
mod legacy;
mod program;
mod rotation;
mod update;
