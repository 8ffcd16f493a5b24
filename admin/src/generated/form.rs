//! The form of a row: adding and changing.

use askama::Template;
use automate_core::audit::AuditOutcome;
use automate_store::resource::{Row, exact_id};
use axum::extract::Path;
use http::StatusCode;
use serde_json::{Map, json};

use super::fields::{Held, Picks, Plan, ROW_VERSION, SectionView};
use super::inlines::{Block, InlineView};
use super::{Here, is_trashed, row};
use crate::control::{Wrong, summary};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Reply, Shell};
use crate::spec::Verb;

/// A link in the head of a row's page.
#[derive(Debug)]
struct Link {
    text: String,
    url: String,
    danger: bool,
}

#[derive(Template)]
#[template(path = "admin/model/form.html")]
struct FormPage {
    shell: Shell,
    noun: String,
    wrong: Vec<Wrong>,
    sections: Vec<SectionView>,
    inlines: Vec<InlineView>,
    links: Vec<Link>,
    version: String,
    saves: bool,
    adds_more: bool,
    save_as: bool,
    is_new: bool,
    trashed: String,
    meta: String,
}

/// The parameters of a form's address, which fill a new row.
pub(super) async fn add(cx: Cx, here: Here) -> Reply {
    let (admin, spec) = (&*here.0, here.0.spec());
    allowed(&cx, admin, Verb::Add, None)?;
    let plan = Plan::of(&cx, admin, None).await?;
    let mut values = admin.initial(&cx, None).await?;
    for slot in plan.writable() {
        // `?author_id=…` fills a field, as a link on another page may want.
        let name = slot.column.name;
        if cx.query().has(name)
            && let Some(value) = slot.read(&cx, name, cx.query(), None, &mut FieldErrors::default())
        {
            values.insert(name.to_owned(), value);
        }
    }
    let blocks = Block::all(&cx, spec, None).await?;
    let page = Page { cx: &cx, admin, row: None, plan, blocks };
    page.show(StatusCode::OK, &values, None, &FieldErrors::default()).await
}

pub(super) async fn change(cx: Cx, here: Here, Path(id): Path<String>) -> Reply {
    let (admin, spec) = (&*here.0, here.0.spec());
    allowed(&cx, admin, Verb::View, None)?;
    let row = row(admin, &cx, exact_id(&id).ok_or(AdminError::NotFound)?).await?;
    allowed(&cx, admin, Verb::View, Some(&row))?;
    if spec.audit_views {
        let entry = cx.entry(&format!("{}.view", spec.model.noun)).about(spec.model.noun, &id);
        cx.state().audit().record(vec![entry]).await?;
    }
    let plan = Plan::of(&cx, admin, Some(&row)).await?;
    let mut values = row.fields.clone();
    values.extend(admin.initial(&cx, Some(&row)).await?);
    let blocks = Block::all(&cx, spec, Some(&row)).await?;
    let page = Page { cx: &cx, admin, row: Some(&row), plan, blocks };
    page.show(StatusCode::OK, &values, None, &FieldErrors::default()).await
}

/// Asks whether somebody may do something with rows, or with this one.
///
/// # Errors
/// `Forbidden`; `NotFound` for a row that they may not even see.
pub(super) fn allowed(cx: &Cx, admin: &dyn AnyAdmin, verb: Verb, row: Option<&Row>) -> Result<(), AdminError> {
    let spec = admin.spec();
    if spec.allows(cx, verb, row) {
        return Ok(());
    }
    if row.is_some() && verb == Verb::View {
        return Err(AdminError::NotFound);
    }
    if !spec.verbs.contains(&verb) {
        return Err(AdminError::NotFound);
    }
    Err(AdminError::Forbidden(spec.model.permission_for(verb.as_str())))
}

/// A form and what it stands over.
pub(super) struct Page<'a> {
    pub(super) cx: &'a Cx,
    pub(super) admin: &'a dyn AnyAdmin,
    pub(super) row: Option<&'a Row>,
    pub(super) plan: Plan,
    pub(super) blocks: Vec<Block<'a>>,
}

