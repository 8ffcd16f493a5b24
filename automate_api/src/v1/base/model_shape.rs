//! The shapes of a model's rows, from its columns.

use automate_core::limits;
use automate_store::resource::{Column, ColumnKind, Model, ParameterDoc};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOf, Array, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};

use super::faces::Faces;
use super::parameter::{Parameter, ParameterKind};
use super::shape::Shape;

/// `workflow_version` as `WorkflowVersion`.
pub(super) fn type_name(noun: &str) -> String {
    let words = noun.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// A row as it is shown. No member is required: `fields` leaves out what it does not name.
pub(super) fn shown(model: &Model, faces: &Faces) -> Shape {
    if let Some((shape, _)) = &faces.read {
        return shape.clone();
    }
    let replaced = |name: &str| faces.without.iter().any(|n| n == name) || faces.extra.iter().any(|(n, _)| n == name);
    let mut object = columns(model, replaced);
    let mut parts = Vec::new();
    for expansion in model.expansions.iter().filter(|expansion| !replaced(expansion.name)) {
        // A related row is as its columns are, whatever its own view makes of it, and has no rows in it.
        let name = format!("Related{}", type_name(expansion.model.noun));
        let only =
            columns(expansion.model, |_| false).additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let shape = Shape::named(name, Schema::Object(only.build()));
        object = object.property(expansion.name, related(&shape, expansion.many));
        parts.push(shape);
    }
    for (name, shape) in &faces.extra {
        object = object.property(name, shape.reference());
        parts.push(shape.clone());
    }
    object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Shape::named(type_name(model.noun), Schema::Object(object.build())).with_parts(&parts)
}

fn columns(model: &Model, replaced: impl Fn(&str) -> bool) -> ObjectBuilder {
    let object = Object::builder().schema_type(Type::Object).description(described(model.doc));
    let shown = model.columns.iter().filter(|column| column.shown && column.stored && !replaced(column.name));
    shown.fold(object, |object, column| {
        object.property(column.name, column_schema(column, column.nullable || column.needs.is_some()))
    })
}

fn related(shape: &Shape, many: bool) -> RefOr<Schema> {
    if many {
        return RefOr::T(Schema::Array(Array::new(shape.reference())));
    }
    let null = Object::builder().schema_type(Type::Null).build();
    RefOr::T(Schema::AnyOf(AnyOf::builder().item(shape.reference()).item(Schema::Object(null)).build()))
}

/// A page of a list.
pub(super) fn page(model: &Model, item: &Shape) -> Shape {
    let cursor = |doc: &str| {
        Object::builder()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
            .description(Some(doc.to_owned()))
            .build()
    };
    let count = Object::builder()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .description(Some("All rows that match, where `count=true` asked for it."))
        .build();
    let object = Object::builder()
        .schema_type(Type::Object)
        .property("results", Schema::Array(Array::new(item.reference())))
        .required("results")
        .property("next", Schema::Object(cursor("The cursor of the page behind this one; null on the last.")))
        .required("next")
        .property("previous", Schema::Object(cursor("The cursor of the page before this one; null on the first.")))
        .required("previous")
        .property("count", Schema::Object(count))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Shape::named(format!("{}Page", type_name(model.noun)), Schema::Object(object.build())).with_parts([item])
}

/// What a new row is given.
pub(super) fn created(model: &Model) -> Shape {
    written(model, "Create", |column| column.on_create, |column| !column.optional && !column.nullable)
}

/// What of a row is changed.
pub(super) fn updated(model: &Model) -> Shape {
    written(model, "Update", |column| column.on_update, |_| false)
}

fn written(model: &Model, suffix: &str, taken: impl Fn(&Column) -> bool, needed: impl Fn(&Column) -> bool) -> Shape {
    let mut object = Object::builder().schema_type(Type::Object);
    for column in model.columns.iter().filter(|column| taken(column)) {
        object = object.property(column.name, input_schema(column));
        if needed(column) {
            object = object.required(column.name);
        }
    }
    object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Shape::named(format!("{}{suffix}", type_name(model.noun)), Schema::Object(object.build()))
}

fn described(doc: &str) -> Option<String> {
    (!doc.is_empty()).then(|| doc.to_owned())
}

/// What a column takes.
fn input_schema(column: &Column) -> Schema {
    let Schema::Object(mut object) = column_schema(column, column.nullable) else { return Schema::default() };
    if column.kind == ColumnKind::Text && column.choices.is_empty() {
        object.pattern = Some(if column.name_like { NAME } else { LINES }.to_owned());
    }
    Schema::Object(object)
}

/// What a column holds.
fn column_schema(column: &Column, nullable: bool) -> Schema {
    let mut object = kind_schema(column.kind, nullable).description(described(column.doc));
    if column.kind == ColumnKind::Integer {
        let (least, most) = range(column.bits);
        object = object.minimum(Some(least)).maximum(Some(most));
    }
    if column.kind == ColumnKind::Text {
        if column.choices.is_empty() {
            object = object.max_length(Some(column.max_length));
        } else {
            let null = nullable.then_some(Value::Null);
            object = object.enum_values(Some(column.choices.iter().map(|word| Value::from(*word)).chain(null)));
        }
    }
    Schema::Object(object.build())
}

fn kind_schema(kind: ColumnKind, nullable: bool) -> ObjectBuilder {
    let typed = |of: Type| {
        let object = Object::builder();
        if nullable { object.schema_type(SchemaType::Array(vec![of, Type::Null])) } else { object.schema_type(of) }
    };
    let format = |of: KnownFormat| Some(SchemaFormat::KnownFormat(of));
    match kind {
        ColumnKind::Uuid => typed(Type::String).format(format(KnownFormat::Uuid)),
        ColumnKind::Text => typed(Type::String),
        ColumnKind::Json => Object::builder().schema_type(SchemaType::AnyValue),
        ColumnKind::Integer => typed(Type::Integer).format(format(KnownFormat::Int64)),
        ColumnKind::Double => typed(Type::Number).format(format(KnownFormat::Double)),
        ColumnKind::Boolean => typed(Type::Boolean),
        ColumnKind::Time => typed(Type::String).format(format(KnownFormat::DateTime)),
        ColumnKind::Bytes => typed(Type::String).content_encoding("base64"),
    }
}

/// A parameter of a list, as the operation declares it. What it takes is checked where the list's
/// query is read; this says it in the language of schemas.
pub(super) fn parameter(model: &Model, doc: ParameterDoc) -> Parameter {
    let column = model.column(doc.name.split("__").next().unwrap_or_default()).filter(|column| column.filter);
    let mut object = kind_schema(doc.kind, false);
    match doc.kind {
        ColumnKind::Integer => {
            let (least, most) = doc.range.unwrap_or_else(|| range(64));
            object = object.minimum(Some(least)).maximum(Some(most));
        }
        ColumnKind::Double => object = object.minimum(Some(f64::MIN)).maximum(Some(f64::MAX)),
        ColumnKind::Text if doc.name == "cursor" => {
            let pattern = format!("^[A-Za-z0-9_-]{{0,{}}}$", limits::LIST_CURSOR_CHARS);
            object = object.pattern(Some(pattern));
        }
        ColumnKind::Text if doc.choices.is_empty() => {
            let (pattern, most) =
                if doc.many { (ONE_OF_SEVERAL, limits::LIST_IN_CHARS) } else { (ONE_LINE, limits::LIST_VALUE_CHARS) };
            object = object.pattern(Some(pattern)).max_length(Some(most));
        }
        _ => {}
    }
    let most = match doc.name.as_str() {
        "ordering" => limits::LIST_ORDERINGS,
        "expand" => limits::LIST_EXPANSIONS,
        "fields" => doc.choices.len(),
        _ => limits::LIST_IN,
    };
    // Names are given once; values of a filter may come twice.
    let unique = column.is_none();
    if !doc.choices.is_empty() {
        object = object.enum_values(Some(doc.choices));
    }
    let schema = Box::new(object.build());
    let kind = if doc.many { ParameterKind::Several { schema, most, unique } } else { ParameterKind::Other(schema) };
    Parameter::new(doc.name, kind, doc.doc)
}

/// Text without control characters.
const ONE_LINE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";
/// The same, without commas, which stand between values.
const ONE_OF_SEVERAL: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f,]*$";
/// Text in lines.
const LINES: &str = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$";
/// A name: visible at both ends.
const NAME: &str = "^[^\\s\\u0000-\\u001f\\u007f-\\u00a0\\u00ad]([^\\u0000-\\u001f\\u007f-\\u009f\\u00ad]*[^\\s\\u0000-\\u001f\\u007f-\\u00a0\\u00ad])?$";

fn range(bits: u32) -> (i64, i64) {
    let most = if bits < 64 { (1_i64 << (bits - 1)) - 1 } else { i64::MAX };
    (-most - 1, most)
}
