//! The shape of JSON, with a name in the OpenAPI document.

use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, Array, ArrayItems, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::tidy::tidy;

/// The shape of JSON.
#[derive(Clone, PartialEq)]
pub struct Shape {
    /// Its name among the components; without one it stands where it is used.
    name: Option<String>,
    schema: RefOr<Schema>,
    /// The named shapes that it refers to.
    parts: Vec<(String, RefOr<Schema>)>,
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shape({})", self.name.as_deref().unwrap_or("inline"))
    }
}

impl Shape {
    /// The shape of a type.
    #[must_use]
    pub fn of<T: ToSchema>() -> Self {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        let parts = parts.into_iter().map(|(name, schema)| (name, tidy(schema))).collect();
        let schema = tidy(<T as PartialSchema>::schema());
        // Primitives and their like have a name that says nothing.
        let name = matches!(schema, RefOr::T(Schema::Object(ref object)) if !object.properties.is_empty())
            .then(|| T::name().into_owned());
        Self { name, schema, parts }
    }

    /// A shape that stands where it is used.
    #[must_use]
    pub fn inline(schema: impl Into<RefOr<Schema>>) -> Self {
        Self { name: None, schema: schema.into(), parts: Vec::new() }
    }

    /// A shape with a name.
    #[must_use]
    pub fn named(name: impl Into<String>, schema: impl Into<RefOr<Schema>>) -> Self {
        Self { name: Some(name.into()), schema: schema.into(), parts: Vec::new() }
    }

    /// A list of what has a shape.
    #[must_use]
    pub fn list_of(item: &Self) -> Self {
        Self::inline(Schema::Array(Array::new(item.reference()))).with_parts([item])
    }

    /// The same, which refers to others.
    #[must_use]
    pub fn with_parts<'a>(mut self, parts: impl IntoIterator<Item = &'a Shape>) -> Self {
        for part in parts {
            self.parts.extend(part.components());
        }
        self
    }

    /// The same, taking no members but its own: what a request may carry.
    #[must_use]
    pub fn closed(mut self) -> Self {
        if let RefOr::T(Schema::Object(object)) = &mut self.schema
            && !object.properties.is_empty()
            && object.additional_properties.is_none()
        {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
        self
    }

    /// Whether two schemas are of one type: what a request may carry takes no members but its own, and
    /// an answer of the same type has no others.
    pub(crate) fn is_same(one: &RefOr<Schema>, other: &RefOr<Schema>) -> bool {
        open(one) == open(other)
    }

    /// Whether a schema takes no members but its own.
    pub(crate) fn is_closed(schema: &RefOr<Schema>) -> bool {
        matches!(schema, RefOr::T(Schema::Object(object))
            if matches!(object.additional_properties.as_deref(), Some(AdditionalProperties::FreeForm(false))))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How it is referred to.
    #[must_use]
    pub fn reference(&self) -> RefOr<Schema> {
        match &self.name {
            Some(name) => RefOr::Ref(Ref::from_schema_name(name)),
            None => self.schema.clone(),
        }
    }

    /// Its schema, written out.
    pub(super) fn schema(&self) -> &RefOr<Schema> {
        &self.schema
    }

    /// The named shapes in it, itself included.
    #[must_use]
    pub fn components(&self) -> Vec<(String, RefOr<Schema>)> {
        let own = self.name.iter().map(|name| (name.clone(), self.schema.clone()));
        self.parts.iter().cloned().chain(own).collect()
    }

    /// The members that it takes, where it takes no others.
    #[must_use]
    pub fn members(&self) -> Option<Vec<&str>> {
        match &self.schema {
            RefOr::T(Schema::Object(object))
                if matches!(object.additional_properties.as_deref(), Some(AdditionalProperties::FreeForm(false))) =>
            {
                Some(object.properties.keys().map(String::as_str).collect())
            }
            _ => None,
        }
    }

    /// A value of this shape, for documents.
    #[must_use]
    pub fn example(&self) -> Value {
        let parts = self.components();
        example_of(&self.schema, &parts, 0)
    }
}

/// A schema without the word on members that it does not name.
fn open(schema: &RefOr<Schema>) -> RefOr<Schema> {
    let mut schema = schema.clone();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.additional_properties = None;
    }
    schema
}

/// Nesting up to which examples are made.
const EXAMPLE_DEPTH: usize = 8;

fn example_of(schema: &RefOr<Schema>, parts: &[(String, RefOr<Schema>)], depth: usize) -> Value {
    if depth > EXAMPLE_DEPTH {
        return Value::Null;
    }
    let schema = match schema {
        RefOr::T(schema) => schema,
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            return match parts.iter().find(|(part, _)| part == name) {
                Some((_, part)) => example_of(part, parts, depth + 1),
                None => Value::Null,
            };
        }
    };
    match schema {
        Schema::Object(object) => {
            if let Some(example) = object.example.clone().or_else(|| object.examples.first().cloned()) {
                return example;
            }
            if let Some(first) = object.enum_values.as_ref().and_then(|values| values.first()) {
                return first.clone();
            }
            if !object.properties.is_empty() {
                let members = object.properties.iter();
                return Value::Object(
                    members.map(|(name, part)| (name.clone(), example_of(part, parts, depth + 1))).collect(),
                );
            }
            let format = object.format.as_ref().and_then(|format| serde_json::to_value(format).ok());
            match (first_type(&object.schema_type), format.as_ref().and_then(Value::as_str)) {
                (Some(Type::String), Some("uuid")) => Value::from("01890a5d-ac96-774b-bcce-b302099a8057"),
                (Some(Type::String), Some("date-time")) => Value::from("2026-01-31T12:00:00Z"),
                (Some(Type::String), _) => Value::from("text"),
                (Some(Type::Integer), _) => Value::from(1),
                (Some(Type::Number), _) => Value::from(1.5),
                (Some(Type::Boolean), _) => Value::from(true),
                (Some(Type::Array), _) => Value::Array(Vec::new()),
                (Some(Type::Object) | None, _) => Value::Object(Map::new()),
                (Some(Type::Null), _) => Value::Null,
            }
        }
        Schema::Array(array) => match &array.items {
            ArrayItems::RefOrSchema(item) => Value::Array(vec![example_of(item, parts, depth + 1)]),
            ArrayItems::False => Value::Array(Vec::new()),
        },
        Schema::OneOf(of) => of.items.first().map_or(Value::Null, |item| example_of(item, parts, depth + 1)),
        Schema::AnyOf(of) => of.items.first().map_or(Value::Null, |item| example_of(item, parts, depth + 1)),
        Schema::AllOf(of) => {
            let mut all = Map::new();
            for item in &of.items {
                if let Value::Object(members) = example_of(item, parts, depth + 1) {
                    all.extend(members);
                }
            }
            Value::Object(all)
        }
        _ => Value::Null,
    }
}

fn first_type(of: &SchemaType) -> Option<&Type> {
    match of {
        SchemaType::Type(one) => Some(one),
        SchemaType::Array(several) => several.iter().find(|one| !matches!(one, Type::Null)),
        SchemaType::AnyValue => None,
    }
}
