//! Logging: JSON lines on standard error, level from `RUST_LOG` (default `info`).

use tracing_subscriber::EnvFilter;

/// Installs the subscriber of this process. Called once, first thing.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .finish();
    // Fails only when a subscriber is installed already, which nothing else in this program does.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