impl Page<'_> {
    /// The page: as it is stored, or as it was typed and with what is wrong.
    pub(super) async fn show(
        &self,
        status: StatusCode,
        values: &Map<String, serde_json::Value>,
        posted: Option<&Fields>,
        errors: &FieldErrors,
    ) -> Reply {
        let (cx, spec) = (self.cx, self.admin.spec());
        let slots = self.plan.slots().chain(self.blocks.iter().flat_map(Block::slots));
        let all: Vec<&Map<String, serde_json::Value>> =
            std::iter::once(values).chain(self.blocks.iter().flat_map(Block::values)).collect();
        let picks = Picks::load(cx, slots, &all).await?;
        let sections = self.plan.views(cx, &picks, Held { values, posted }, errors);
        let inlines: Vec<InlineView> = self.blocks.iter().map(|block| block.view(cx, &picks, posted, errors)).collect();
        let fields = sections.iter().flat_map(|section| &section.fields);
        let wrong = summary(errors, fields.chain(inlines.iter().flat_map(|i| i.rows.iter().flat_map(|r| &r.fields))));
        let adds = spec.allows(cx, Verb::Add, None);
        let saves = self.plan.writable().next().is_some() || inlines.iter().any(|i| i.adds || i.deletes);
        let trashed = self.row.is_some_and(|row| is_trashed(self.admin, row));
        let title = match self.row {
            None => format!("Add {}", spec.noun),
            Some(row) => self::title(self.admin, row),
        };
        let version = match (posted.and_then(|posted| posted.get(ROW_VERSION)), self.row) {
            (Some(version), Some(_)) => version.to_owned(),
            (_, row) => row.and_then(|row| row.version).map(|version| version.to_string()).unwrap_or_default(),
        };
        let page = FormPage {
            shell: cx.shell(title).crumb(&spec.plural, spec.url()).refused(!errors.is_empty()),
            noun: spec.noun.clone(),
            wrong,
            sections,
            inlines,
            links: self.links(trashed),
            version,
            saves,
            adds_more: adds && saves,
            save_as: spec.save_as && adds && self.row.is_some(),
            is_new: self.row.is_none(),
            trashed: if trashed { self.url("restore/") } else { String::new() },
            meta: if self.row.is_none() { spec.model.doc.to_owned() } else { String::new() },
        };
        cx.page_with(status, &page)
    }

    fn url(&self, below: &str) -> String {
        let id = self.row.and_then(|row| row.id(self.admin.spec().model)).map(|id| id.to_string());
        format!("{}{}/{below}", self.admin.spec().url(), id.unwrap_or_default())
    }

    fn links(&self, trashed: bool) -> Vec<Link> {
        let (cx, spec) = (self.cx, self.admin.spec());
        let Some(row) = self.row else { return Vec::new() };
        let mut links = Vec::new();
        let operate = spec.row_link.and_then(|link| link(&row.fields));
        if let Some((text, url)) = operate.filter(|(_, url)| crate::nav::may_open(cx, url)) {
            links.push(Link { text, url, danger: false });
        }
        for (text, url) in self.admin.row_links(cx, row) {
            links.push(Link { text, url, danger: false });
        }
        if cx.can("audit.view_entry") {
            links.push(Link { text: "History".to_owned(), url: self.url("history/"), danger: false });
        }
        if spec.allows(cx, Verb::Delete, Some(row)) {
            let text = if trashed { "Delete for good" } else { "Delete" };
            links.push(Link { text: text.to_owned(), url: self.url("delete/"), danger: true });
        }
        links
    }
}

/// What a row is called.
pub(super) fn title(admin: &dyn AnyAdmin, row: &Row) -> String {
    let spec = admin.spec();
    let text = row.fields.get(spec.text).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
    let text = text.map(str::to_owned).or_else(|| row.id(spec.model).map(|id| crate::column::short(&id.to_string())));
    text.map_or_else(|| spec.noun.clone(), |text| text.chars().take(120).collect())
}

/// Tells the audit log of fields that were sent and are not in the form.
pub(super) async fn note_forged(cx: &Cx, admin: &dyn AnyAdmin, id: &str, forged: &[String]) -> Result<(), AdminError> {
    if forged.is_empty() {
        return Ok(());
    }
    let entry = cx.entry("admin.forged_field").about(admin.spec().model.noun, id).outcome(AuditOutcome::Refused);
    Ok(cx.state().audit().record(vec![entry.with(json!({ "fields": forged }))]).await?)
}
