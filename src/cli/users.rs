//! `automate createsuperuser` and `automate changepassword`.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use automate_core::access::{Actor, Principal};
use automate_core::audit::Origin;
use automate_core::ids::UserId;
use automate_core::limits;
use automate_governance::identity::{NewUser, Password};
use automate_store::resource::Writer;
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::{CliError, Context, JsonFlag, TENANT, output};
use crate::app::Role;

/// Arguments of `createsuperuser`.
#[derive(Debug, Args)]
#[command(after_help = "Without a terminal:\n  \
                        printf %s \"$PASSWORD\" | automate createsuperuser --email ada@example.org --password-stdin")]
pub(crate) struct CreateSuperuserArgs {
    /// The e-mail address to log in with; asked for where it is not given
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// How they are called
    #[arg(long, value_name = "NAME", default_value = "")]
    name: String,
    /// Reads the password from stdin instead of asking for it
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `changepassword`.
#[derive(Debug, Args)]
pub(crate) struct ChangePasswordArgs {
    /// Whose; asked for where it is not given
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Reads the new password from stdin instead of asking for it
    #[arg(long)]
    password_stdin: bool,
    /// Takes back their API tokens, too
    #[arg(long)]
    revoke_tokens: bool,
    /// Takes their second factor away, for who has lost it
    #[arg(long)]
    reset_totp: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// The one at the command line, as the audit log names them.
pub(super) fn operator() -> Writer {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|name| !name.is_empty());
    let actor = Actor::cli(name.unwrap_or_else(|| "operator".to_owned()));
    Writer { principal: Principal::operator(actor, TENANT), origin: Origin::default() }
}

/// Makes a superuser.
pub(crate) async fn create(context: Context, args: CreateSuperuserArgs) -> Result<(), CliError> {
    let email = given_or_asked(args.email, args.password_stdin)?;
    let password = password(args.password_stdin)?;
    let parts = context.open(Role::Tool).await?;
    parts.identity.ensure_default_groups(TENANT).await?;
    let new = NewUser {
        email,
        name: args.name,
        password: Some(password),
        tenant: Some(TENANT),
        is_staff: true,
        is_superuser: true,
        ..NewUser::default()
    };
    let made = parts.identity.create_user(operator(), new).await;
    parts.close().await;
    let user = made?;
    if args.json.json {
        return output::json(&json!({ "id": user.id, "email": user.email, "is_superuser": true }));
    }
    output::line(format!("{}: superuser", user.email));
    Ok(())
}

/// Gives somebody a new password.
pub(crate) async fn change_password(context: Context, args: ChangePasswordArgs) -> Result<(), CliError> {
    let email = given_or_asked(args.email, args.password_stdin)?;
    let password = password(args.password_stdin)?;
    let parts = context.open(Role::Tool).await?;
    let identity = &parts.identity;
    let changed = async {
        let user = identity.user_by_email(&email).await?;
        let user = user.ok_or_else(|| CliError::failed(format!("there is no user with the address `{email}`")))?;
        identity.set_password(operator(), UserId(user.id), &password, args.revoke_tokens).await?;
        if args.reset_totp {
            identity.totp_reset(operator(), UserId(user.id)).await?;
        }
        Ok::<_, CliError>(user)
    }
    .await;
    parts.close().await;
    let user = changed?;
    if args.json.json {
        return output::json(&json!({ "id": user.id, "email": user.email, "changed": true }));
    }
    output::line(format!("{}: the password is changed, and their sessions have ended", user.email));
    Ok(())
}

/// What was given, or what somebody types now.
fn given_or_asked(email: Option<String>, stdin_is_taken: bool) -> Result<String, CliError> {
    if let Some(email) = email {
        return Ok(email);
    }
    if stdin_is_taken || !std::io::stdin().is_terminal() {
        return Err(CliError::usage("the e-mail address is missing").hint("give it with --email"));
    }
    let mut err = std::io::stderr().lock();
    let failed = |e: std::io::Error| CliError::failed(format!("cannot ask: {e}"));
    write!(err, "E-mail address: ").and_then(|()| err.flush()).map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().take(1_024).read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// A password from stdin, or typed twice without being shown.
fn password(from_stdin: bool) -> Result<Password, CliError> {
    let stdin = std::io::stdin();
    if from_stdin {
        let mut bytes = Zeroizing::new(Vec::new());
        let most = limits::PASSWORD_BYTES as u64 + 3;
        stdin
            .lock()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|e| CliError::failed(format!("cannot read stdin: {e}")))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| CliError::failed("the password is not UTF-8"))?;
        let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        if text.is_empty() {
            return Err(CliError::usage("the password is empty").hint("it is read from stdin, to its end"));
        }
        return Ok(Password::new(text.to_owned()));
    }
    if !stdin.is_terminal() {
        return Err(CliError::usage("there is no terminal to ask for the password at")
            .hint("pipe it in: printf %s \"$PASSWORD\" | automate … --password-stdin"));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|e| CliError::failed(format!("cannot ask for the password: {e}")))
    };
    let first = ask("Password: ")?;
    if *ask("Password, once more: ")? != *first {
        return Err(CliError::failed("the two passwords are not the same"));
    }
    Ok(Password::new(first.to_string()))
}
