//! The fields of a connection as somebody gives them: checked against what the connector takes, and
//! with secrets in their own place.

use std::collections::BTreeMap;

use automate_connectors::base::ConnectionSpec;
use automate_core::limits;
use automate_core::secrets::{SecretRef, SecretValue, is_valid_key};
use automate_store::resource::FieldProblem;

/// What a field begins with that names a secret.
const REFERENCE: &str = "$secret:";

/// Fields that can be stored.
#[derive(Clone)]
pub struct CheckedFields {
    /// The fields; secret ones hold references.
    pub fields: BTreeMap<String, String>,
    /// The secrets to store before, by key: those that were given as they are.
    pub secrets: BTreeMap<String, SecretValue>,
}

impl std::fmt::Debug for CheckedFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckedFields").field("fields", &self.fields).finish_non_exhaustive()
    }
}

/// The key of the secret that holds a field which was given as it is.
#[must_use]
pub fn secret_key(connection: &str, field: &str) -> String {
    format!("connection.{connection}.{field}")
}

/// The keys of secrets among stored fields that were made for the connection itself.
pub fn own_secrets<'f>(connection: &str, fields: impl Iterator<Item = (&'f str, &'f str)>) -> Vec<String> {
    let own = |(field, value): (&str, &str)| {
        let key = secret_key(connection, field);
        (value.strip_prefix(REFERENCE) == Some(key.as_str())).then_some(key)
    };
    fields.filter_map(own).collect()
}

/// Checks the name of a connection: 1 to 64 letters, digits, `_` and `-`.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), FieldProblem> {
    let fits = (1..=limits::CONNECTION_NAME_CHARS).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if fits {
        return Ok(());
    }
    let most = limits::CONNECTION_NAME_CHARS;
    Err(FieldProblem::new("name", "INVALID_NAME", format!("must be 1 to {most} letters, digits, `_` and `-`")))
}

/// Checks fields against what a connector takes. A secret field may name a secret (`$secret:KEY`), or
/// have the value itself: that becomes a secret of the connection's own. No message repeats a value.
///
/// # Errors
/// Every fault.
pub fn check_fields(
    spec: &ConnectionSpec,
    connection: &str,
    given: &BTreeMap<String, String>,
) -> Result<CheckedFields, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut checked = CheckedFields { fields: BTreeMap::new(), secrets: BTreeMap::new() };
    for (name, value) in given {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let path = format!("fields/{}", shown.replace('~', "~0").replace('/', "~1"));
        let Some(field) = spec.fields.iter().find(|field| field.name == name) else {
            let known: Vec<&str> = spec.fields.iter().map(|field| field.name).collect();
            let message = format!("there is no such field; there are {}", known.join(", "));
            problems.push(FieldProblem::new(path, "UNKNOWN_CONNECTION_FIELD", message));
            continue;
        };
        let most = if field.secret { limits::SECRET_BYTES } else { limits::FIELD_CHARS };
        if value.len() > most {
            problems.push(FieldProblem::new(path, "TOO_LONG", format!("must be at most {most} bytes")));
            continue;
        }
        if value.contains('\0') {
            problems.push(FieldProblem::new(path, "CONTROL_CHARACTER", "has the character U+0000 in it"));
            continue;
        }
        let stored = match value.strip_prefix(REFERENCE) {
            Some(reference) if SecretRef::read(reference).is_some() => value.clone(),
            Some(_) => {
                let message = "begins with `$secret:` and names no secret: it is `$secret:KEY`, `$secret:backend/KEY`, \
                               either with `?version=N`";
                problems.push(FieldProblem::new(path, "INVALID_REFERENCE", message));
                continue;
            }
            None if field.secret && !value.is_empty() => {
                let key = secret_key(connection, name);
                if !is_valid_key(&key) {
                    let message = "is too long a name for a secret of its own; store one and name it here";
                    problems.push(FieldProblem::new(path, "INVALID_REFERENCE", message));
                    continue;
                }
                let reference = format!("{REFERENCE}{key}");
                checked.secrets.insert(key, SecretValue::new(value.clone()));
                reference
            }
            None => value.clone(),
        };
        checked.fields.insert(name.clone(), stored);
    }
    for field in spec.fields.iter().filter(|field| field.required) {
        if given.get(field.name).is_none_or(String::is_empty) {
            problems.push(FieldProblem::new(format!("fields/{}", field.name), "REQUIRED", "is needed"));
        }
    }
    problems.truncate(limits::FIELD_PROBLEMS);
    if problems.is_empty() { Ok(checked) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use automate_connectors::base::ConnectionField;

    use super::*;

    fn check(given: &[(&str, &str)]) -> Result<CheckedFields, Vec<&'static str>> {
        let spec = ConnectionSpec::new([
            ConnectionField::secret("token", "Token").required(),
            ConnectionField::plain("team", "Team"),
        ]);
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check_fields(&spec, "crm", &given).map_err(|problems| problems.iter().map(|p| p.code).collect())
    }

    #[test]
    fn a_plain_value_of_a_secret_field_becomes_a_secret_of_the_connections_own() {
        let checked = check(&[("token", "xoxb-value"), ("team", "blue")]).unwrap();
        assert_eq!(checked.fields["token"], "$secret:connection.crm.token");
        assert_eq!(checked.fields["team"], "blue");
        assert_eq!(checked.secrets["connection.crm.token"].expose_secret(), "xoxb-value");
        assert!(!format!("{checked:?}").contains("xoxb-value"));
        let fields = checked.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(own_secrets("crm", fields), ["connection.crm.token"]);
    }

    #[test]
    fn a_reference_stays_and_is_nobodys_own() {
        let checked = check(&[("token", "$secret:vault/SLACK?version=2")]).unwrap();
        assert!(checked.secrets.is_empty());
        let fields = checked.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(own_secrets("crm", fields), Vec::<String>::new());
    }

    #[test]
    fn unknown_missing_and_malformed_fields_are_all_told() {
        assert_eq!(check(&[]).unwrap_err(), ["REQUIRED"]);
        assert_eq!(check(&[("token", "")]).unwrap_err(), ["REQUIRED"]);
        assert_eq!(check(&[("Token", "x")]).unwrap_err(), ["UNKNOWN_CONNECTION_FIELD", "REQUIRED"]);
        assert_eq!(check(&[("token", "$secret:a b")]).unwrap_err(), ["INVALID_REFERENCE"]);
        assert_eq!(check(&[("token", "x"), ("team", "a\0")]).unwrap_err(), ["CONTROL_CHARACTER"]);
        assert_eq!(check(&[("token", "x"), ("team", &"a".repeat(5_000))]).unwrap_err(), ["TOO_LONG"]);
    }

    #[test]
    fn names_can_stand_in_the_keys_of_secrets() {
        assert!(check_name("crm-2_eu").is_ok());
        for bad in ["", "a.b", "a b", "é", "a/b", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
