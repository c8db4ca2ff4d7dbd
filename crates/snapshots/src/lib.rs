//! Saves a sandbox's disk into its repository and restores it, in restic's format.
//!
//! [`run`] carries an [`order::Order`] out. The root of a snapshot's tree is the home itself: `restic restore <id> --target <folder>` puts what was in the home
//! straight into that folder, and a home may lie elsewhere tomorrow.

mod abreast;
mod backend;
mod beneath;
mod clock;
mod compare;
mod databases;
mod failure;
mod findings;
mod home_staging;
mod http;
mod import;
mod kept;
mod key;
mod lay;
mod node;
pub mod order;
pub mod policy;
mod progress;
mod prune;
mod read_back;
mod reader;
mod repository;
mod restore;
mod restore_path;
mod run;
mod save;
mod seen;
mod source;
mod stored;
mod unread;
mod verify;
mod work_dir;

pub use failure::Failure;
pub use key::add_password;
pub use prune::{Removed, prune};
pub use run::run;
