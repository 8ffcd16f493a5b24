//! Which names a template uses, for lint and documentation.

use std::collections::BTreeSet;

use super::context::NAMES;

/// What a template refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Keys of secrets, as `KEY` or `backend/KEY`.
    pub secrets: BTreeSet<String>,
    /// Environment variables.
    pub env: BTreeSet<String>,
    /// Ids of steps.
    pub steps: BTreeSet<String>,
    /// Variables, as in `vars.NAME`.
    pub vars: BTreeSet<String>,
    /// Top-level names that the template does not set itself, such as `event`.
    pub names: BTreeSet<String>,
    /// Those of `secrets`, `env`, `steps` and `vars` that are used as a whole or with a computed
    /// key, so that the sets above do not have everything.
    pub dynamic: BTreeSet<String>,
}

impl References {
    /// The names that no context has: mistakes.
    pub fn unknown_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|n| !NAMES.contains(n))
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.secrets, &other.secrets),
            (&mut self.env, &other.env),
            (&mut self.steps, &other.steps),
            (&mut self.vars, &other.vars),
            (&mut self.names, &other.names),
            (&mut self.dynamic, &other.dynamic),
        ];
        for (into, from) in pairs {
            into.extend(from.iter().cloned());
        }
    }

    /// Records a top-level name and, where there is one, the constant key after it.
    pub(super) fn add(&mut self, root: &str, key: Option<&str>) {
        self.names.insert(root.to_owned());
        let set = match root {
            "secrets" => &mut self.secrets,
            "env" => &mut self.env,
            "steps" => &mut self.steps,
            "vars" => &mut self.vars,
            _ => return,
        };
        match key {
            Some(key) => set.insert(key.to_owned()),
            None => self.dynamic.insert(root.to_owned()),
        };
    }
}
