//! What a model is.

use automate_core::limits;
use sea_orm::sea_query::StringLen;
use sea_orm::{ColumnDef, ColumnTrait, ColumnType, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn};

/// What a column holds, as JSON shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A UUID, as text.
    Uuid,
    /// Text.
    Text,
    /// JSON, stored as text.
    Json,
    /// A number of 16, 32 or 64 bits: [`Column::bits`].
    Integer,
    /// A double.
    Double,
    /// True or false.
    Boolean,
    /// A time: RFC 3339 in UTC.
    Time,
    /// Bytes, as base64.
    Bytes,
}

/// A column and what may be done with it.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name in the database, in JSON and in parameters.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// The bits of an integer: 16, 32 or 64.
    pub bits: u32,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether anybody is shown it.
    pub shown: bool,
    /// Whether whoever creates a row gives it.
    pub on_create: bool,
    /// Whether whoever changes a row may change it.
    pub on_update: bool,
    /// Whether a row can be created without it; it is null, or set by a hook, then.
    pub optional: bool,
    /// Whether lists can be filtered by it.
    pub filter: bool,
    /// Whether lists can be ordered by it.
    pub order: bool,
    /// Whether `search` looks into it.
    pub search: bool,
    /// The words that it takes, where it takes no others.
    pub choices: &'static [&'static str],
    /// Those of its words that a partial index is for: SQLite takes such an index only where its condition
    /// stands in the statement.
    pub indexed: &'static [&'static str],
    /// Whether it is a name: something that people tell apart by looking at it, such as an address
    /// or a slug. What looks like another name, or like nothing, is refused.
    pub name_like: bool,
    /// Whether it may be long: lists leave it out unless `fields` names it.
    pub detail: bool,
    /// The model whose row it names: a row of that key must be there, in the same tenant.
    pub references: Option<&'static Model>,
    /// Whether the table has it. What it does not have is an input that hooks are given, such as a
    /// password.
    pub stored: bool,
    /// Characters of a text, or bytes of JSON, at most.
    pub max_length: usize,
    /// The permission that shows it; without, it is null. Each row shown with it is audited.
    pub needs: Option<&'static str>,
    /// What it means, for documents.
    pub doc: &'static str,
}

impl Column {
    /// A column that is shown, and with which nothing may be done.
    #[must_use]
    pub const fn plain(name: &'static str, kind: ColumnKind) -> Self {
        Self {
            name,
            kind,
            bits: 64,
            nullable: false,
            shown: true,
            on_create: false,
            on_update: false,
            optional: false,
            filter: false,
            order: false,
            search: false,
            choices: &[],
            indexed: &[],
            name_like: false,
            detail: false,
            references: None,
            stored: true,
            max_length: limits::FIELD_CHARS,
            needs: None,
            doc: "",
        }
    }

    /// As the entity defines it.
    fn of(name: &'static str, definition: &ColumnDef) -> Self {
        let kind = kind_of(definition.get_column_type());
        Self {
            bits: bits_of(definition.get_column_type()),
            max_length: length_of(definition.get_column_type()),
            nullable: definition.is_null(),
            optional: definition.is_null(),
            ..Self::plain(name, kind)
        }
    }
}

/// A related model that a row can be shown with: `?expand=NAME`.
#[derive(Debug, Clone)]
pub struct Expansion {
    /// Its name, and the field that it fills.
    pub name: &'static str,
    /// The related model.
    pub model: &'static Model,
    /// Our column and theirs: rows where both are equal belong together.
    pub on: (&'static str, &'static str),
    /// Whether there are several; they are an array then, in the order of `order`.
    pub many: bool,
    /// The related column that orders them.
    pub order: &'static str,
}

/// A model: a table and what may be done with its rows.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name in addresses and scopes: `executions`.
    pub name: &'static str,
    /// One row of it, in the audit log and in sentences: `execution`.
    pub noun: &'static str,
    /// The app of its permissions: `executions` of `executions.view_execution`.
    pub app: &'static str,
    /// The model of its permissions: `execution` of `executions.view_execution`.
    pub permission: &'static str,
    /// The table.
    pub table: &'static str,
    /// The primary key; of several columns, the first.
    pub key: &'static str,
    /// All columns of the primary key.
    pub keys: Vec<&'static str>,
    /// The column that holds the tenant. A model without one belongs to the installation, and only
    /// superusers see it.
    pub tenant: Option<&'static str>,
    /// The column that grows with each change, for `ETag` and `If-Match`.
    pub version: Option<&'static str>,
    /// The columns that the service itself sets, where the table has them.
    pub created_at: Option<&'static str>,
    /// As `created_at`, on each change.
    pub updated_at: Option<&'static str>,
    /// The column of times that the key tells as well, as ids of version 7 do: orders by it and bounds
    /// of it are those of the key, whose index serves them.
    pub time_of_key: Option<&'static str>,
    /// The order where none is asked for: a column and whether it goes down. The key comes last
    /// always, so that the order is whole.
    pub ordering: Vec<(&'static str, bool)>,
    /// The columns.
    pub columns: Vec<Column>,
    /// What rows can be shown with.
    pub expansions: Vec<Expansion>,
    /// What it is, for documents.
    pub doc: &'static str,
}

