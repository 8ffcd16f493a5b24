//! Groups: names for sets of permissions.

use std::collections::BTreeSet;

use automate_core::access::DEFAULT_GROUPS;
use automate_core::ids::{GroupId, TenantId, UserId, new_v7};
use automate_core::store::StoreError;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QuerySelect as _, Set,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::entity::{group, group_permission, user_group};
use super::giving::{check_count, check_grant, check_permission, note};
use super::{Identity, IdentityError, MemberChange, check_name};

/// What a new group is to be.
#[derive(Debug, Clone, Default)]
pub struct NewGroup {
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What its members may do.
    pub permissions: Vec<String>,
    /// Who is in it, of its tenant.
    pub members: Vec<UserId>,
}

/// What is to change about a group; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct GroupChange {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// All that its members may do.
    pub permissions: Option<Vec<String>>,
    /// Who joins it and who leaves it.
    pub members: MemberChange,
}

impl Identity {
    /// Makes a group in the writer's tenant, with permissions that the writer has.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing is stored then.
    pub async fn create_group(&self, writer: Writer, new: NewGroup) -> Result<group::Model, IdentityError> {
        self.write(move |this, txn| async move {
            let made = this.create_group_in(&txn, &writer, new).await?;
            Ok((txn, made))
        })
        .await
    }

