//! From somebody at a provider to an account of ours.

use automate_core::access::{Actor, Principal};
use automate_core::ids::{GroupId, TenantId};
use automate_store::error::store_error;
use automate_store::resource::Writer;
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};
use serde_json::json;

use super::id_token::Subject;
use super::provider::Provider;
use super::{Oidc, fault};
use crate::identity::email::is_same_address;
use crate::identity::entity::{external_identity, group, tenant, user};
use crate::identity::login::auth_error;
use crate::identity::request::Client;
use crate::identity::{AuthError, Identity, IdentityError, NewUser, email_key};

/// Groups of a new user where none are configured.
const DEFAULT_GROUPS: &[&str] = &["viewer"];

impl Oidc {
    /// The account of somebody at a provider: the one that is linked to them; or the one with their
    /// address, where the operator lets the provider speak for its domain; or a new one, where the
    /// operator wants that.
    pub(super) async fn account(
        &self,
        name: &str,
        provider: &Provider,
        subject: Subject,
        client: &Client,
    ) -> Result<user::Model, AuthError> {
        let plan = Plan {
            provider: name.to_owned(),
            issuer: provider.config.issuer.clone(),
            vouched: provider.vouches_for(&subject),
            create: provider.config.create_users,
            tenant: provider.config.tenant.clone(),
            groups: provider.config.default_groups.clone(),
            subject,
        };
        let origin = client.origin.clone();
        let found = self.identity.write(move |identity, txn| async move {
            let actor = Actor { name: format!("identity provider {}", plan.provider), ..Actor::system() };
            let writer = Writer { principal: Principal::operator(actor, TenantId::DEFAULT), origin };
            let user = plan.carry_out(&identity, &txn, writer).await?;
            Ok((txn, user))
        });
        found.await.map_err(|error| match error {
            // What is wrong is the provider's matter, not what somebody typed.
            IdentityError::Conflict(_) | IdentityError::Invalid(_) | IdentityError::NotFound(_) => {
                fault(name, error.to_string())
            }
            other => auth_error(other),
        })
    }
}

/// What is to be done about somebody.
struct Plan {
    provider: String,
    issuer: String,
    subject: Subject,
    vouched: bool,
    create: bool,
    tenant: String,
    groups: Vec<String>,
}

impl Plan {
    async fn carry_out(
        self,
        identity: &Identity,
        txn: &DatabaseTransaction,
        mut writer: Writer,
    ) -> Result<user::Model, IdentityError> {
        let link = external_identity::Entity::find_by_id((self.issuer.clone(), self.subject.id.clone()));
        if let Some(link) = link.one(txn).await.map_err(store_error)? {
            let user = user::Entity::find_by_id(link.user_id).one(txn).await.map_err(store_error)?;
            return user.ok_or(IdentityError::NotFound("user"));
        }
        let tenant = tenant::Entity::find().filter(tenant::Column::Slug.eq(&self.tenant));
        let tenant = tenant.one(txn).await.map_err(store_error)?.ok_or(IdentityError::NotFound("tenant"))?;
        writer.principal.tenant = Some(TenantId(tenant.id));
        let email = self.subject.email.clone();
        let Some(email) = email.filter(|_| self.subject.email_verified) else {
            return Err(IdentityError::Conflict("no account is linked, and it tells no verified address".to_owned()));
        };
        let by_key = user::Entity::find().filter(user::Column::EmailKey.eq(email_key(&email)));
        if let Some(user) = by_key.one(txn).await.map_err(store_error)? {
            // A provider that anybody can register at must not open other people's accounts.
            let theirs = is_same_address(&user.email, &email) && user.tenant_id == Some(tenant.id);
            if !theirs || !self.vouched {
                return Err(IdentityError::Conflict(
                    "an account with this address exists and is not linked to the provider".to_owned(),
                ));
            }
            self.link(identity, txn, &writer, &user).await?;
            return Ok(user);
        }
        if !self.create {
            return Err(IdentityError::Conflict("there is no account, and `create_users` is off".to_owned()));
        }
        let mut groups = Vec::new();
        let wanted = self.groups.iter().map(String::as_str);
        let wanted: Vec<&str> = if self.groups.is_empty() { DEFAULT_GROUPS.to_vec() } else { wanted.collect() };
        for name in wanted {
            let row = group::Entity::find()
                .filter(group::Column::TenantId.eq(tenant.id))
                .filter(group::Column::Name.eq(name))
                .one(txn)
                .await
                .map_err(store_error)?;
            groups.push(GroupId(row.ok_or(IdentityError::NotFound("default group"))?.id));
        }
        // A name that cannot be shown is no reason to keep somebody out.
        let name = self.subject.name.clone().unwrap_or_default();
        let name = crate::identity::check_name("name", &name, false).unwrap_or_default();
        let new = NewUser { email, name, tenant: Some(TenantId(tenant.id)), groups, ..NewUser::default() };
        let user = identity.create_user_in(txn, &writer, new, None).await?;
        self.link(identity, txn, &writer, &user).await?;
        Ok(user)
    }

    async fn link(
        &self,
        identity: &Identity,
        txn: &DatabaseTransaction,
        writer: &Writer,
        user: &user::Model,
    ) -> Result<(), IdentityError> {
        let row = external_identity::Model {
            issuer: self.issuer.clone(),
            subject: self.subject.id.clone(),
            user_id: user.id,
            created_at: identity.now(),
        };
        external_identity::Entity::insert(row.into_active_model()).exec(txn).await.map_err(store_error)?;
        let facts = json!({ "provider": self.provider, "issuer": self.issuer, "subject": self.subject.id });
        identity.audit(txn, writer, identity.tenant_of(user), "user.link", "user", user.id, facts).await?;
        Ok(())
    }
}
