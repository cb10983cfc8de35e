//! What differs between two values as JSON, told by the deepest paths.

use serde_json::Value;

/// What differs between two values: the path below the whole, the one before, the one after.
pub(crate) fn differences<'a>(before: &'a Value, after: &'a Value) -> Vec<(String, &'a Value, &'a Value)> {
    let mut found = Vec::new();
    compare(&mut String::new(), before, after, &mut found);
    found
}

fn compare<'a>(
    path: &mut String,
    before: &'a Value,
    after: &'a Value,
    found: &mut Vec<(String, &'a Value, &'a Value)>,
) {
    let mut below = |path: &mut String, step: &str, before: &'a Value, after: &'a Value| {
        let len = path.len();
        path.push_str(step);
        compare(path, before, after, found);
        path.truncate(len);
    };
    match (before, after) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() && a.keys().eq(b.keys()) => {
            for ((name, a), b) in a.iter().zip(b.values()) {
                below(path, &format!(".{name}"), a, b);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                below(path, &format!("[{index}]"), a, b);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push((path.clone(), a, b)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn differences_are_told_by_the_deepest_path() {
        let (a, b) = (json!({"x": [1, 2], "y": null}), json!({"x": [1, 3], "y": null}));
        let found = differences(&a, &b);
        assert_eq!(found, [(".x[1]".to_owned(), &json!(2), &json!(3))]);
        let (short, long) = (json!({"x": [1]}), json!({"x": [1, 2]}));
        assert_eq!(differences(&short, &long)[0].0, ".x");
        assert!(differences(&a, &a).is_empty());
    }
}
