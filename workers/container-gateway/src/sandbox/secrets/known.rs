//! Names of the providers' keys, as this deployment's table has them.

use crate::sandbox_do::Sandbox;
use molt_common::problem::Problem;
use molt_platform::{log, providers};
use serde_json::json;

/// The names, perhaps with repetitions.
///
/// # Errors
/// 503 when the deployment's table of providers is wrong: then nobody can say what a name is for.
pub fn key_names(object: &Sandbox) -> Result<Vec<String>, Problem> {
    let table = providers::table(&object.env).map_err(|error| {
        log::error("providers_unreadable", json!({"error": error.to_string()}));
        let text = "The deployment's table of providers is wrong, so it is not known which keys there are.";
        Problem::new(503, "providers_unreadable", text)
    })?;
    Ok(table.rows().iter().map(|row| row.key_name.clone()).collect())
}
