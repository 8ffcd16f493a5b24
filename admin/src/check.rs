//! What is looked at before the admin is served: each fault has a code, and says what to do.

mod list;
pub(crate) mod search;

use std::collections::BTreeSet;
use std::fmt;

use automate_store::resource::ColumnKind;

use crate::column::Shows;
use crate::filter::FilterKind;
use crate::spec::Spec;

/// Something that is wrong with an admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckError {
    /// A stable code, `A001` and so on; `docs/admin.md` lists them.
    pub code: &'static str,
    /// The model whose admin it is.
    pub admin: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}; {}", self.code, self.admin, self.message, self.fix)
    }
}

/// Everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the admin cannot be served: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" / "))]
pub struct CheckErrors(pub Vec<CheckError>);

pub(crate) fn check<'a>(specs: impl Iterator<Item = &'a Spec>) -> Result<(), CheckErrors> {
    let specs: Vec<&Spec> = specs.collect();
    let mut found = Vec::new();
    let mut places = BTreeSet::new();
    for spec in &specs {
        if !places.insert(spec.url()) {
            found.push(fault(
                spec,
                "A001",
                format!("`{}` is taken by another admin", spec.url()),
                "register it once, or give the model other permissions",
            ));
        }
        one(spec, &specs, &mut found);
        list::check(spec, &mut found);
    }
    if found.is_empty() { Ok(()) } else { Err(CheckErrors(found)) }
}

fn fault(spec: &Spec, code: &'static str, message: String, fix: impl Into<String>) -> CheckError {
    CheckError { code, admin: spec.model.name.to_owned(), message, fix: fix.into() }
}

fn one(spec: &Spec, all: &[&Spec], found: &mut Vec<CheckError>) {
    let model = spec.model;
    let hidden = |name: &str| spec.sensitive.contains(&name) || model.column(name).is_some_and(|column| !column.shown);
    let mut keys = BTreeSet::new();
    for column in &spec.list_display {
        if !keys.insert(column.key) {
            found.push(fault(
                spec,
                "A002",
                format!("the list has the column `{}` twice", column.key),
                "name each once",
            ));
        }
        for name in column.needs() {
            match model.column(name) {
                None => found.push(fault(
                    spec,
                    "A002",
                    format!("the list shows `{name}`, which the model has not"),
                    "name a column of the model",
                )),
                Some(_) if hidden(name) => found.push(fault(
                    spec,
                    "A007",
                    format!("the list shows `{name}`, which is shown to nobody"),
                    "take it out of the list",
                )),
                Some(_) => {}
            }
        }
        if let Shows::Related { column: name } = column.shows {
            related(spec, all, name, found);
        }
    }
    for filter in &spec.filters {
        if let FilterKind::Custom(_) = filter.kind {
            continue;
        }
        match model.column(filter.key) {
            Some(_) if hidden(filter.key) => found.push(fault(
                spec,
                "A007",
                format!("a filter asks for `{}`, which is shown to nobody", filter.key),
                "take the filter away",
            )),
            Some(column) if column.filter => {
                if filter.kind == FilterKind::Related {
                    related(spec, all, filter.key, found);
                }
                let wrong = match filter.kind {
                    FilterKind::Date => column.kind != ColumnKind::Time,
                    FilterKind::Range => !matches!(column.kind, ColumnKind::Integer | ColumnKind::Double),
                    _ => false,
                };
                if wrong {
                    found.push(fault(
                        spec,
                        "A002",
                        format!("the filter of `{}` does not fit what the column holds", filter.key),
                        "use `ListFilter::of`",
                    ));
                }
            }
            Some(_) | None => found.push(fault(
                spec,
                "A002",
                format!("a filter asks for `{}`, which the model does not let lists be filtered by", filter.key),
                "add it to `filters` of the model's declaration",
            )),
        }
    }
    if model.tenant.is_some() && spec.tenant.is_some() && model.tenant != spec.tenant {
        found.push(fault(
            spec,
            "A004",
            "the layer `TenantScoped` names another column than the one that the model is scoped by".to_owned(),
            "name the same column in both",
        ));
    }
    if model.tenant.is_none() && spec.tenant.is_some() {
        found.push(fault(
            spec,
            "A004",
            "the layer `TenantScoped` is on a model that belongs to the installation".to_owned(),
            "take `.global()` from the model's declaration, or the layer from the admin",
        ));
    }
    if let Some(name) = spec.deleted_at {
        let fits = model.column(name).is_some_and(|c| c.kind == ColumnKind::Time && c.nullable && c.filter);
        if !fits {
            found.push(fault(
                spec,
                "A005",
                format!("`{name}` cannot say since when a row is in the trash"),
                "it must be a time, nullable, and among the model's `filters`",
            ));
        }
    }
    for action in &spec.actions {
        if action.permission.is_empty() {
            found.push(fault(
                spec,
                "A006",
                format!("the action `{}` takes no permission", action.key),
                "name the permission that it takes",
            ));
        }
    }
    for name in spec.export.iter().flatten() {
        if hidden(name) {
            found.push(fault(
                spec,
                "A007",
                format!("the export has `{name}`, which is shown to nobody"),
                "take it out of the export",
            ));
        }
    }
    for inline in &spec.inlines {
        let theirs = inline.model.column(inline.foreign_key).map(|column| column.kind);
        let ours = model.column(model.key).map(|column| column.kind);
        if theirs.is_none() || theirs != ours {
            found.push(fault(
                spec,
                "A008",
                format!("`{}` of {} does not name a row of {}", inline.foreign_key, inline.model.name, model.name),
                "name the column that holds the key",
            ));
        }
    }
    let written =
        spec.fieldsets.iter().flat_map(|set| set.fields.iter().copied()).chain(spec.list_editable.iter().copied());
    for name in written {
        if model.column(name).is_none() || hidden(name) {
            found.push(fault(
                spec,
                "A009",
                format!("the form has `{name}`, which is shown to nobody"),
                "take it out of the form",
            ));
        }
    }
    for name in &spec.list_editable {
        if model.column(name).is_some_and(|column| !column.on_update) || model.version.is_none() {
            found.push(fault(
                spec,
                "A009",
                format!("`{name}` cannot be changed in the list"),
                "make it `writable` in the model's declaration, and give the table a `row_version`",
            ));
        }
    }
    if !spec.fieldsets.is_empty() && spec.verbs.contains(&crate::spec::Verb::Add) {
        let shown: BTreeSet<&str> = spec.fieldsets.iter().flat_map(|set| set.fields.iter().copied()).collect();
        for column in model.columns.iter().filter(|c| c.on_create && !c.optional && !shown.contains(c.name)) {
            found.push(fault(
                spec,
                "A012",
                format!("`{}` is needed and not in the form", column.name),
                "add it to a fieldset, or make it optional",
            ));
        }
    }
}

fn related(spec: &Spec, all: &[&Spec], name: &str, found: &mut Vec<CheckError>) {
    let Some(target) = spec.model.column(name).and_then(|column| column.references) else {
        let fix = "say which model it names: `references` in the model's declaration";
        found.push(fault(spec, "A003", format!("`{name}` names no row of another model"), fix));
        return;
    };
    let admin = all.iter().find(|other| std::ptr::eq(other.model, target));
    if admin.is_none_or(|admin| !admin.search) {
        let fix = format!("register an admin for `{}` whose model declares `search`", target.name);
        found.push(fault(spec, "A003", format!("rows of `{}` cannot be picked", target.name), fix));
    }
}
