//! What a sandbox's agent is offered: the providers for which there is a key, and the model that it uses while its user has chosen none.

use super::table::Table;
use super::{AgentProvider, Provider};
use crate::agent_config::providers::is_model;
use serde::{Deserialize, Serialize};

/// See the module. Holds nothing that opens anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Those that may be asked, in the order of the table.
    pub providers: Vec<AgentProvider>,
    /// `provider/model` of one of them; `None` leaves the agent to ask its user.
    pub default_model: Option<String>,
}

impl Offer {
    /// The offer of a table. `wanted` is the deployment's model; where its provider is not offered it is the first model that is listed.
    #[must_use]
    pub fn of(table: &Table, has_key: impl Fn(&Provider) -> bool, wanted: Option<&str>) -> Self {
        let rows = table.rows().iter().filter(|row| has_key(row));
        let providers: Vec<AgentProvider> = rows.map(Provider::for_agent).collect();
        let offered = |model: &&str| {
            let provider = model.split_once('/').map(|(provider, _)| provider);
            is_model(model) && providers.iter().any(|row| Some(row.id.as_str()) == provider)
        };
        let first = || {
            let row = providers.iter().find(|row| !row.models.is_empty())?;
            Some(format!("{}/{}", row.id, row.models.first()?.id))
        };
        Self {
            default_model: wanted.filter(offered).map(str::to_owned).or_else(first),
            providers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Offer;
    use crate::provider::table::Table;

    const ROWS: &str = r#"[
        {"id": "first", "dialect": "openai", "baseUrl": "https://first.example", "keyHeader": "bearer", "keyName": "FIRST_KEY", "paths": ["/v1/models"]},
        {"id": "second", "dialect": "openai", "baseUrl": "https://second.example", "keyHeader": "bearer", "keyName": "SECOND_KEY", "paths": ["/v1/models"],
         "models": [{"id": "vendor/m-1"}, {"id": "m-2"}]}
    ]"#;

    fn of(keys: &[&str], wanted: Option<&str>) -> Offer {
        let table = Table::read(Some(ROWS), None).unwrap();
        Offer::of(&table, |row| keys.contains(&row.key_name.as_str()), wanted)
    }

    #[test]
    fn only_what_has_a_key_is_offered() {
        assert_eq!(of(&[], Some("second/m-2")), Offer::default());
        let ids = |offer: Offer| offer.providers.into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(of(&["FIRST_KEY", "OPENAI_API_KEY"], None)), ["openai", "first"]);
    }

    #[test]
    fn the_default_is_the_deployments_else_the_first_that_is_listed() {
        let model = |keys: &[&str], wanted| of(keys, wanted).default_model;
        let both = ["FIRST_KEY", "SECOND_KEY"];
        assert_eq!(model(&both, None).as_deref(), Some("second/vendor/m-1"));
        assert_eq!(model(&both, Some("first/unlisted")).as_deref(), Some("first/unlisted"));
        for no in ["openai/gpt", "second", "second/", "nobody/m"] {
            assert_eq!(model(&both, Some(no)).as_deref(), Some("second/vendor/m-1"), "{no}");
        }
        assert_eq!(model(&["FIRST_KEY"], Some("second/m-2")), None);
    }
}
