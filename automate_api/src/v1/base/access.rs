//! Who may use an operation.

/// Who may use an operation: everybody, whoever is known, or whoever has a scope and a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The scope that a token must have: `workflows:read`. People with a session have all scopes.
    pub scope: Option<String>,
    /// The permission that the caller must have: `workflow.publish`.
    pub permission: Option<String>,
    /// Whether nobody is asked who they are.
    pub public: bool,
    /// Whether only superusers may.
    pub superuser: bool,
    /// Whether it was said at all.
    declared: bool,
}

impl Access {
    /// Nobody; what an operation begins with.
    #[must_use]
    pub fn nobody() -> Self {
        Self { scope: None, permission: None, public: false, superuser: false, declared: false }
    }

    /// Everybody, unasked.
    #[must_use]
    pub fn public() -> Self {
        Self { public: true, declared: true, ..Self::nobody() }
    }

    /// Whoever is known.
    #[must_use]
    pub fn authenticated() -> Self {
        Self { declared: true, ..Self::nobody() }
    }

    /// Whoever has a scope and a permission.
    #[must_use]
    pub fn new(scope: impl Into<String>, permission: impl Into<String>) -> Self {
        Self { scope: Some(scope.into()), permission: Some(permission.into()), ..Self::authenticated() }
    }

    /// Whoever has a scope.
    #[must_use]
    pub fn scope(scope: impl Into<String>) -> Self {
        Self { scope: Some(scope.into()), ..Self::authenticated() }
    }

    /// Superusers, with a scope where they use a token.
    #[must_use]
    pub fn superuser(scope: impl Into<String>) -> Self {
        Self { scope: Some(scope.into()), superuser: true, ..Self::authenticated() }
    }

    /// Whether it was said who may; what was not said is refused.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.declared
    }
}
