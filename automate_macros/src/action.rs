//! `#[action]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, ItemFn, LitStr, PathArguments, ReturnType, Token, Type,
};

/// What stands in the parentheses.
#[derive(Default)]
pub(crate) struct Options {
    name: Option<LitStr>,
    title: Option<LitStr>,
    effect: Option<Ident>,
    timeout: Option<LitStr>,
    example: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let repeated = match key.to_string().as_str() {
                "name" => options.name.replace(input.parse()?).is_some(),
                "title" => options.title.replace(input.parse()?).is_some(),
                "effect" => options.effect.replace(input.parse()?).is_some(),
                "timeout" => options.timeout.replace(input.parse()?).is_some(),
                "example" => options.example.replace(input.parse()?).is_some(),
                _ => return Err(Error::new(key.span(), "unknown option; use name, title, effect, timeout or example")),
            };
            if repeated {
                return Err(Error::new(key.span(), "this option stands here twice"));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

pub(crate) fn expand(options: Options, function: ItemFn) -> syn::Result<TokenStream> {
    let signature = &function.sig;
    let ident = &signature.ident;
    let shape = "an action is `async fn name(ctx: &ActionContext, input: Input) -> Result<Output>`";
    if signature.asyncness.is_none() || !signature.generics.params.is_empty() || signature.inputs.len() != 2 {
        return Err(Error::new(signature.span(), shape));
    }
    let input = match &signature.inputs[1] {
        FnArg::Typed(argument) => &argument.ty,
        FnArg::Receiver(receiver) => return Err(Error::new(receiver.span(), shape)),
    };
    let output = output_of(&signature.output).ok_or_else(|| Error::new(signature.output.span(), shape))?;

    let name = options.name.map_or_else(|| ident.to_string(), |name| name.value());
    let title = options.title.map_or_else(|| in_words(&name), |title| title.value());
    let description = description_of(&function.attrs);
    let effect = effect_of(options.effect.as_ref(), ident)?;
    let timeout = match &options.timeout {
        Some(text) => {
            let millis = millis_of(text)?;
            quote! { .timeout(::core::time::Duration::from_millis(#millis)) }
        }
        None => TokenStream::new(),
    };
    let example = options.example.map(|example| quote! { .example(#example) });
    let visibility = &function.vis;
    let krate = crate::plugins::connectors_crate();
    Ok(quote! {
        #function

        // A struct with braces lives among the types only, so that it can have the function's name.
        #[doc(hidden)]
        #[allow(non_camel_case_types, clippy::allow_attributes)]
        #visibility struct #ident {}

        impl #ident {
            /// The action, for `Connector::typed_actions`.
            #visibility const ACTION: #krate::TypedAction = #krate::TypedAction::new(
                #name,
                || {
                    #krate::ActionSpec::new(#name, #title, #krate::Effect::#effect)
                        .description(#description)
                        .schemas(
                            #krate::base::input_schema::<#input>(),
                            #krate::base::output_schema::<#output>(),
                        )
                        #timeout
                        #example
                },
                |ctx, input| ::std::boxed::Box::pin(
                    #krate::base::run_typed(input, move |input: #input| #ident(ctx, input))
                ),
            );
        }
    })
}

/// `T` of `Result<T>` or `Result<T, E>`.
fn output_of(output: &ReturnType) -> Option<&Type> {
    let ReturnType::Type(_, output) = output else { return None };
    let Type::Path(path) = output.as_ref() else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

fn effect_of(effect: Option<&Ident>, function: &Ident) -> syn::Result<Ident> {
    const SAY: &str = "say what the action does to the world: `effect = pure` (nothing), `effect = idempotent` (may be \
                       repeated with the same idempotency key) or `effect = once` (must not be repeated)";
    let effect = effect.ok_or_else(|| Error::new(function.span(), SAY))?;
    let variant = match effect.to_string().as_str() {
        "pure" => "Pure",
        "idempotent" => "Idempotent",
        "once" => "Once",
        _ => return Err(Error::new(effect.span(), SAY)),
    };
    Ok(Ident::new(variant, effect.span()))
}

fn millis_of(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &value[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    digits.parse::<u64>().ok().filter(|number| *number > 0).and_then(|number| number.checked_mul(factor?)).ok_or_else(
        || Error::new(text.span(), "a timeout is a whole number with its unit, as \"500ms\", \"30s\" or \"5m\""),
    )
}

/// The doc comment as one text, lines of a paragraph joined.
fn description_of(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        let syn::Meta::NameValue(pair) = &attribute.meta else { continue };
        let Expr::Lit(literal) = &pair.value else { continue };
        let (true, syn::Lit::Str(line)) = (pair.path.is_ident("doc"), &literal.lit) else { continue };
        let line = line.value();
        let line = line.trim();
        if line.is_empty() {
            text.push_str("\n\n");
        } else {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push(' ');
            }
            text.push_str(line);
        }
    }
    text.trim().to_owned()
}

/// `post_message` as `Post message`.
fn in_words(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(options: &str, function: &str) -> String {
        let options = match syn::parse_str::<Options>(options) {
            Ok(options) => options,
            Err(error) => return error.to_string(),
        };
        expand(options, syn::parse_str(function).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_is_said() {
        let good = "async fn f(ctx: &ActionContext, input: In) -> Result<Out> { todo() }";
        assert!(error_of("", good).starts_with("say what the action does to the world"));
        assert!(error_of("effect = often", good).starts_with("say what the action does to the world"));
        assert!(error_of("effect = pure, effect = pure", good).contains("twice"));
        assert!(error_of("colour = \"red\"", good).starts_with("unknown option"));
        assert!(error_of("effect = pure, timeout = \"5\"", good).contains("with its unit"));
        assert!(error_of("effect = pure, timeout = \"0s\"", good).contains("with its unit"));
        for bad in [
            "fn f(ctx: &ActionContext, input: In) -> Result<Out> { x }",
            "async fn f(ctx: &ActionContext) -> Result<Out> { x }",
            "async fn f(ctx: &ActionContext, input: In) { x }",
            "async fn f<T>(ctx: &ActionContext, input: T) -> Result<Out> { x }",
        ] {
            assert!(error_of("effect = pure", bad).starts_with("an action is"), "{bad}");
        }
    }

    #[test]
    fn a_doc_comment_becomes_paragraphs_and_a_name_words() {
        let function: ItemFn = syn::parse_str("/// One\n/// line.\n///\n/// Two.\nasync fn f() {}").unwrap();
        assert_eq!(description_of(&function.attrs), "One line.\n\nTwo.");
        assert_eq!(in_words("post_message"), "Post message");
    }
}
