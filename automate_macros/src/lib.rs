//! The macros of Automate. They are re-exported by the crates whose traits they implement; depend
//! on those.

mod action;
mod filter;
mod plugins;
mod receiver;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Makes an action of a connector from an async function.
///
/// ```ignore
/// /// Posts a message to a channel.
/// #[action(title = "Post a message", effect = once, timeout = "30s", example = json!({ "channel": "#ops", "text": "hi" }))]
/// async fn post_message(ctx: &ActionContext, input: PostMessage) -> Result<Posted> { /* … */ }
/// ```
///
/// The function stays as it is. Beside it stands `post_message::ACTION`, which goes into
/// `Connector::typed_actions`. The schemas come from the types of `input` (`Deserialize`,
/// `JsonSchema`) and of the result (`Serialize`, `JsonSchema`).
///
/// - `effect` (required): `pure`, `idempotent` or `once`.
/// - `name`: the function's name where absent.
/// - `title`: the name in words where absent. The doc comment is the description.
/// - `timeout`: of one attempt, as `"500ms"`, `"30s"` or `"5m"`.
/// - `example`: an expression of type `serde_json::Value`, a valid input.
#[proc_macro_attribute]
pub fn action(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as action::Options);
    let function = parse_macro_input!(item as syn::ItemFn);
    action::expand(options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Registers a receiver of a signal when the crate is linked into a program.
///
/// ```ignore
/// #[receiver(workflow_completed)]
/// fn tell(signal: &Signal) { /* … */ }
/// ```
///
/// The signals are `workflow_started`, `workflow_completed`, `workflow_failed`, `step_started`,
/// `step_completed`, `step_failed` and `event_received`. The function stays as it is.
#[proc_macro_attribute]
pub fn receiver(signal: TokenStream, item: TokenStream) -> TokenStream {
    let heard = parse_macro_input!(signal as receiver::Heard);
    let function = parse_macro_input!(item as syn::ItemFn);
    receiver::expand(&heard, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Registers a filter of templates when the crate is linked into a program.
///
/// ```ignore
/// /// Adds a mark at the end.
/// #[filter("shout", signature = "text | shout(mark)", example = "{{ 'a' | shout }} -> a!")]
/// fn shout(input: &Value, args: &FilterArgs) -> Result<Value, FilterError> { /* … */ }
/// ```
///
/// The doc comment is the filter's description. `signature` is `value | NAME` where absent. The
/// function stays as it is.
#[proc_macro_attribute]
pub fn filter(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as filter::Options);
    let function = parse_macro_input!(item as syn::ItemFn);
    filter::expand(&options, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Links the dependencies, so that what they register is there.
///
/// A crate that is only named in `Cargo.toml` is not linked: its registrations are silently
/// missing. Written once in `main.rs`, this emits `extern crate … as _;` for every direct
/// dependency, so that adding a connector's crate to `Cargo.toml` is all it takes. Integration
/// tests are programs of their own; those that need the plugins repeat the line.
///
/// `link_plugins!(connector_acme, other)` links these only.
#[proc_macro]
pub fn link_plugins(input: TokenStream) -> TokenStream {
    let listed = parse_macro_input!(input as plugins::Listed);
    plugins::expand(listed).unwrap_or_else(syn::Error::into_compile_error).into()
}
