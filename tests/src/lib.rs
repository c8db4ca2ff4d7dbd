//! What end-to-end tests and drills share: a stack of their own, ways to talk to it, and waiting with a deadline.
//!
//! Everything here panics with a sentence when the platform does not do what every caller may rely on; the tests themselves assert the rest.

pub mod attacks;
pub mod beside;
pub mod call;
pub mod changes;
pub mod cli;
pub mod control_kv;
pub mod corpus;
pub mod database;
pub mod drill;
pub mod engine;
pub mod exec;
pub mod flags;
pub mod flip;
pub mod hanging;
pub mod harness;
pub mod hostile_tokens;
pub mod induced_faults;
pub mod jar;
pub mod jobs;
pub mod launch;
pub mod load;
pub mod memory;
pub mod migration;
pub mod operation;
pub mod parts;
pub mod people;
pub mod processes;
pub mod provider;
pub mod provider_login;
pub mod rate;
pub mod raw;
pub mod ready;
pub mod reply;
pub mod rotation;
pub mod sandbox;
pub mod secrets;
pub mod signing_key;
pub mod socket;
pub mod stack;
pub mod tree;
pub mod truth;
pub mod wait;
pub mod watch;
pub mod written;