impl Model {
    /// Begins the declaration of a model over an entity. Every column is shown and none may be
    /// written, filtered, ordered or searched; the key orders lists, newest first.
    ///
    /// What the names of columns tell is taken from them: `tenant_id`, `row_version`, `created_at`,
    /// `updated_at`.
    #[must_use]
    pub fn of<E: EntityTrait>(name: &'static str, noun: &'static str) -> ModelBuilder<E> {
        // As little as can be is generic: it is compiled anew for each entity.
        let mut columns = Vec::new();
        for column in E::Column::iter() {
            columns.push(Column::of(column.as_str(), &column.def()));
        }
        let mut keys = Vec::new();
        for key in E::PrimaryKey::iter() {
            keys.push(key.into_column().as_str());
        }
        let model = Self::with(name, noun, E::default().table_name().to_owned(), columns, keys);
        ModelBuilder { model, entity: std::marker::PhantomData }
    }

    fn with(
        name: &'static str,
        noun: &'static str,
        table: String,
        columns: Vec<Column>,
        keys: Vec<&'static str>,
    ) -> Self {
        let find = |wanted: &str| columns.iter().map(|c| c.name).find(|name| *name == wanted);
        let key = keys.first().copied().unwrap_or("id");
        Self {
            name,
            noun,
            app: name,
            permission: noun,
            table: Box::leak(table.into_boxed_str()),
            key,
            keys,
            tenant: find("tenant_id"),
            version: find("row_version"),
            created_at: find("created_at"),
            updated_at: find("updated_at"),
            time_of_key: None,
            ordering: vec![(key, true)],
            columns,
            expansions: Vec::new(),
            doc: "",
        }
    }

    fn set(&mut self, name: &str, set: &dyn Fn(&mut Column)) {
        self.columns.iter_mut().filter(|column| column.name == name).for_each(set);
    }

    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The permission for a verb: `view`, `add`, `change` or `delete`.
    #[must_use]
    pub fn permission_for(&self, verb: &str) -> String {
        format!("{}.{verb}_{}", self.app, self.permission)
    }
}

/// Declares a [`Model`] with the entity's own columns, so that a wrong name does not compile.
#[derive(Debug)]
pub struct ModelBuilder<E: EntityTrait> {
    model: Model,
    entity: std::marker::PhantomData<E>,
}

impl<E: EntityTrait> ModelBuilder<E> {
    fn each(mut self, columns: &[E::Column], set: &dyn Fn(&mut Column)) -> Self {
        for column in columns {
            self.model.set(column.as_str(), set);
        }
        self
    }

    /// Whose permissions rule: `app.view_model` and so on.
    #[must_use]
    pub fn permissions(mut self, app: &'static str, model: &'static str) -> Self {
        (self.model.app, self.model.permission) = (app, model);
        self
    }

    /// What it is, for documents.
    #[must_use]
    pub fn doc(mut self, doc: &'static str) -> Self {
        self.model.doc = doc;
        self
    }

