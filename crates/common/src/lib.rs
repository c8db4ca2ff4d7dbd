//! Types and decisions that the three workers, the supervisor and the CLI share.
//!
//! Nothing here performs I/O or reads a clock: the time is always an argument, so every decision is tested natively.
#![forbid(unsafe_code)]

pub mod access;
pub mod admin_credential;
pub mod admin_key;
pub mod admin_secret;
pub mod answer_header;
pub mod api;
pub mod audit;
pub mod audit_call;
pub mod boot;
pub mod close_code;
pub mod confirmation;
pub mod content_coding;
pub mod control;
pub mod cookie;
pub mod cors;
pub mod ended_sessions;
pub mod exec_filter;
pub mod exec_request;
pub mod flag;
pub mod hs256;
pub mod id;
pub mod identity;
pub mod job_cursor;
pub mod job_id;
pub mod job_title;
pub mod kept_output;
pub mod limit;
pub mod login;
pub mod object_call;
pub mod origin;
pub mod output;
pub mod ownership;
pub mod paging;
pub mod path;
pub mod problem;
pub mod redaction;
pub mod refresh;
pub mod renewal;
pub mod resume;
pub mod route;
pub mod sandbox_call;
pub mod sandbox_change;
pub mod scope;
pub mod seal;
pub mod signup;
pub mod time;
pub mod trust;
pub mod trust_memory;
pub mod upload;
pub mod user_token;
