//! `automate openapi`.

use clap::Args;

use super::{CliError, Context, output};

/// Arguments of `openapi`: none yet.
#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {}

/// Prints the OpenAPI document of what this program serves.
pub(crate) fn run(context: &Context, _args: &OpenapiArgs) -> Result<(), CliError> {
    let document = automate_api::v1::document(&context.app.views());
    let text =
        document.to_pretty_json().map_err(|e| CliError::failed(format!("the document cannot be written: {e}")))?;
    output::line(text);
    Ok(())
}
