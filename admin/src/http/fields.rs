//! What a form or an address holds: pairs, in order, each name any number of times.

use crate::error::AdminError;

/// Pairs at most: a form of ours has a few hundred.
const PAIRS: usize = 20_000;

/// Pairs of a form or an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Pairs as they are.
    #[must_use]
    pub fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// `Form` where there are too many pairs.
    pub fn parse(bytes: &[u8]) -> Result<Self, AdminError> {
        let mut pairs = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            Self::has_room(pairs.len())?;
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// Whether there may be one more than so many pairs.
    ///
    /// # Errors
    /// `Form`.
    pub(super) fn has_room(pairs: usize) -> Result<(), AdminError> {
        if pairs < PAIRS { Ok(()) } else { Err(AdminError::Form(format!("it has more than {PAIRS} fields"))) }
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, without space around it; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).map_or("", str::trim)
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a name is there at all, such as that of the button which was pressed.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// All pairs, in order.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The same without a name.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(key, _)| !names.contains(&key.as_str())).cloned().collect())
    }

    /// Only these names.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(key, _)| names.contains(&key.as_str())).cloned().collect())
    }

    /// The same with a name that has this one value.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut fields = self.without(&[name]);
        fields.0.push((name.to_owned(), value.into()));
        fields
    }

    /// As an address has them, with the `?`; empty where there are none.
    #[must_use]
    pub fn to_query(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        format!("?{}", query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_being_written_and_read() {
        let fields =
            Fields::of(vec![("q".into(), "a b&c=ä".into()), ("q".into(), "?".into()), ("x".into(), String::new())]);
        let query = fields.to_query();
        assert_eq!(Fields::parse(query.trim_start_matches('?').as_bytes()).unwrap(), fields);
        assert_eq!(Fields::default().to_query(), "");
        assert_eq!(fields.with("q", "1").pairs().len(), 2);
    }
}
