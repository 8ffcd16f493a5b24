//! `link_plugins!`.

use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use serde_json::Value;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Token};

/// Crates named in the call; empty to look them up.
pub(crate) struct Listed(Vec<Ident>);

impl Parse for Listed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self(Punctuated::<Ident, Token![,]>::parse_terminated(input)?.into_iter().collect()))
    }
}

pub(crate) fn expand(listed: Listed) -> syn::Result<TokenStream> {
    let Listed(listed) = listed;
    if !listed.is_empty() {
        return Ok(quote! { #(extern crate #listed as _;)* });
    }
    let at_call = |text: String| Error::new(Span::call_site(), text);
    let folder = std::env::var("CARGO_MANIFEST_DIR")
        .map_err(|_| at_call("link_plugins! needs Cargo; name the crates, as in link_plugins!(connector_acme)".into()))?;
    let manifest = Path::new(&folder).join("Cargo.toml");
    let metadata = metadata(&manifest).map_err(at_call)?;
    let crates: Vec<Ident> =
        plugins_of(&metadata, &manifest).into_iter().map(|name| Ident::new(&name, Span::call_site())).collect();
    let manifest = manifest.to_string_lossy();
    Ok(quote! {
        #(extern crate #crates as _;)*
        // Makes the compiler look at the manifest again when it changes.
        const _: &[u8] = include_bytes!(#manifest);
    })
}

/// What Cargo knows of the package and its dependencies. By now everything is downloaded and
/// locked, so that the network is not needed.
fn metadata(manifest: &Path) -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", "--manifest-path"])
        .arg(manifest)
        .output()
        .map_err(|error| format!("link_plugins! could not run `cargo metadata`: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("link_plugins!: `cargo metadata` failed: {}", reason.trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("link_plugins!: `cargo metadata` gave no JSON: {error}"))
}

/// The names by which the package can refer to those of its dependencies that are plugins, sorted.
fn plugins_of(metadata: &Value, manifest: &Path) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let same_file = |path: &Value| path.as_str().is_some_and(|path| canonical(Path::new(path)) == canonical(manifest));
    let Some(own) = packages.iter().find(|package| same_file(&package["manifest_path"])) else { return Vec::new() };
    let declared = list(&own["metadata"]["automate"]["plugins"]);
    let optional: Vec<Value> = list(&own["dependencies"])
        .into_iter()
        .filter(|dependency| dependency["optional"] == true)
        .map(|dependency| dependency["name"].clone())
        .collect();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let Some(node) = nodes.iter().find(|node| node["id"] == own["id"]) else { return Vec::new() };
    let mut names: Vec<String> = list(&node["deps"])
        .iter()
        .filter(|dependency| {
            // Normal dependencies on every target have neither kind nor target.
            list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null() && kind["target"].is_null())
        })
        .filter(|dependency| {
            packages.iter().any(|package| {
                package["id"] == dependency["pkg"]
                    && !optional.contains(&package["name"])
                    && (package["metadata"]["automate"]["plugin"] == true || declared.contains(&package["name"]))
            })
        })
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dependencies_that_declare_themselves_or_are_declared_are_plugins() {
        let package = |name: &str, metadata: Value| json!({
            "id": name, "name": name, "manifest_path": format!("/nowhere/{name}/Cargo.toml"), "metadata": metadata,
            "dependencies": [],
        });
        let plugin = json!({ "automate": { "plugin": true } });
        let mut app = package("app", json!({ "automate": { "plugins": ["declared"] } }));
        app["dependencies"] = json!([{ "name": "maybe", "optional": true }]);
        let dep = |name: &str, pkg: &str, kind: Value| json!({
            "name": name, "pkg": pkg, "dep_kinds": [{ "kind": kind, "target": null }],
        });
        let metadata = json!({
            "packages": [
                app,
                package("connector-acme", plugin.clone()), package("declared", Value::Null),
                package("plain", Value::Null), package("maybe", plugin.clone()), package("dev", plugin),
            ],
            "resolve": { "nodes": [{ "id": "app", "deps": [
                dep("renamed", "connector-acme", Value::Null), dep("declared", "declared", Value::Null),
                dep("plain", "plain", Value::Null), dep("maybe", "maybe", Value::Null), dep("dev", "dev", json!("dev")),
            ] }] },
        });
        assert_eq!(plugins_of(&metadata, Path::new("/nowhere/app/Cargo.toml")), ["declared", "renamed"]);
        assert!(plugins_of(&metadata, Path::new("/nowhere/other/Cargo.toml")).is_empty());
    }
}
