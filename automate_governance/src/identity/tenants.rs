//! Tenants: making, suspending and resuming them. Superusers only.

use automate_core::ids::{TenantId, new_v7};
use automate_store::error::store_error;
use automate_store::resource::Writer;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QuerySelect as _, Set,
};
use serde_json::json;

use super::entity::tenant;
use super::grants::ACTIVE;
use super::{Identity, IdentityError, check_name};

/// The word for a tenant that is locked out.
const SUSPENDED: &str = "suspended";
/// Characters of a slug.
pub(crate) const SLUG_CHARS: usize = 50;
/// Slugs that would read like something else in an address.
const RESERVED: &[&str] = &["admin", "api", "ext", "healthz", "hooks", "mcp", "metrics", "readyz", "static"];

/// What a new tenant is to be.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its name in addresses, which never changes: see [`check_slug`].
    pub slug: String,
    /// Its name for people.
    pub name: String,
}

/// Checks a tenant's name in addresses: 1 to 50 small letters, digits and `-`, beginning with a
/// letter, not ending in `-`.
///
/// # Errors
/// [`IdentityError::Invalid`] on the field `slug`.
pub fn check_slug(slug: &str) -> Result<(), IdentityError> {
    let well_formed = slug.len() <= SLUG_CHARS
        && slug.starts_with(|c: char| c.is_ascii_lowercase())
        && !slug.ends_with('-')
        && !slug.contains("--")
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !well_formed {
        let message = "`slug` must be 1 to 50 small letters, digits and single `-`, beginning with a letter";
        return Err(IdentityError::field("slug", "INVALID_SLUG", message));
    }
    if RESERVED.contains(&slug) {
        return Err(IdentityError::field("slug", "RESERVED", format!("`{slug}` is reserved")));
    }
    Ok(())
}

impl Identity {
    /// Makes a tenant with the default groups.
    ///
    /// # Errors
    /// [`IdentityError::Forbidden`] to all but superusers; what is wrong with the slug.
    pub async fn create_tenant(&self, writer: Writer, new: NewTenant) -> Result<tenant::Model, IdentityError> {
        self.write(move |this, txn| async move {
            let made = this.create_tenant_in(&txn, &writer, new).await?;
            Ok((txn, made))
        })
        .await
    }

    /// The same within a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::create_tenant`].
    pub async fn create_tenant_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        new: NewTenant,
    ) -> Result<tenant::Model, IdentityError> {
        check_superuser(writer)?;
        check_slug(&new.slug)?;
        let taken = tenant::Entity::find().filter(tenant::Column::Slug.eq(&new.slug));
        if taken.one(txn).await.map_err(store_error)?.is_some() {
            return Err(IdentityError::Conflict(format!("there is a tenant `{}` already", new.slug)));
        }
        let row = tenant::Model {
            id: new_v7(),
            name: check_name("name", &new.name, true)?,
            slug: new.slug,
            created_at: self.now(),
            status: ACTIVE.to_owned(),
            row_version: 1,
        };
        tenant::Entity::insert(row.clone().into_active_model()).exec(txn).await.map_err(store_error)?;
        self.default_groups_in(txn, TenantId(row.id)).await?;
        let facts = json!({ "slug": row.slug, "name": row.name });
        self.audit(txn, writer, TenantId(row.id), "tenant.create", "tenant", row.id, facts).await?;
        Ok(row)
    }

    /// Suspends a tenant, or lets it go on. While it is suspended nobody of it logs in, and its
    /// sessions and tokens are worth nothing, on all nodes within five seconds; they work again when
    /// it goes on. `false` where it was so already.
    ///
    /// # Errors
    /// [`IdentityError::Forbidden`] to all but superusers, [`IdentityError::Conflict`] for the default
    /// tenant, which is everybody's way back in.
    pub async fn suspend_tenant(&self, writer: Writer, id: TenantId, suspended: bool) -> Result<bool, IdentityError> {
        self.write(move |this, txn| async move {
            check_superuser(&writer)?;
            if id == TenantId::DEFAULT && suspended {
                return Err(IdentityError::Conflict("the default tenant cannot be suspended".to_owned()));
            }
            let row = tenant::Entity::find_by_id(id.0).lock_exclusive().one(&txn).await.map_err(store_error)?;
            let row = row.ok_or(IdentityError::NotFound("tenant"))?;
            let status = if suspended { SUSPENDED } else { ACTIVE };
            if row.status == status {
                return Ok((txn, false));
            }
            let (from, version) = (row.status.clone(), row.row_version);
            let mut row = row.into_active_model();
            row.status = Set(status.to_owned());
            row.row_version = Set(version + 1);
            row.update(&txn).await.map_err(store_error)?;
            let action = if suspended { "tenant.suspend" } else { "tenant.resume" };
            let facts = json!({ "status": { "from": from, "to": status } });
            this.audit(&txn, &writer, id, action, "tenant", id.0, facts).await?;
            Ok((txn, true))
        })
        .await
    }

    /// The tenant of a slug.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tenant_by_slug(&self, slug: &str) -> Result<Option<tenant::Model>, IdentityError> {
        let query = tenant::Entity::find().filter(tenant::Column::Slug.eq(slug));
        Ok(query.one(self.inner.db.orm_reader()).await.map_err(store_error)?)
    }
}

fn check_superuser(writer: &Writer) -> Result<(), IdentityError> {
    if writer.principal.is_superuser {
        return Ok(());
    }
    Err(IdentityError::Forbidden("tenants are made and suspended by superusers".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_reads_the_same_everywhere() {
        for good in ["a", "acme", "acme-2", "a1"] {
            assert!(check_slug(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-a", "a-", "1a", "Acme", "a_b", "a--b", "a/b", "..", "é", "а", "admin", "api", "a b", &"a".repeat(51)]
        {
            assert!(check_slug(bad).is_err(), "{bad}");
        }
    }
}
