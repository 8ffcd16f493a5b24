//! `#[filter]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemFn, LitStr, ReturnType, Token};

/// What stands in the parentheses.
pub(crate) struct Options {
    name: LitStr,
    signature: Option<LitStr>,
    example: Option<LitStr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: LitStr = input
            .parse()
            .map_err(|error| Error::new(error.span(), "begin with the filter's name, as in #[filter(\"shout\")]"))?;
        // The registry refuses such a name too, but only when the program starts.
        let text = name.value();
        let valid = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !valid {
            return Err(Error::new(name.span(), "a filter's name has lower-case letters, digits and `_`"));
        }
        let mut options = Self { name, signature: None, example: None };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let repeated = match key.to_string().as_str() {
                "signature" => options.signature.replace(input.parse()?).is_some(),
                "example" => options.example.replace(input.parse()?).is_some(),
                _ => return Err(Error::new(key.span(), "unknown option; use signature or example")),
            };
            if repeated {
                return Err(Error::new(key.span(), "this option stands here twice"));
            }
        }
        Ok(options)
    }
}

pub(crate) fn expand(options: &Options, function: &ItemFn) -> syn::Result<TokenStream> {
    let shape = &function.sig;
    let good = shape.asyncness.is_none()
        && shape.generics.params.is_empty()
        && matches!(shape.output, ReturnType::Type(..))
        && shape.inputs.len() == 2
        && shape.inputs.iter().all(|argument| matches!(argument, FnArg::Typed(_)));
    if !good {
        return Err(Error::new(
            shape.span(),
            "a filter is `fn name(input: &Value, args: &FilterArgs) -> Result<Value, FilterError>`",
        ));
    }
    let krate = crate::plugins::core_crate();
    let (ident, name) = (&shape.ident, options.name.value());
    let signature = options.signature.as_ref().map_or_else(|| format!("value | {name}"), LitStr::value);
    let example = options.example.as_ref().map(LitStr::value).unwrap_or_default();
    let doc = crate::action::description_of(&function.attrs);
    Ok(quote! {
        #function

        #krate::register_filter!(#krate::expr::FilterSpec {
            name: #name,
            signature: #signature,
            doc: #doc,
            example: #example,
            function: #ident,
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(options: &str, function: &str) -> String {
        match syn::parse_str::<Options>(options) {
            Ok(options) => expand(&options, &syn::parse_str(function).unwrap()).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_with_a_filter_is_said() {
        let good = "fn f(input: &Value, args: &FilterArgs) -> Result<Value, FilterError> { x }";
        assert!(error_of("", good).starts_with("begin with the filter's name"));
        assert!(error_of("name", good).starts_with("begin with the filter's name"));
        assert!(error_of("\"Shout\"", good).starts_with("a filter's name has"));
        assert!(error_of("\"a\", colour = \"red\"", good).starts_with("unknown option"));
        assert!(error_of("\"a\", example = \"x\", example = \"y\"", good).contains("twice"));
        for bad in ["fn f(input: &Value) -> Value { x }", "fn f(input: &Value, args: &FilterArgs) {}"] {
            assert!(error_of("\"a\"", bad).starts_with("a filter is"), "{bad}");
        }
    }
}
