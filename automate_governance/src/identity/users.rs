//! Users: making, changing and deleting them, and their passwords.

use std::collections::BTreeSet;

use automate_core::ids::{GroupId, TenantId, UserId, new_v7};
use automate_core::limits;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QuerySelect as _, Set,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::entity::{api_token, external_identity, group, session, user, user_group, user_permission};
use super::giving::{check_count, check_flags, check_grant, check_permission, may_grant, note};
use super::session::end_sessions;
use super::{
    AuthError, Client, Identity, IdentityError, NewSession, Password, Session, check_email, check_name, email_key,
    grants,
};

/// What a new user is to be.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// The e-mail address, which they log in with.
    pub email: String,
    /// How they are called; may be empty.
    pub name: String,
    /// Their password; without one they log in elsewhere, or not at all.
    pub password: Option<Password>,
    /// Whose they are; the writer's tenant where there is none.
    pub tenant: Option<TenantId>,
    /// Whether they may open the admin.
    pub is_staff: bool,
    /// Whether they may do everything.
    pub is_superuser: bool,
    /// Their groups, of their tenant.
    pub groups: Vec<GroupId>,
    /// Permissions of their own.
    pub permissions: Vec<String>,
}

/// What is to change about a user; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The e-mail address.
    pub email: Option<String>,
    /// How they are called.
    pub name: Option<String>,
    /// Whether they may log in.
    pub is_active: Option<bool>,
    /// Whether they may open the admin.
    pub is_staff: Option<bool>,
    /// Whether they may do everything.
    pub is_superuser: Option<bool>,
    /// All of their groups.
    pub groups: Option<Vec<GroupId>>,
    /// All of their own permissions.
    pub permissions: Option<Vec<String>>,
}

impl Identity {
    /// Makes a user. Nobody makes one that may do more than they themselves.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing is stored then.
    pub async fn create_user(&self, writer: Writer, new: NewUser) -> Result<user::Model, IdentityError> {
        let hash = match &new.password {
            Some(password) => Some(self.hash_new_password(password, &[&new.email, &new.name]).await?),
            None => None,
        };
        self.write(move |this, txn| async move {
            let made = this.create_user_in(&txn, &writer, new, hash).await?;
            Ok((txn, made))
        })
        .await
    }

    /// Checks a password for an account with these texts, and hashes it.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`], [`AuthError::Busy`].
    pub async fn hash_new_password(&self, password: &Password, about: &[&str]) -> Result<String, IdentityError> {
        password.check(about)?;
        Ok(self.inner.hasher.hash(password).await?)
    }