    /// Columns that lists can be filtered by.
    #[must_use]
    pub fn filters(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.filter = true)
    }

    /// Columns that lists can be ordered by.
    #[must_use]
    pub fn orderings(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.order = true)
    }

    /// The column of the time at which a row's key, an id of version 7, was made.
    #[must_use]
    pub fn time_of_key(mut self, column: E::Column) -> Self {
        self.model.time_of_key = Some(column.as_str());
        self
    }

    /// Columns that `search` looks into.
    #[must_use]
    pub fn search(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.search = true)
    }

    /// Columns that are given when a row is created and may be changed later.
    #[must_use]
    pub fn writable(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| (column.on_create, column.on_update) = (true, true))
    }

    /// Columns that are given when a row is created and stay.
    #[must_use]
    pub fn on_create(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.on_create = true)
    }

    /// Columns that a row can be created without, though they are not null: a hook fills them in.
    #[must_use]
    pub fn optional(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.optional = true)
    }

    /// Columns that nobody is shown.
    #[must_use]
    pub fn hidden(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.shown = false)
    }

    /// Text columns that hold JSON.
    #[must_use]
    pub fn json(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| {
            (column.kind, column.max_length) = (ColumnKind::Json, limits::FIELD_JSON_BYTES)
        })
    }

    /// Columns that are shown to those with a permission only.
    #[must_use]
    pub fn needs(self, permission: &'static str, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.needs = Some(permission))
    }

    /// The words that a column takes.
    #[must_use]
    pub fn choices(self, column: E::Column, choices: &'static [&'static str]) -> Self {
        self.each(&[column], &|column| column.choices = choices)
    }

    /// Those of a column's words that a partial index is for.
    #[must_use]
    pub fn indexed(self, column: E::Column, words: &'static [&'static str]) -> Self {
        self.each(&[column], &|column| column.indexed = words)
    }

    /// The characters of a column, at most.
    #[must_use]
    pub fn max_length(self, column: E::Column, characters: usize) -> Self {
        self.each(&[column], &|column| column.max_length = characters)
    }

    /// Columns that are names: see [`Column::name_like`].
    #[must_use]
    pub fn names(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.name_like = true)
    }

    /// Columns that may be long: lists leave them out unless `fields` names them.
    #[must_use]
    pub fn detail(self, columns: impl AsRef<[E::Column]>) -> Self {
        self.each(columns.as_ref(), &|column| column.detail = true)
    }

    /// A column that names a row of another model, which must be there, in the same tenant.
    #[must_use]
    pub fn references(self, column: E::Column, model: &'static Model) -> Self {
        self.each(&[column], &|column| column.references = Some(model))
    }

    /// What a column means, for documents.
    #[must_use]
    pub fn describe(self, column: E::Column, doc: &'static str) -> Self {
        self.each(&[column], &|column| column.doc = doc)
    }

    /// An input that the table has no column for: hooks are given it in
    /// [`before_save`](super::ResourceHooks::before_save), and it is shown to nobody.
    #[must_use]
    pub fn input(mut self, input: Column) -> Self {
        self.model.columns.push(Column {
            stored: false,
            shown: false,
            filter: false,
            order: false,
            search: false,
            ..input
        });
        self
    }

    /// The order where none is asked for.
    #[must_use]
    pub fn ordering(mut self, column: E::Column, descending: bool) -> Self {
        self.model.ordering = vec![(column.as_str(), descending)];
        self
    }

    /// A model of the installation, whatever its columns are called.
    #[must_use]
    pub fn global(mut self) -> Self {
        self.model.tenant = None;
        self
    }

    /// Something that rows can be shown with.
    #[must_use]
    pub fn expansion(mut self, expansion: Expansion) -> Self {
        self.model.expansions.push(expansion);
        self
    }

    /// The model.
    #[must_use]
    pub fn build(self) -> Model {
        self.model
    }
}

fn bits_of(column: &ColumnType) -> u32 {
    match column {
        ColumnType::TinyInteger | ColumnType::SmallInteger | ColumnType::TinyUnsigned | ColumnType::SmallUnsigned => 16,
        ColumnType::Integer | ColumnType::Unsigned => 32,
        _ => 64,
    }
}

/// The characters that the entity gives a text, as `column_type = "String(StringLen::N(80))"` does.
fn length_of(column: &ColumnType) -> usize {
    let declared = match column {
        ColumnType::String(StringLen::N(length)) | ColumnType::Char(Some(length)) => usize::try_from(*length).ok(),
        _ => None,
    };
    declared.unwrap_or(limits::FIELD_CHARS)
}

fn kind_of(column: &ColumnType) -> ColumnKind {
    match column {
        ColumnType::Uuid => ColumnKind::Uuid,
        ColumnType::TinyInteger
        | ColumnType::SmallInteger
        | ColumnType::Integer
        | ColumnType::BigInteger
        | ColumnType::TinyUnsigned
        | ColumnType::SmallUnsigned
        | ColumnType::Unsigned
        | ColumnType::BigUnsigned => ColumnKind::Integer,
        ColumnType::Float | ColumnType::Double => ColumnKind::Double,
        ColumnType::Boolean => ColumnKind::Boolean,
        ColumnType::DateTime | ColumnType::Timestamp | ColumnType::TimestampWithTimeZone => ColumnKind::Time,
        ColumnType::Blob | ColumnType::Binary(_) | ColumnType::VarBinary(_) => ColumnKind::Bytes,
        ColumnType::Json | ColumnType::JsonBinary => ColumnKind::Json,
        _ => ColumnKind::Text,
    }
}
