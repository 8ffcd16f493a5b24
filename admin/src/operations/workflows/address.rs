//! Addresses of workflows' pages. A workflow may have a name that an address of another page has; an `=`
//! before it tells them apart.

/// Words that addresses below `/admin/workflows/` mean something else with.
const TAKEN: &[&str] = &["workflow", "version", "trigger", "new"];

/// Where a workflow's pages are, with the `/` at the end.
pub(crate) fn url_of(slug: &str) -> String {
    let mark = if TAKEN.contains(&slug) { "=" } else { "" };
    format!("/admin/workflows/{mark}{slug}/")
}

/// The slug that an address means.
pub(crate) fn slug_of(segment: &str) -> &str {
    segment.strip_prefix('=').unwrap_or(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_named_like_a_page_is_found() {
        assert_eq!(url_of("orders"), "/admin/workflows/orders/");
        assert_eq!(url_of("version"), "/admin/workflows/=version/");
        assert_eq!(slug_of("=version"), "version");
        assert_eq!(slug_of("orders"), "orders");
    }
}
