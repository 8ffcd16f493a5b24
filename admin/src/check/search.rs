//! What is looked at in searches, with the database: it is told of, and keeps nobody from starting.

use automate_core::limits;
use automate_store::resource::{ResourceError, Resources, SlowSearch};

use super::{CheckError, fault};
use crate::spec::Spec;

/// Searches of lists that read a whole table, which is large.
pub(crate) async fn check(
    resources: &Resources,
    specs: impl Iterator<Item = &Spec>,
) -> Result<Vec<CheckError>, ResourceError> {
    let mut found = Vec::new();
    for spec in specs.filter(|spec| spec.search) {
        if let Some(slow) = resources.slow_search(spec.model, limits::SEARCHED_ROWS).await? {
            found.push(fault(spec, "A010", told(&slow), todo(&slow)));
        }
    }
    Ok(found)
}

fn told(slow: &SlowSearch) -> String {
    let columns: Vec<String> = slow.columns.iter().map(|column| format!("`{column}`")).collect();
    let has = if columns.len() == 1 { "has" } else { "have" };
    format!(
        "a search reads all of the about {} rows of `{}`: {} {has} no index that finds parts of texts",
        slow.rows,
        slow.model.table,
        columns.join(", ")
    )
}

fn todo(slow: &SlowSearch) -> String {
    let less = "take them out of `search` of the model's declaration";
    if !slow.can_index {
        return format!("{less}, or take PostgreSQL, which can have such an index");
    }
    let indexed: Vec<String> = slow.columns.iter().map(|column| format!("{column} gin_trgm_ops")).collect();
    let table = slow.model.table;
    format!(
        "let a superuser of the database run `CREATE EXTENSION IF NOT EXISTS pg_trgm`, then make the index: `CREATE INDEX \
         CONCURRENTLY ON {table} USING gin ({})`; or {less}",
        indexed.join(", ")
    )
}
