//! Who is in a group, changed from the group's side.
//!
//! The rules are those of a user's own groups: nobody moves somebody who may do more than they, and
//! nobody lets somebody into a group that gives what they do not have themselves.

use std::collections::{BTreeMap, BTreeSet};

use automate_core::ids::UserId;
use automate_core::limits;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};
use serde_json::json;
use uuid::Uuid;

use super::entity::{group, user, user_group};
use super::giving::check_grant;
use super::groups::permissions_of;
use super::{Identity, IdentityError};

/// Who joins a group and who leaves it. Who is in neither stays as they are, so that a page that
/// shows a part of the members changes nothing of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// Who is to be in it.
    pub join: Vec<UserId>,
    /// Who is not to be in it any more.
    pub leave: Vec<UserId>,
}

/// Somebody whose row the transaction holds.
pub(crate) struct Moving {
    user: user::Model,
    joins: bool,
}

/// Who has moved; those who stood where they were to go have not.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) joined: Vec<String>,
    pub(crate) left: Vec<String>,
}

impl Moved {
    pub(crate) fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.left.is_empty()
    }
}

impl Identity {
    /// Locks those who move, in the order of their ids, and looks whether the writer may move them.
    pub(crate) async fn moving(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        change: &MemberChange,
    ) -> Result<Vec<Moving>, IdentityError> {
        let leave = change.leave.iter().map(|user| (*user, false));
        let all: BTreeMap<UserId, bool> = leave.chain(change.join.iter().map(|user| (*user, true))).collect();
        if all.len() > limits::GROUP_MOVES {
            let message = format!("more than {} people at once", limits::GROUP_MOVES);
            return Err(IdentityError::field("members", "TOO_MANY", message));
        }
        let mut moving = Vec::with_capacity(all.len());
        for (id, joins) in all {
            let user = match self.user_in_scope(txn, writer, id).await {
                Err(IdentityError::NotFound(_)) => return Err(unknown(id)),
                other => other?,
            };
            self.check_not_above(txn, writer, &user).await?;
            moving.push(Moving { user, joins });
        }
        Ok(moving)
    }

    /// Moves people into a group and out of it. What became of each stands in the log as a change of
    /// theirs, too: their history is to say since when they may do what.
    pub(crate) async fn move_members(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        group: &group::Model,
        moving: Vec<Moving>,
    ) -> Result<Moved, IdentityError> {
        let mut moved = Moved::default();
        if moving.is_empty() {
            return Ok(moved);
        }
        let gives = permissions_of(txn, group.id).await?;
        for Moving { user, joins } in moving {
            let of_user = user_group::Column::UserId.eq(user.id);
            let rows = user_group::Entity::find().filter(of_user).all(txn).await.map_err(store_error)?;
            let before: BTreeSet<Uuid> = rows.into_iter().map(|row| row.group_id).collect();
            if before.contains(&group.id) == joins {
                continue;
            }
            let mut after = before.clone();
            if joins {
                if user.tenant_id != Some(group.tenant_id) {
                    return Err(unknown(UserId(user.id)));
                }
                for permission in &gives {
                    check_grant(writer, permission)?;
                }
                super::giving::check_count("groups", before.len() + 1)?;
                let link = user_group::Model { user_id: user.id, group_id: group.id };
                user_group::Entity::insert(link.into_active_model()).exec(txn).await.map_err(store_error)?;
                after.insert(group.id);
            } else {
                let link = user_group::Entity::delete_by_id((user.id, group.id));
                link.exec(txn).await.map_err(store_error)?;
                after.remove(&group.id);
            }
            let facts = json!({ "groups": { "from": before, "to": after } });
            self.audit(txn, writer, self.tenant_of(&user), "user.change", "user", user.id, facts).await?;
            let side = if joins { &mut moved.joined } else { &mut moved.left };
            side.push(user.email);
        }
        Ok(moved)
    }

    /// Notes that the members of groups changed: a form of the group that was opened before does not
    /// bring back who has left it since.
    pub(crate) async fn touch_groups<'g>(
        &self,
        txn: &DatabaseTransaction,
        groups: impl Iterator<Item = &'g Uuid>,
    ) -> Result<(), IdentityError> {
        let groups: Vec<Uuid> = groups.copied().collect();
        if groups.is_empty() {
            return Ok(());
        }
        let update = group::Entity::update_many()
            .col_expr(group::Column::RowVersion, Expr::col(group::Column::RowVersion).add(1))
            .col_expr(group::Column::UpdatedAt, Expr::value(self.now()))
            .filter(group::Column::Id.is_in(groups));
        update.exec(txn).await.map_err(store_error)?;
        Ok(())
    }
}

fn unknown(user: UserId) -> IdentityError {
    IdentityError::field("members", "UNKNOWN_USER", format!("there is no user {user}"))
}
