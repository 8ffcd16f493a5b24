//! One's own account: set-up, log-in, second factor, how pages look.

mod login;
mod me;
pub(crate) mod sessions;
mod setup;

use axum::Router;
use axum::routing::{get, post};

use crate::state::AdminState;

/// Pages for everybody.
pub(crate) fn doors() -> Router<AdminState> {
    Router::new()
        .route("/admin/login/", get(login::show).post(login::submit))
        .route("/admin/login/code/", get(login::show_code).post(login::submit_code))
        .route("/admin/setup/", get(setup::show).post(setup::submit))
}

/// Pages for whoever has logged in.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/logout/", get(me::ask_log_out).post(me::log_out))
        .route("/admin/me/", get(me::show))
        .route("/admin/me/look/", post(me::change_look))
        .route("/admin/me/password/", post(me::change_password))
        .route("/admin/me/tenant/", post(me::choose_tenant))
        .route("/admin/me/sessions/", get(sessions::list))
        .route("/admin/me/sessions/end/", get(sessions::ask_end).post(sessions::end))
        .route("/admin/me/totp/", get(me::show_totp).post(me::begin_totp))
        .route("/admin/me/totp/confirm/", post(me::confirm_totp))
        .route("/admin/me/totp/disable/", post(me::disable_totp))
        .route("/admin/me/totp/recovery/", post(me::renew_codes))
}
