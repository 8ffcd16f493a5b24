//! `[oidc.NAME]`: identity providers that people log in at.

use serde_json::Value;

use super::key::{Raw, describe, list, text};
use super::{Hidden, MASK};

/// One identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// Its issuer, exactly as it names itself.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// Our secret there, or `$secret:KEY`; none for a public client.
    pub client_secret: Hidden,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The domains of addresses that the provider may speak for; where there are any, others are
    /// refused.
    pub allowed_domains: Vec<String>,
    /// The groups of a user that is made; `viewer` where empty.
    pub default_groups: Vec<String>,
    /// Whether users are made who are not there yet.
    pub create_users: bool,
    /// The tenant of users that are made or linked by their address: its slug.
    pub tenant: String,
    /// What the button of the log-in page says; the name where empty.
    pub label: String,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: Hidden::default(),
            scopes: ["email", "profile"].map(str::to_owned).to_vec(),
            allowed_domains: Vec::new(),
            default_groups: Vec::new(),
            create_users: false,
            tenant: "default".to_owned(),
            label: String::new(),
        }
    }
}

/// Why a field is not set.
pub(super) enum Fault {
    /// There is no such field; the nearest one.
    Unknown(&'static str),
    /// What it takes, and what was given.
    Invalid(&'static str, String),
}

/// Every field, for finding what an unknown one was meant to be.
const FIELDS: [&str; 9] = [
    "issuer",
    "client_id",
    "client_secret",
    "scopes",
    "allowed_domains",
    "default_groups",
    "create_users",
    "tenant",
    "label",
];

impl OidcConfig {
    /// Sets a field.
    pub(super) fn set(&mut self, field: &str, raw: &Raw) -> Result<(), Fault> {
        const NAMES: &str = "a list of names, or names separated by commas";
        let takes = |takes: &'static str| move |got: String| Fault::Invalid(takes, got);
        match field {
            "issuer" => {
                const ISSUER: &str = "`https://…`, without a query; `http://` for a provider on the same machine";
                let issuer = text(raw).map_err(takes(ISSUER))?;
                let known = issuer.starts_with("https://") || issuer.starts_with("http://");
                if !known || issuer.contains(['?', '#', '@', ' ', '\\']) {
                    return Err(Fault::Invalid(ISSUER, describe(raw)));
                }
                self.issuer = issuer;
            }
            "client_id" => self.client_id = text(raw).map_err(takes("a text"))?,
            "client_secret" => match raw {
                Raw::Text(secret) | Raw::Typed(Value::String(secret)) => {
                    self.client_secret = Hidden::new(secret.trim().to_owned());
                }
                Raw::Typed(_) => return Err(Fault::Invalid("a text", "something that is no text".to_owned())),
            },
            "scopes" => self.scopes = list(raw).map_err(takes(NAMES))?,
            "allowed_domains" => self.allowed_domains = list(raw).map_err(takes(NAMES))?,
            "default_groups" => self.default_groups = list(raw).map_err(takes(NAMES))?,
            "create_users" => {
                self.create_users = match raw {
                    Raw::Typed(Value::Bool(flag)) => *flag,
                    Raw::Text(word) if word.trim() == "true" => true,
                    Raw::Text(word) if word.trim() == "false" => false,
                    other => return Err(Fault::Invalid("`true` or `false`", describe(other))),
                }
            }
            "tenant" => self.tenant = text(raw).map_err(takes("the slug of a tenant"))?,
            "label" => self.label = text(raw).map_err(takes("a text"))?,
            _ => {
                let nearest = FIELDS.into_iter().min_by_key(|name| strsim::damerau_levenshtein(name, field));
                return Err(Fault::Unknown(nearest.unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Its fields for people, the secret masked.
    pub(super) fn shown(&self) -> [(&'static str, String); 9] {
        let secret = match self.client_secret.value() {
            Some(secret) if secret.expose_secret().starts_with("$secret:") => secret.expose_secret().to_owned(),
            Some(_) => MASK.to_owned(),
            None => String::new(),
        };
        [
            ("issuer", self.issuer.clone()),
            ("client_id", self.client_id.clone()),
            ("client_secret", secret),
            ("scopes", self.scopes.join(",")),
            ("allowed_domains", self.allowed_domains.join(",")),
            ("default_groups", self.default_groups.join(",")),
            ("create_users", self.create_users.to_string()),
            ("tenant", self.tenant.clone()),
            ("label", self.label.clone()),
        ]
    }

    /// The field that must be there and is not.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if self.issuer.is_empty() {
            Some("issuer")
        } else if self.client_id.is_empty() {
            Some("client_id")
        } else {
            None
        }
    }
}
