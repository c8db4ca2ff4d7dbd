//! Starts the real binary with the echo agent and looks at it from outside.

mod activity;
mod agent;
mod answers;
mod control;
mod exec_end;
mod exec_journal;
mod exec_load;
mod exec_output;
mod exec_run;
mod exec_tree;
mod lifecycle;
mod page;
mod proxy;
mod real_agent;
mod real_agent_life;
mod restart;
mod resume;
mod resume_hostile;
mod secrets;
mod sessions;
mod socket;
mod support;
mod sweep;
mod told;
mod uploads;
mod wire;
