//! Tests with real processes: what becomes of them when any of them ends.

mod guard;
mod support;
mod up;