    /// The same within a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::create_group`].
    pub async fn create_group_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        new: NewGroup,
    ) -> Result<group::Model, IdentityError> {
        let tenant = writer.principal.tenant.ok_or(IdentityError::NotFound("tenant"))?;
        let members = MemberChange { join: new.members, leave: Vec::new() };
        let moving = self.moving(txn, writer, &members).await?;
        let now = self.now();
        let row = group::Model {
            id: new_v7(),
            tenant_id: tenant.0,
            name: check_name("name", &new.name, true)?,
            description: check_name("description", &new.description, false)?,
            row_version: 1,
            created_at: now,
            updated_at: now,
        };
        self.check_group_name(txn, &row).await?;
        group::Entity::insert(row.clone().into_active_model()).exec(txn).await.map_err(store_error)?;
        self.set_group_permissions(txn, writer, row.id, &new.permissions).await?;
        let moved = self.move_members(txn, writer, &row, moving).await?;
        let facts = json!({ "name": row.name, "permissions": new.permissions, "members": moved.joined });
        self.audit(txn, writer, tenant, "group.create", "group", row.id, facts).await?;
        Ok(row)
    }

    /// Changes a group. With `expected` the row must still be at that version.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing is changed then.
    pub async fn change_group(
        &self,
        writer: Writer,
        id: GroupId,
        change: GroupChange,
        expected: Option<i64>,
    ) -> Result<group::Model, IdentityError> {
        self.write(move |this, txn| async move {
            let row = this.change_group_in(&txn, &writer, id, change, expected).await?;
            Ok((txn, row))
        })
        .await
    }

    /// The same within a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::change_group`].
    pub async fn change_group_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        id: GroupId,
        change: GroupChange,
        expected: Option<i64>,
    ) -> Result<group::Model, IdentityError> {
        // Users are locked before groups, wherever both are.
        let moving = self.moving(txn, writer, &change.members).await?;
        let old = self.group_in_scope(txn, writer, id).await?;
        if expected.is_some_and(|version| version != i64::from(old.row_version)) {
            return Err(IdentityError::Changed { current: old.row_version.into() });
        }
        let mut changes = Map::new();
        let mut new = old.clone();
        if let Some(name) = change.name {
            new.name = check_name("name", &name, true)?;
            self.check_group_name(txn, &new).await?;
        }
        if let Some(description) = change.description {
            new.description = check_name("description", &description, false)?;
        }
        note(&mut changes, "name", json!(old.name), json!(new.name));
        note(&mut changes, "description", json!(old.description), json!(new.description));
        if let Some(permissions) = &change.permissions {
            let before = self.set_group_permissions(txn, writer, old.id, permissions).await?;
            note(&mut changes, "permissions", json!(before), json!(permissions));
        }
        let moved = self.move_members(txn, writer, &old, moving).await?;
        if !moved.is_empty() {
            changes.insert("members".to_owned(), json!({ "joined": moved.joined, "left": moved.left }));
        }
        let mut row = old.clone().into_active_model();
        (row.name, row.description) = (Set(new.name), Set(new.description));
        row.row_version = Set(old.row_version + 1);
        row.updated_at = Set(self.now());
        let row = row.update(txn).await.map_err(store_error)?;
        let facts = Value::Object(changes);
        self.audit(txn, writer, TenantId(row.tenant_id), "group.change", "group", row.id, facts).await?;
        Ok(row)
    }

    /// Deletes a group; its members lose what it gave them within five seconds.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], and [`IdentityError::Forbidden`] where it gives more than the
    /// writer has.
    pub async fn delete_group(&self, writer: Writer, id: GroupId) -> Result<(), IdentityError> {
        self.write(move |this, txn| async move {
            this.delete_group_in(&txn, &writer, id).await?;
            Ok((txn, ()))
        })
        .await
    }

    /// The same within a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::delete_group`].
    pub async fn delete_group_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        id: GroupId,
    ) -> Result<(), IdentityError> {
        let row = self.group_in_scope(txn, writer, id).await?;
        for permission in permissions_of(txn, id.0).await? {
            check_grant(writer, &permission)?;
        }
        let members = user_group::Entity::delete_many().filter(user_group::Column::GroupId.eq(id.0));
        let members = members.exec(txn).await.map_err(store_error)?.rows_affected;
        let gone = group_permission::Entity::delete_many().filter(group_permission::Column::GroupId.eq(id.0));
        gone.exec(txn).await.map_err(store_error)?;
        group::Entity::delete_by_id(id.0).exec(txn).await.map_err(store_error)?;
        let facts = json!({ "name": row.name, "members": members });
        self.audit(txn, writer, TenantId(row.tenant_id), "group.delete", "group", id.0, facts).await?;
        Ok(())
    }

    /// The group of a name in a tenant.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn group_by_name(&self, tenant: TenantId, name: &str) -> Result<Option<group::Model>, IdentityError> {
        Ok(find_by_name(self.inner.db.orm_reader(), tenant, name).await?)
    }

    /// Makes the default groups of a tenant where they are missing. One that is there is left as its
    /// admins made it; one that they deleted comes back at the next start.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ensure_default_groups(&self, tenant: TenantId) -> Result<(), IdentityError> {
        let mut missing = false;
        for default in DEFAULT_GROUPS {
            missing |= find_by_name(self.inner.db.orm_reader(), tenant, default.name).await?.is_none();
        }
        if !missing {
            return Ok(());
        }
        self.write(move |this, txn| async move {
            this.default_groups_in(&txn, tenant).await?;
            Ok((txn, ()))
        })
        .await
    }

    /// The same within a transaction.
    pub(crate) async fn default_groups_in(
        &self,
        txn: &DatabaseTransaction,
        tenant: TenantId,
    ) -> Result<(), IdentityError> {
        let now = self.now();
        for default in DEFAULT_GROUPS {
            let row = group::Model {
                id: new_v7(),
                tenant_id: tenant.0,
                name: default.name.to_owned(),
                description: default.description.to_owned(),
                row_version: 1,
                created_at: now,
                updated_at: now,
            };
            // Several processes start at once.
            let ignore = OnConflict::columns([group::Column::TenantId, group::Column::Name]).do_nothing().to_owned();
            let insert = group::Entity::insert(row.clone().into_active_model()).on_conflict(ignore);
            if insert.exec_without_returning(txn).await.map_err(store_error)? == 0 {
                continue;
            }
            for permission in default.permissions() {
                let link = group_permission::Model { group_id: row.id, permission };
                group_permission::Entity::insert(link.into_active_model()).exec(txn).await.map_err(store_error)?;
            }
        }
        Ok(())
    }

    async fn group_in_scope(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        id: GroupId,
    ) -> Result<group::Model, IdentityError> {
        let row = group::Entity::find_by_id(id.0).lock_exclusive().one(txn).await.map_err(store_error)?;
        let known = row.filter(|row| writer.principal.tenant.map(|t| t.0) == Some(row.tenant_id));
        known.ok_or(IdentityError::NotFound("group"))
    }

    async fn check_group_name(&self, txn: &DatabaseTransaction, row: &group::Model) -> Result<(), IdentityError> {
        match find_by_name(txn, TenantId(row.tenant_id), &row.name).await? {
            Some(other) if other.id != row.id => {
                Err(IdentityError::Conflict(format!("there is a group `{}` already", row.name)))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn set_group_permissions(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        group: Uuid,
        permissions: &[String],
    ) -> Result<Vec<String>, IdentityError> {
        let wanted: BTreeSet<&str> = permissions.iter().map(String::as_str).collect();
        check_count("permissions", wanted.len())?;
        let before = permissions_of(txn, group).await?;
        for permission in wanted.iter().filter(|p| !before.contains(**p)) {
            check_permission(permission)?;
            check_grant(writer, permission)?;
            let link = group_permission::Model { group_id: group, permission: (*permission).to_owned() };
            group_permission::Entity::insert(link.into_active_model()).exec(txn).await.map_err(store_error)?;
        }
        for permission in before.iter().filter(|p| !wanted.contains(p.as_str())) {
            // Taking away what one does not have is taking it from those who may do more.
            check_grant(writer, permission)?;
            let gone = group_permission::Entity::delete_by_id((group, permission.clone()));
            gone.exec(txn).await.map_err(store_error)?;
        }
        Ok(before.into_iter().collect())
    }
}

/// The permissions of a group.
pub(crate) async fn permissions_of<C: ConnectionTrait>(db: &C, group: Uuid) -> Result<BTreeSet<String>, StoreError> {
    let of_group = group_permission::Column::GroupId.eq(group);
    let rows = group_permission::Entity::find().filter(of_group).all(db).await.map_err(store_error)?;
    Ok(rows.into_iter().map(|row| row.permission).collect())
}

async fn find_by_name<C: ConnectionTrait>(
    db: &C,
    tenant: TenantId,
    name: &str,
) -> Result<Option<group::Model>, StoreError> {
    group::Entity::find()
        .filter(group::Column::TenantId.eq(tenant.0))
        .filter(group::Column::Name.eq(name))
        .one(db)
        .await
        .map_err(store_error)
}
