//! Answers as people read them.

use serde_json::Value;

fn text<'a>(entry: &'a Value, key: &str) -> std::borrow::Cow<'a, str> {
    match entry.get(key) {
        Some(Value::String(text)) => text.as_str().into(),
        None | Some(Value::Null) => "-".into(),
        Some(other) => other.to_string().into(),
    }
}

/// Rows under headings, columns as wide as their longest cell.
fn table(columns: &[&str], entries: &[Value]) -> String {
    let rows: Vec<Vec<_>> = entries
        .iter()
        .map(|entry| columns.iter().map(|column| text(entry, column)).collect())
        .collect();
    let mut lines = vec![String::new(); rows.len() + 1];
    for (index, column) in columns.iter().enumerate() {
        let cells: Vec<&str> = std::iter::once(*column)
            .chain(rows.iter().filter_map(|row| row.get(index).map(AsRef::as_ref)))
            .collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(cells) {
            line.push_str(&format!("{cell:<width$}  "));
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn print(columns: &[&str], entries: &[Value], json: bool) {
    if json {
        println!("{}", Value::from(entries));
    } else {
        println!("{}", table(columns, entries));
    }
}

/// `GET /health`.
pub fn health(answer: &Value, json: bool) {
    print(&["service", "status", "timestamp"], std::slice::from_ref(answer), json);
}

/// Users.
pub fn users(entries: &[Value], json: bool) {
    print(&["userId", "name", "email", "tier", "status"], entries, json);
}

/// States of sandboxes.
pub fn states(entries: &[Value], json: bool) {
    print(
        &[
            "userId",
            "name",
            "state",
            "lifecycle",
            "phase",
            "generation",
            "ageMs",
            "error",
        ],
        entries,
        json,
    );
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::json;

    #[test]
    fn columns_line_up() {
        let shown = table(&["a", "bb"], &[json!({"a": "long", "bb": 1}), json!({"a": null})]);
        assert_eq!(shown, "a     bb\nlong  1\n-     -");
    }
}
