//! What a tenant is called where secrets are kept outside: in folders and in Vault.

use async_trait::async_trait;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::secrets::is_valid_key;
use sea_orm::{DatabaseConnection, EntityTrait as _, QuerySelect as _};

use super::entity::tenant;

/// The folder of the default tenant.
const DEFAULT: &str = "default";

/// Knows the slugs of tenants.
#[async_trait]
pub trait TenantNames: Send + Sync + 'static {
    /// The tenant's slug; `None` where it has none, and then its id stands for it.
    ///
    /// # Errors
    /// Why it cannot be known at the moment. Nothing is read then.
    async fn slug(&self, tenant: TenantId) -> Result<Option<String>, String>;
}

/// Knows no tenant by name but the default one.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultTenantOnly;

#[async_trait]
impl TenantNames for DefaultTenantOnly {
    async fn slug(&self, _: TenantId) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// The slugs of the table `tenants`.
#[derive(Clone)]
pub struct StoredTenants {
    reader: DatabaseConnection,
}

impl StoredTenants {
    /// On a pool that reads.
    #[must_use]
    pub const fn new(reader: DatabaseConnection) -> Self {
        Self { reader }
    }
}

#[async_trait]
impl TenantNames for StoredTenants {
    async fn slug(&self, tenant: TenantId) -> Result<Option<String>, String> {
        let slug = tenant::Entity::find_by_id(tenant.0)
            .select_only()
            .column(tenant::Column::Slug)
            .into_tuple()
            .one(&self.reader);
        match tokio::time::timeout(limits::DATABASE_TIMEOUT, slug).await {
            Ok(found) => found.map_err(|error| format!("the tenant's name cannot be read: {error}")),
            Err(_) => Err("the tenant's name cannot be read: the database did not answer in time".to_owned()),
        }
    }
}

/// The one segment of a path that is the tenant's: its slug, or its id. No tenant can be named so
/// that it reads what is the default one's, or another's.
pub(super) async fn folder(names: &dyn TenantNames, tenant: TenantId) -> Result<String, String> {
    if tenant == TenantId::DEFAULT {
        return Ok(DEFAULT.to_owned());
    }
    Ok(match names.slug(tenant).await? {
        Some(slug) if is_plain(&slug) => slug,
        Some(_) | None => tenant.to_string(),
    })
}

/// Whether a slug is a segment of a path that stands for no other tenant.
fn is_plain(slug: &str) -> bool {
    is_valid_key(slug) && !slug.eq_ignore_ascii_case(DEFAULT) && slug.parse::<TenantId>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    #[async_trait]
    impl TenantNames for Named {
        async fn slug(&self, _: TenantId) -> Result<Option<String>, String> {
            Ok(Some(self.0.to_owned()))
        }
    }

    #[tokio::test]
    async fn s10_no_slug_leads_into_the_folder_of_another_tenant() {
        let tenant = TenantId::new();
        assert_eq!(folder(&Named("acme"), tenant).await.unwrap(), "acme");
        let other = TenantId::new().to_string();
        for slug in ["default", "DEFAULT", "..", ".", "", "a/b", "../acme", other.clone().leak()] {
            assert_eq!(folder(&Named(slug), tenant).await.unwrap(), tenant.to_string(), "{slug}");
        }
        assert_eq!(folder(&Named("acme"), TenantId::DEFAULT).await.unwrap(), "default");
        assert_eq!(folder(&DefaultTenantOnly, tenant).await.unwrap(), tenant.to_string());
    }
}
