//! The small part of Go's templates in which wrangler asks for fields. Pure.

use serde_json::Value;

/// Fills `template` from `value`: text, `{{.A.B}}`, `{{json .A.B}}` and `{{len .A.B}}`. `json` alone stands for all of it.
pub fn fill(template: &str, value: &Value) -> Result<String, String> {
    if template == "json" {
        return Ok(value.to_string());
    }
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, tail)) = rest.split_once("{{") {
        let (action, after) = tail.split_once("}}").ok_or("the template has a {{ without }}")?;
        out.push_str(text);
        out.push_str(&evaluate(action.trim(), value)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn evaluate(action: &str, value: &Value) -> Result<String, String> {
    let words: Vec<&str> = action.split_whitespace().collect();
    match words.as_slice() {
        [path] => Ok(plain(field(value, path)?)),
        ["json", path] => Ok(field(value, path)?.to_string()),
        ["len", path] => match field(value, path)? {
            Value::Array(list) => Ok(list.len().to_string()),
            Value::Object(map) => Ok(map.len().to_string()),
            Value::String(text) => Ok(text.len().to_string()),
            Value::Null => Ok("0".to_owned()),
            _ => Err(format!("{path} has no length")),
        },
        _ => Err(format!("this engine does not know the template {{{{{action}}}}}")),
    }
}

fn field<'a>(value: &'a Value, path: &str) -> Result<&'a Value, String> {
    let names = path.strip_prefix('.').ok_or_else(|| format!("{path} is no field"))?;
    names
        .split('.')
        .filter(|name| !name.is_empty())
        .try_fold(value, |value, name| {
            value.get(name).ok_or_else(|| format!("there is no field {path}"))
        })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::fill;

    #[test]
    fn the_formats_that_wrangler_uses() {
        let image = json!({"Size": 5, "Os": "linux", "Architecture": "amd64", "RootFS": {"Layers": []},
            "RepoDigests": ["a@b"], "Config": {"ExposedPorts": {"8080/tcp": {}}}, "SecurityOptions": []});
        for (template, expected) in [
            ("{{ .Size }} {{ len .RootFS.Layers }}", "5 0"),
            ("{{ json .RepoDigests }}", r#"["a@b"]"#),
            ("{{ .Os }}/{{ .Architecture }}", "linux/amd64"),
            ("{{ len .Config.ExposedPorts }}", "1"),
            ("{{json .SecurityOptions}}", "[]"),
        ] {
            assert_eq!(fill(template, &image).unwrap(), expected, "{template}");
        }
        assert_eq!(fill("json", &json!({"a": 1})).unwrap(), r#"{"a":1}"#);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let value = json!({"A": 1});
        for template in ["{{.B}}", "{{ range .A }}x{{ end }}", "{{.A", "{{A}}", "{{len .A}}"] {
            assert!(fill(template, &value).is_err(), "{template}");
        }
    }
}
