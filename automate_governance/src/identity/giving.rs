//! What somebody may give to somebody else: never more than they have.

use automate_core::access::EVERYTHING;
use automate_core::limits;
use automate_store::resource::Writer;
use serde_json::{Map, Value, json};

use super::IdentityError;

/// Whether somebody may give a permission away: one that they have.
pub(crate) fn may_grant(writer: &Writer, permission: &str) -> bool {
    writer.principal.can(permission)
}

pub(crate) fn check_grant(writer: &Writer, permission: &str) -> Result<(), IdentityError> {
    if may_grant(writer, permission) {
        return Ok(());
    }
    Err(IdentityError::Forbidden(format!("you cannot give the permission `{permission}`, which you do not have")))
}

/// Whether a text is a permission: `app.word`, or `*`. Applications have permissions of their own, so
/// that the known ones are not all.
pub(crate) fn check_permission(permission: &str) -> Result<(), IdentityError> {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let well_formed = permission.len() <= limits::SCOPE_BYTES
        && (permission == EVERYTHING || permission.split_once('.').is_some_and(|(app, name)| word(app) && word(name)));
    if well_formed {
        return Ok(());
    }
    let shown: String = permission.chars().take(60).flat_map(char::escape_debug).collect();
    Err(IdentityError::field("permissions", "INVALID_PERMISSION", format!("`{shown}` is no permission")))
}

pub(crate) fn check_count(field: &str, count: usize) -> Result<(), IdentityError> {
    if count <= limits::GRANTS {
        return Ok(());
    }
    Err(IdentityError::field(field, "TOO_MANY", format!("`{field}` has more than {} entries", limits::GRANTS)))
}

/// Only superusers make superusers; staff is made by whoever may do everything in the tenant.
pub(crate) fn check_flags(writer: &Writer, is_staff: bool, is_superuser: bool) -> Result<(), IdentityError> {
    if is_superuser && !writer.principal.is_superuser {
        return Err(IdentityError::Forbidden("only a superuser makes or unmakes superusers".to_owned()));
    }
    if is_staff && !may_grant(writer, EVERYTHING) {
        return Err(IdentityError::Forbidden(
            "only who may do everything in the tenant makes or unmakes staff".to_owned(),
        ));
    }
    Ok(())
}

/// Notes a field that changed.
pub(crate) fn note(changes: &mut Map<String, Value>, field: &str, from: Value, to: Value) {
    if from != to {
        changes.insert(field.to_owned(), json!({ "from": from, "to": to }));
    }
}
