//! `automate token`: API tokens. The secret is printed once, when the token is made.

use automate_core::clock;
use automate_core::ids::{TokenId, UserId};
use automate_governance::identity::entity::{api_token, user};
use automate_governance::identity::{NewToken, scopes_of};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::users::operator;
use super::{CliError, Context, JsonFlag, TENANT, output};
use crate::app::{Parts, Role};

/// Tokens that a list shows, at most.
const LISTED: u64 = 1_000;

/// Subcommands of `token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and prints it, once
    Create(CreateArgs),
    /// Lists tokens, without their secrets
    List(ListArgs),
    /// Takes a token back; it is worth nothing within five seconds
    Revoke(RevokeArgs),
}

/// Arguments of `token create`.
#[derive(Debug, Args)]
#[command(after_help = "Scopes are `workflows:read`, `executions:write` and so on, `events:publish`,\n\
                        `ext:ID:…`, `tools:call:NAME` and `admin`; `…:write` has `…:read` in it.\n\n  \
                        automate token create --name ci --scopes workflows:read,executions:write --expires 90d")]
pub(crate) struct CreateArgs {
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it may be used for, separated by commas
    #[arg(long, value_delimiter = ',', required = true, value_name = "SCOPE,…")]
    scopes: Vec<String>,
    /// The e-mail address of its owner [default: the superuser, where there is one alone]
    #[arg(long, value_name = "ADDRESS")]
    user: Option<String>,
    /// When it ends: `12h`, `30d`, `8w` or `1y` from now, or `never`
    #[arg(long, value_name = "TIME", default_value = "never", value_parser = lifetime)]
    expires: Lifetime,
    /// Requests a minute, at most [default: as everybody]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `token list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Those of one user, by their e-mail address
    #[arg(long, value_name = "ADDRESS")]
    user: Option<String>,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `token revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// Its id, or the part of it that lists show
    token: String,
    #[command(flatten)]
    json: JsonFlag,
}

/// How long a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lifetime(Option<TimeDelta>);

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime(None));
    }
    let wrong = || "write it as `12h`, `30d`, `8w`, `1y` or `never`".to_owned();
    let at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (count, unit) = text.split_at(at);
    let count: u32 = count.parse().ok().filter(|count| (1..=100_000).contains(count)).ok_or_else(wrong)?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        "y" => 365 * 24,
        _ => return Err(wrong()),
    };
    TimeDelta::try_hours(i64::from(count) * hours).map(|delta| Lifetime(Some(delta))).ok_or_else(wrong)
}

/// Does what was asked of the tokens.
pub(crate) async fn run(context: Context, command: TokenCommand) -> Result<(), CliError> {
    let parts = context.open(Role::Tool).await?;
    let result = match command {
        TokenCommand::Create(args) => create(&parts, args).await,
        TokenCommand::List(args) => list(&parts, args).await,
        TokenCommand::Revoke(args) => revoke(&parts, args).await,
    };
    parts.close().await;
    result
}

async fn create(parts: &Parts, args: CreateArgs) -> Result<(), CliError> {
    let owner = owner(parts, args.user.as_deref()).await?;
    let new = NewToken {
        name: args.name,
        user: UserId(owner.id),
        tenant: Some(TENANT),
        scopes: args.scopes.iter().map(|scope| scope.trim().to_owned()).collect(),
        rate_per_minute: args.rate,
        expires_at: args.expires.0.map(|delta| clock::now() + delta),
    };
    let made = parts.identity.create_token(operator(), new).await?;
    if args.json.json {
        let mut shown = shown(&made.row, Some(&owner.email))?;
        shown["token"] = Value::String(made.fresh.secret.to_string());
        return output::json(&shown);
    }
    output::line(made.fresh.secret.as_str());
    output::note(&format!("the token `{}` of {}; it is not shown again", made.row.name, owner.email));
    Ok(())
}

/// The owner of a new token: the one that is named, or the only superuser.
async fn owner(parts: &Parts, email: Option<&str>) -> Result<user::Model, CliError> {
    if let Some(email) = email {
        let found = parts.identity.user_by_email(email).await?;
        return found.ok_or_else(|| CliError::failed(format!("there is no user with the address `{email}`")));
    }
    let mut superusers = parts.identity.superusers().await?;
    match superusers.len() {
        1 => Ok(superusers.remove(0)),
        0 => Err(CliError::failed("there is no user yet").hint("`automate createsuperuser` makes the first one")),
        _ => Err(CliError::usage("whose is it to be?").hint("there are several superusers: name one with --user")),
    }
}

async fn list(parts: &Parts, args: ListArgs) -> Result<(), CliError> {
    let user = match &args.user {
        Some(email) => Some(UserId(owner(parts, Some(email)).await?.id)),
        None => None,
    };
    let tokens = parts.identity.tokens(TENANT, user, LISTED).await?;
    if args.json.json {
        let shown: Vec<Value> = tokens.iter().map(|row| shown(row, None)).collect::<Result<_, _>>()?;
        return output::json(&json!({ "results": shown }));
    }
    let now = clock::now();
    let time = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), output::time);
    let row = |token: &api_token::Model| {
        let scopes = scopes_of(token)?.into_iter().collect::<Vec<_>>().join(",");
        Ok::<_, CliError>(vec![
            token.id.to_string(),
            format!("aut_{}…", token.prefix),
            output::cut(&token.name, 30),
            state(token, now).to_owned(),
            time(token.expires_at),
            time(token.last_used_at),
            output::cut(&scopes, 60),
        ])
    };
    let rows: Vec<Vec<String>> = tokens.iter().map(row).collect::<Result<_, _>>()?;
    let headings = ["ID", "TOKEN", "NAME", "STATE", "EXPIRES (UTC)", "LAST USED (UTC)", "SCOPES"];
    output::line(output::table(&headings, &rows));
    Ok(())
}

fn state(token: &api_token::Model, now: DateTime<Utc>) -> &'static str {
    if token.revoked_at.is_some() {
        "revoked"
    } else if token.expires_at.is_some_and(|end| end <= now) {
        "expired"
    } else {
        "active"
    }
}

fn shown(row: &api_token::Model, owner: Option<&str>) -> Result<Value, CliError> {
    let mut shown = json!({
        "id": row.id, "name": row.name, "prefix": format!("aut_{}", row.prefix), "scopes": scopes_of(row)?,
        "user": row.user_id, "rate_per_minute": row.rate_per_minute, "state": state(row, clock::now()),
        "expires_at": row.expires_at, "last_used_at": row.last_used_at, "revoked_at": row.revoked_at,
        "created_at": row.created_at,
    });
    if let Some(owner) = owner {
        shown["email"] = Value::String(owner.to_owned());
    }
    Ok(shown)
}

async fn revoke(parts: &Parts, args: RevokeArgs) -> Result<(), CliError> {
    let unknown = || {
        CliError::failed(format!("there is no token `{}`", output::cut(&args.token, 60)))
            .hint("`automate token list` shows them")
    };
    let id: TokenId = match args.token.parse() {
        Ok(id) => id,
        Err(_) => {
            // The part that is shown, with or without what follows it.
            let prefix = args.token.strip_prefix("aut_").unwrap_or(&args.token);
            let prefix = prefix.split(['_', '…']).next().unwrap_or_default();
            TokenId(parts.identity.token_by_prefix(TENANT, prefix).await?.ok_or_else(unknown)?.id)
        }
    };
    let done = match parts.identity.revoke_token(operator(), id).await {
        Err(automate_governance::identity::IdentityError::NotFound(_)) => return Err(unknown()),
        other => other?,
    };
    if args.json.json {
        return output::json(&json!({ "id": id, "revoked": true }));
    }
    output::line(if done { format!("{id}: revoked") } else { format!("{id}: was revoked before") });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_with_a_unit() {
        assert_eq!(lifetime("30d"), Ok(Lifetime(TimeDelta::try_days(30))));
        assert_eq!(lifetime("12h"), Ok(Lifetime(TimeDelta::try_hours(12))));
        assert_eq!(lifetime("1y"), Ok(Lifetime(TimeDelta::try_days(365))));
        assert_eq!(lifetime("never"), Ok(Lifetime(None)));
        for bad in ["", "30", "d", "-1d", "0d", "1.5d", "30 d", "30é", "99999999999d", "100001y"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
