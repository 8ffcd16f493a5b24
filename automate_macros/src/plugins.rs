//! `link_plugins!`.
//!
//! The macro runs inside the compiler, whose arguments say exactly which crates the one being
//! compiled depends on: after features, targets and renames, with development dependencies only
//! where there are any. Asking Cargo (`cargo metadata`) would be slower and needs packages of other
//! platforms to be downloaded, so that it fails offline.

use std::path::Path;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Token};

/// Crates named in the call; empty for all direct dependencies.
pub(crate) struct Listed(Vec<Ident>);

impl Parse for Listed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self(Punctuated::<Ident, Token![,]>::parse_terminated(input)?.into_iter().collect()))
    }
}

pub(crate) fn expand(listed: Listed) -> syn::Result<TokenStream> {
    let Listed(mut crates) = listed;
    if crates.is_empty() {
        let arguments = compiler_arguments();
        // An editor expands macros in a process of its own, which links nothing.
        if !arguments.iter().any(|argument| argument == "--crate-name") {
            return Ok(TokenStream::new());
        }
        crates = dependencies(&arguments).iter().filter_map(|name| ident(name)).collect();
        if crates.is_empty() {
            return Err(Error::new(
                Span::call_site(),
                "the compiler names no dependency; name the plugins, as in link_plugins!(connector_acme)",
            ));
        }
    }
    Ok(quote! { #(extern crate #crates as _;)* })
}

/// How the crate being compiled names `automate_connectors`: by itself where it depends on it, else
/// through the facade.
pub(crate) fn connectors_crate() -> TokenStream {
    let dependencies = dependencies(&compiler_arguments());
    let has = |name: &str| dependencies.iter().any(|dependency| dependency == name);
    if has("automate") && !has("automate_connectors") {
        quote! { ::automate::connectors }
    } else {
        quote! { ::automate_connectors }
    }
}

/// The arguments of this process, with the files of long ones (`@path`) read in.
fn compiler_arguments() -> Vec<String> {
    let mut arguments = Vec::new();
    for argument in std::env::args() {
        match argument.strip_prefix('@').map(std::fs::read_to_string) {
            Some(Ok(text)) => arguments.extend(text.lines().map(str::to_owned)),
            _ => arguments.push(argument),
        }
    }
    arguments
}

/// The crates of `--extern [options:]name=path`, sorted; macros, which are linked into the compiler
/// and not into the program, are left out.
fn dependencies(arguments: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = match argument.as_str() {
            "--extern" => rest.next().map(String::as_str),
            other => other.strip_prefix("--extern="),
        };
        let Some((name, path)) = value.and_then(|value| value.split_once('=')) else { continue };
        let name = name.rsplit(':').next().unwrap_or(name);
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("rlib" | "rmeta")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

fn ident(name: &str) -> Option<Ident> {
    syn::parse_str(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_linked_and_macros_are_not() {
        let arguments = [
            "rustc",
            "--crate-name",
            "app",
            "--extern",
            "connector_acme=/t/libconnector_acme-1.rmeta",
            "--extern=plain=/t/libplain-2.rlib",
            "--extern",
            "noprelude:std=/t/libstd-3.rlib",
            "--extern",
            "serde_derive=/t/libserde_derive-4.so",
            "--extern",
            "proc_macro",
            "-L",
            "dependency=/t",
        ];
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        assert_eq!(dependencies(&arguments), ["connector_acme", "plain", "std"]);
        assert!(dependencies(&["rustc".to_owned()]).is_empty());
    }

    #[test]
    fn listed_crates_are_linked_and_nobody_is_asked() {
        let listed = syn::parse_str::<Listed>("connector_acme, other,").unwrap();
        let text = expand(listed).unwrap().to_string();
        assert_eq!(text, "extern crate connector_acme as _ ; extern crate other as _ ;");
    }
}