    /// As [`Identity::create_user`] within a transaction of the caller's, with what
    /// [`Identity::hash_new_password`] made. `new.password` is not looked at.
    ///
    /// # Errors
    /// As [`Identity::create_user`].
    pub async fn create_user_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        new: NewUser,
        password_hash: Option<String>,
    ) -> Result<user::Model, IdentityError> {
        let tenant = new.tenant.or(writer.principal.tenant);
        let foreign = tenant != writer.principal.tenant && !writer.principal.is_superuser;
        if foreign || (tenant.is_none() && !new.is_superuser) {
            return Err(IdentityError::NotFound("tenant"));
        }
        check_flags(writer, new.is_staff, new.is_superuser)?;
        let email = check_email(&new.email)?;
        let key = email_key(&email);
        self.check_email_free(txn, &key, None).await?;
        let now = self.now();
        let row = user::Model {
            id: new_v7(),
            tenant_id: tenant.map(|t| t.0),
            email,
            email_key: key,
            name: check_name("name", &new.name, false)?,
            password_changed_at: password_hash.as_ref().map(|_| now),
            password_hash,
            is_active: true,
            is_staff: new.is_staff,
            is_superuser: new.is_superuser,
            totp_secret: None,
            totp_confirmed_at: None,
            totp_last_step: None,
            last_login_at: None,
            row_version: 1,
            created_at: now,
            updated_at: now,
        };
        user::Entity::insert(row.clone().into_active_model()).exec(txn).await.map_err(store_error)?;
        self.set_groups(txn, writer, &row, &new.groups).await?;
        self.set_permissions(txn, writer, &row, &new.permissions).await?;
        let facts = json!({
            "email": row.email, "is_staff": row.is_staff, "is_superuser": row.is_superuser,
            "groups": new.groups, "permissions": new.permissions,
        });
        self.audit(txn, writer, self.tenant_of(&row), "user.create", "user", row.id, facts).await?;
        Ok(row)
    }

    /// Changes a user. With `expected` the row must still be at that version. Deactivating ends their
    /// sessions; so does a change of `is_staff` or `is_superuser`, so that nobody goes on with an id
    /// from before.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing is changed then.
    pub async fn change_user(
        &self,
        writer: Writer,
        id: UserId,
        change: UserChange,
        expected: Option<i64>,
    ) -> Result<user::Model, IdentityError> {
        self.write(move |this, txn| async move {
            let row = this.change_user_in(&txn, &writer, id, change, expected).await?;
            Ok((txn, row))
        })
        .await
    }

    /// The same within a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::change_user`].
    pub async fn change_user_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        id: UserId,
        change: UserChange,
        expected: Option<i64>,
    ) -> Result<user::Model, IdentityError> {
        let old = self.user_in_scope(txn, writer, id).await?;
        if expected.is_some_and(|version| version != i64::from(old.row_version)) {
            return Err(IdentityError::Changed { current: old.row_version.into() });
        }
        self.check_not_above(txn, writer, &old).await?;
        let flags = (change.is_staff.unwrap_or(old.is_staff), change.is_superuser.unwrap_or(old.is_superuser));
        if flags != (old.is_staff, old.is_superuser) {
            check_flags(writer, flags.0 || old.is_staff, flags.1 || old.is_superuser)?;
        }
        let own = writer.principal.user == Some(id);
        if own && (change.is_active == Some(false) || (old.is_superuser && !flags.1)) {
            return Err(IdentityError::Conflict("nobody takes their own access away".to_owned()));
        }
        let mut changes = Map::new();
        let mut row = old.clone().into_active_model();
        if let Some(email) = change.email {
            let email = check_email(&email)?;
            let key = email_key(&email);
            self.check_email_free(txn, &key, Some(old.id)).await?;
            note(&mut changes, "email", json!(old.email), json!(email));
            (row.email, row.email_key) = (Set(email), Set(key));
        }
        if let Some(name) = change.name {
            let name = check_name("name", &name, false)?;
            note(&mut changes, "name", json!(old.name), json!(name));
            row.name = Set(name);
        }
        let is_active = change.is_active.unwrap_or(old.is_active);
        note(&mut changes, "is_active", json!(old.is_active), json!(is_active));
        note(&mut changes, "is_staff", json!(old.is_staff), json!(flags.0));
        note(&mut changes, "is_superuser", json!(old.is_superuser), json!(flags.1));
        (row.is_active, row.is_staff, row.is_superuser) = (Set(is_active), Set(flags.0), Set(flags.1));
        if let Some(groups) = &change.groups {
            let before = self.set_groups(txn, writer, &old, groups).await?;
            note(&mut changes, "groups", json!(before), json!(groups));
        }
        if let Some(permissions) = &change.permissions {
            let before = self.set_permissions(txn, writer, &old, permissions).await?;
            note(&mut changes, "permissions", json!(before), json!(permissions));
        }
        row.row_version = Set(old.row_version + 1);
        row.updated_at = Set(self.now());
        let new = row.update(txn).await.map_err(store_error)?;
        if !new.is_active || flags != (old.is_staff, old.is_superuser) {
            end_sessions(txn, new.id, None).await?;
        }
        let facts = Value::Object(changes);
        self.audit(txn, writer, self.tenant_of(&new), "user.change", "user", new.id, facts).await?;
        Ok(new)
    }

    /// Deletes a user with their sessions, tokens and links to identity providers. What they did stays
    /// in the audit log.
    ///
    /// # Errors
    /// [`IdentityError`]; nobody deletes themselves.
    pub async fn delete_user(&self, writer: Writer, id: UserId) -> Result<(), IdentityError> {
        self.write(move |this, txn| async move {
            this.delete_user_in(&txn, &writer, id).await?;
            Ok((txn, ()))
        })
        .await
    }

    /// The same within a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::delete_user`].
    pub async fn delete_user_in(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        id: UserId,
    ) -> Result<(), IdentityError> {
        let row = self.user_in_scope(txn, writer, id).await?;
        if writer.principal.user == Some(id) {
            return Err(IdentityError::Conflict("nobody deletes themselves".to_owned()));
        }
        self.check_not_above(txn, writer, &row).await?;
        let of = id.0;
        end_sessions(txn, of, None).await?;
        self.drop_codes(txn, of).await?;
        let tokens = api_token::Entity::delete_many().filter(api_token::Column::UserId.eq(of));
        tokens.exec(txn).await.map_err(store_error)?;
        let links = external_identity::Entity::delete_many().filter(external_identity::Column::UserId.eq(of));
        links.exec(txn).await.map_err(store_error)?;
        let groups = user_group::Entity::delete_many().filter(user_group::Column::UserId.eq(of));
        groups.exec(txn).await.map_err(store_error)?;
        let permissions = user_permission::Entity::delete_many().filter(user_permission::Column::UserId.eq(of));
        permissions.exec(txn).await.map_err(store_error)?;
        user::Entity::delete_by_id(of).exec(txn).await.map_err(store_error)?;
        let facts = json!({ "email": row.email });
        self.audit(txn, writer, self.tenant_of(&row), "user.delete", "user", of, facts).await?;
        Ok(())
    }

    /// Gives somebody a password; their sessions end, and with `revoke_tokens` their tokens.
    ///
    /// # Errors
    /// [`IdentityError`], among them what is wrong with the password.
    pub async fn set_password(
        &self,
        writer: Writer,
        id: UserId,
        password: &Password,
        revoke_tokens: bool,
    ) -> Result<(), IdentityError> {
        let row = user::Entity::find_by_id(id.0).one(self.inner.db.orm_reader()).await.map_err(store_error)?;
        let row = row.ok_or(IdentityError::NotFound("user"))?;
        let hash = self.hash_new_password(password, &[&row.email, &row.name]).await?;
        self.write(move |this, txn| async move {
            let row = this.user_in_scope(&txn, &writer, id).await?;
            this.check_not_above(&txn, &writer, &row).await?;
            this.store_password(&txn, &writer, row, hash, revoke_tokens).await?;
            end_sessions(&txn, id.0, None).await?;
            Ok((txn, ()))
        })
        .await
    }

    /// Changes one's own password, for which the old one is asked. All other sessions end, this one
    /// gets another id; with `revoke_tokens` one's tokens end, too.
    ///
    /// # Errors
    /// [`AuthError::Credentials`] where the old password is wrong, [`AuthError::Throttled`] after too
    /// many wrong ones, and what is wrong with the new one.
    pub async fn change_password(
        &self,
        writer: Writer,
        session: &Session,
        old: &Password,
        new: &Password,
        revoke_tokens: bool,
        client: &Client,
    ) -> Result<NewSession, IdentityError> {
        let session = session.clone();
        let attempt = self.attempt_of(session.user, client).await?;
        let before = self.check_password(session.user, old).await?;
        let name = writer.principal.actor.name.clone();
        let hash = self.hash_new_password(new, &[&name]).await?;
        self.write(move |this, txn| async move {
            let row = user::Entity::find_by_id(session.user.0).lock_exclusive().one(&txn).await.map_err(store_error)?;
            let row = row.ok_or(IdentityError::NotFound("user"))?;
            if row.password_hash.as_deref() != Some(before.as_str()) {
                return Err(IdentityError::Auth(AuthError::Credentials));
            }
            attempt.succeed(&txn, true).await?;
            this.store_password(&txn, &writer, row, hash, revoke_tokens).await?;
            let fresh = this.rotate_in(&txn, &session, session.tenant, &writer.origin).await?;
            end_sessions(&txn, session.user.0, Some(fresh.session.id_hash)).await?;
            Ok((txn, fresh))
        })
        .await
    }

    async fn store_password(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        old: user::Model,
        hash: String,
        revoke_tokens: bool,
    ) -> Result<(), IdentityError> {
        let now = self.now();
        let mut row = old.clone().into_active_model();
        row.password_hash = Set(Some(hash));
        row.password_changed_at = Set(Some(now));
        row.updated_at = Set(now);
        row.row_version = Set(old.row_version + 1);
        row.update(txn).await.map_err(store_error)?;
        let revoked = if revoke_tokens { self.revoke_tokens_of(txn, writer, &old).await? } else { 0 };
        let facts = json!({ "tokens_revoked": revoked });
        self.audit(txn, writer, self.tenant_of(&old), "user.password", "user", old.id, facts).await?;
        Ok(())
    }

    /// The user with an e-mail address, written in whatever case.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<user::Model>, IdentityError> {
        let db = self.inner.db.orm_reader();
        let key = email_key(email);
        Ok(user::Entity::find().filter(user::Column::EmailKey.eq(key)).one(db).await.map_err(store_error)?)
    }

    /// The superusers who may log in, a hundred at most.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn superusers(&self) -> Result<Vec<user::Model>, IdentityError> {
        let query = user::Entity::find()
            .filter(user::Column::IsSuperuser.eq(true))
            .filter(user::Column::IsActive.eq(true))
            .limit(100);
        Ok(query.all(self.inner.db.orm_reader()).await.map_err(store_error)?)
    }

    /// Whether there is any user.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_users(&self) -> Result<bool, IdentityError> {
        let db = self.inner.db.orm_reader();
        Ok(user::Entity::find().limit(1).one(db).await.map_err(store_error)?.is_some())
    }

    /// A user that the writer may know of, locked.
    pub(crate) async fn user_in_scope(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        id: UserId,
    ) -> Result<user::Model, IdentityError> {
        let row = user::Entity::find_by_id(id.0).lock_exclusive().one(txn).await.map_err(store_error)?;
        let tenant = writer.principal.tenant.map(|t| t.0);
        let known = row.filter(|row| writer.principal.is_superuser || (tenant.is_some() && row.tenant_id == tenant));
        known.ok_or(IdentityError::NotFound("user"))
    }

    /// Refuses to let somebody change a user who may do more than they: with that user's address or
    /// password they would be that user.
    pub(crate) async fn check_not_above(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        row: &user::Model,
    ) -> Result<(), IdentityError> {
        let above = if row.is_superuser {
            !writer.principal.is_superuser
        } else {
            let permissions = grants::permissions(txn, row).await?;
            permissions.iter().any(|permission| !may_grant(writer, permission))
        };
        if above { Err(IdentityError::Forbidden("this user may do more than you".to_owned())) } else { Ok(()) }
    }

    async fn check_email_free(
        &self,
        txn: &DatabaseTransaction,
        key: &str,
        own: Option<Uuid>,
    ) -> Result<(), IdentityError> {
        let row = user::Entity::find().filter(user::Column::EmailKey.eq(key)).one(txn).await.map_err(store_error)?;
        match row {
            Some(row) if Some(row.id) != own => Err(IdentityError::Conflict(
                "a user with this e-mail address, or one that looks like it, exists".to_owned(),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Sets the groups of a user; answers with those from before.
    async fn set_groups(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        row: &user::Model,
        groups: &[GroupId],
    ) -> Result<Vec<Uuid>, IdentityError> {
        let wanted: BTreeSet<Uuid> = groups.iter().map(|g| g.0).collect();
        check_count("groups", wanted.len())?;
        let of_user = user_group::Column::UserId.eq(row.id);
        let rows = user_group::Entity::find().filter(of_user.clone()).all(txn).await.map_err(store_error)?;
        let before: BTreeSet<Uuid> = rows.into_iter().map(|r| r.group_id).collect();
        self.touch_groups(txn, wanted.symmetric_difference(&before)).await?;
        for id in wanted.difference(&before) {
            let group = group::Entity::find_by_id(*id).one(txn).await.map_err(store_error)?;
            if group.is_none_or(|group| Some(group.tenant_id) != row.tenant_id) {
                return Err(IdentityError::field("groups", "UNKNOWN_GROUP", format!("there is no group {id}")));
            }
            for permission in super::groups::permissions_of(txn, *id).await? {
                check_grant(writer, &permission)?;
            }
            let link = user_group::Model { user_id: row.id, group_id: *id };
            user_group::Entity::insert(link.into_active_model()).exec(txn).await.map_err(store_error)?;
        }
        for id in before.difference(&wanted) {
            user_group::Entity::delete_by_id((row.id, *id)).exec(txn).await.map_err(store_error)?;
        }
        Ok(before.into_iter().collect())
    }

    /// Sets the permissions of a user; answers with those from before.
    async fn set_permissions(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        row: &user::Model,
        permissions: &[String],
    ) -> Result<Vec<String>, IdentityError> {
        let wanted: BTreeSet<&str> = permissions.iter().map(String::as_str).collect();
        check_count("permissions", wanted.len())?;
        let of_user = user_permission::Column::UserId.eq(row.id);
        let rows = user_permission::Entity::find().filter(of_user).all(txn).await.map_err(store_error)?;
        let before: BTreeSet<String> = rows.into_iter().map(|r| r.permission).collect();
        for permission in wanted.iter().filter(|p| !before.contains(**p)) {
            check_permission(permission)?;
            check_grant(writer, permission)?;
            let link = user_permission::Model { user_id: row.id, permission: (*permission).to_owned() };
            user_permission::Entity::insert(link.into_active_model()).exec(txn).await.map_err(store_error)?;
        }
        for permission in before.iter().filter(|p| !wanted.contains(p.as_str())) {
            let gone = user_permission::Entity::delete_by_id((row.id, permission.clone()));
            gone.exec(txn).await.map_err(store_error)?;
        }
        Ok(before.into_iter().collect())
    }

    /// The sessions of a user, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<session::Model>, IdentityError> {
        let query = session::Entity::find().filter(session::Column::UserId.eq(user.0)).limit(limits::SESSIONS_PER_USER);
        let mut rows = query.all(self.inner.db.orm_reader()).await.map_err(store_error)?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        Ok(rows)
    }
}
