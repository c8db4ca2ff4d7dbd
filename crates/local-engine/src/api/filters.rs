//! Which containers a list is about. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::container::Container;
use crate::glob;

/// Conditions on containers: of each kind at least one must hold, of labels all.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    label: Values,
    name: Values,
    id: Values,
    status: Values,
    ancestor: Values,
}

/// A list, or the older form of a map from value to true.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Map(BTreeMap<String, bool>),
}

impl Default for Values {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Values {
    fn iter(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::List(list) => Box::new(list.iter().map(String::as_str)),
            Self::Map(map) => Box::new(map.iter().filter(|(_, on)| **on).map(|(value, _)| value.as_str())),
        }
    }

    fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        let mut values = self.iter().peekable();
        values.peek().is_none() || values.any(holds)
    }
}

/// What filters look at.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Name without a slash.
    pub name: &'a str,
    /// Id.
    pub id: &'a str,
    /// Name of the status.
    pub status: &'a str,
    /// Reference of the image.
    pub image: &'a str,
}

impl<'a> Facts<'a> {
    /// Those of a container.
    pub fn of(container: &'a Container) -> Self {
        Self {
            labels: &container.labels,
            name: &container.name,
            id: &container.id,
            status: container.state().status.name(),
            image: &container.image,
        }
    }
}

impl Filters {
    /// From the parameter `filters`.
    pub fn parse(text: Option<&String>) -> Result<Self, String> {
        match text.map(|text| text.trim()) {
            None | Some("") => Ok(Self::default()),
            Some(text) => serde_json::from_str(text).map_err(|error| format!("filters: {error}")),
        }
    }

    /// Whether a status was asked for by name.
    pub fn asks_for_status(&self) -> bool {
        self.status.iter().next().is_some()
    }

    /// Whether a container is among those meant.
    pub fn select(&self, facts: &Facts<'_>) -> bool {
        let labelled = |label: &str| match label.split_once('=') {
            Some((name, value)) => facts.labels.get(name).is_some_and(|own| own == value),
            None => facts.labels.contains_key(label),
        };
        let named = |name: &str| {
            let name = name
                .trim_start_matches('^')
                .trim_end_matches('$')
                .trim_start_matches('/');
            facts.name.contains(name)
        };
        self.label.iter().all(labelled)
            && self.name.any(named)
            && self.id.any(|id| facts.id.starts_with(id))
            && self.status.any(|status| facts.status == status)
            && self.ancestor.any(|image| glob::matches(image, facts.image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(filters: &str) -> bool {
        let labels = BTreeMap::from([("dev.workerd.session".to_owned(), "s1".to_owned())]);
        let facts = Facts {
            labels: &labels,
            name: "workerd-s1-x",
            id: "abc123",
            status: "running",
            image: "cloudflare-dev/x:1",
        };
        Filters::parse(Some(&filters.to_owned())).unwrap().select(&facts)
    }

    #[test]
    fn a_session_finds_its_own_containers_and_no_others() {
        assert!(selects(r#"{"label":["dev.workerd.session=s1"]}"#));
        assert!(selects(r#"{"label":{"dev.workerd.session=s1":true}}"#));
        assert!(!selects(r#"{"label":["dev.workerd.session=s2"]}"#));
        assert!(
            !selects(r#"{"label":["dev.workerd.session=s1","other"]}"#),
            "all labels must be there"
        );
        assert!(selects(r#"{"label":["dev.workerd.session"]}"#));
    }

    #[test]
    fn kinds_of_filters_must_all_hold() {
        assert!(selects(r#"{"name":["nope","s1-x"],"status":["running","exited"]}"#));
        assert!(!selects(r#"{"name":["s1-x"],"status":["exited"]}"#));
        assert!(selects(r#"{"id":["abc"],"ancestor":["cloudflare-dev/x:1"]}"#));
        assert!(selects("") && selects("{}"));
    }

    #[test]
    fn an_unknown_filter_is_an_error_and_not_everything() {
        assert!(
            Filters::parse(Some(&r#"{"lable":["x"]}"#.to_owned()))
                .unwrap_err()
                .contains("lable")
        );
        assert!(Filters::parse(Some(&"nonsense".to_owned())).is_err());
    }
}
