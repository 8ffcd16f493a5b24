//! Lengths and ranges: what a body may be by its shape and serde does not look at.

use automate_core::limits;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type};

use super::shape::Shape;
use crate::FieldError;

/// Nesting up to which bounds are looked at; no shape is as deep.
const DEPTH: usize = 16;

type Parts = Vec<(String, RefOr<Schema>)>;

impl Shape {
    /// Texts and lists that are longer than the shape says, and numbers that its formats do not have:
    /// `int32` is what it says for unsigned types too.
    pub(crate) fn out_of_bounds(&self, value: &Value) -> Vec<FieldError> {
        let mut faults = Vec::new();
        look(self.schema(), &self.components(), value, "", 0, &mut faults);
        faults.truncate(limits::FIELD_PROBLEMS);
        faults
    }
}

fn look(schema: &RefOr<Schema>, parts: &Parts, value: &Value, path: &str, depth: usize, faults: &mut Vec<FieldError>) {
    if depth > DEPTH {
        return;
    }
    let schema = match schema {
        RefOr::T(schema) => schema,
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            if let Some((_, part)) = parts.iter().find(|(known, _)| known == name) {
                look(part, parts, value, path, depth + 1, faults);
            }
            return;
        }
    };
    match (schema, value) {
        (Schema::Object(object), Value::String(text)) => {
            if let Some(most) = object.max_length.filter(|most| text.chars().nth(*most).is_some()) {
                faults.push(fault(path, format!("it has more than {most} characters")));
            }
        }
        (Schema::Object(object), Value::Number(number)) => {
            if let Some(most) = greatest(object).filter(|most| number.as_u64().is_some_and(|number| number > *most)) {
                let message = format!("it is more than {most}");
                faults.push(FieldError { path: path.to_owned(), code: "OUT_OF_RANGE".to_owned(), message });
            }
        }
        (Schema::Object(object), Value::Object(members)) => {
            for (name, member) in members {
                if let Some(declared) = object.properties.get(name) {
                    look(declared, parts, member, &format!("{path}/{name}"), depth + 1, faults);
                }
            }
        }
        (Schema::Array(array), Value::Array(items)) => {
            if let Some(most) = array.max_items.filter(|most| items.len() > *most) {
                faults.push(fault(path, format!("it has more than {most} items")));
            } else if let ArrayItems::RefOrSchema(of) = &array.items {
                for (n, item) in items.iter().enumerate() {
                    look(of, parts, item, &format!("{path}/{n}"), depth + 1, faults);
                }
            }
        }
        (Schema::OneOf(of), _) => any(&of.items, parts, value, path, depth, faults),
        (Schema::AnyOf(of), _) => any(&of.items, parts, value, path, depth, faults),
        (Schema::AllOf(of), _) => of.items.iter().for_each(|item| look(item, parts, value, path, depth + 1, faults)),
        _ => {}
    }
}

/// Nothing is too long where one of the alternatives takes it.
fn any(items: &[RefOr<Schema>], parts: &Parts, value: &Value, path: &str, depth: usize, faults: &mut Vec<FieldError>) {
    let mut first = None;
    for item in items.iter().filter(|item| !is_null(item)) {
        let mut of_item = Vec::new();
        look(item, parts, value, path, depth + 1, &mut of_item);
        if of_item.is_empty() {
            return;
        }
        first.get_or_insert(of_item);
    }
    faults.extend(first.into_iter().flatten());
}

/// The greatest number of a format.
fn greatest(object: &Object) -> Option<u64> {
    match object.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::Int32)) => Some(i32::MAX.unsigned_abs().into()),
        Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) => Some(i64::MAX.unsigned_abs()),
        _ => None,
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

fn fault(path: &str, message: String) -> FieldError {
    FieldError { path: path.to_owned(), code: "TOO_LONG".to_owned(), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::ToSchema;

    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Inner {
        #[schema(max_length = 3)]
        name: Option<String>,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Outer {
        #[schema(max_length = 2)]
        short: String,
        inner: Option<Inner>,
        #[schema(max_items = 2)]
        several: Vec<Inner>,
        count: Option<u32>,
        free: Value,
    }

    #[test]
    fn what_is_longer_or_greater_than_its_shape_says_is_named() {
        let faults = |value: Value| {
            let faults = Shape::of::<Outer>().out_of_bounds(&value).into_iter();
            let mut paths: Vec<_> = faults.map(|fault| fault.path).collect();
            paths.sort();
            paths
        };
        let none: [&str; 0] = [];
        assert_eq!(faults(json!({ "short": "éé", "inner": null, "free": "anything" })), none);
        assert_eq!(faults(json!({ "short": "abc", "inner": { "name": "abcd" } })), ["/inner/name", "/short"]);
        assert_eq!(faults(json!({ "several": [{ "name": null }, { "name": "abcd" }] })), ["/several/1/name"]);
        assert_eq!(faults(json!({ "several": [{}, {}, { "name": "abcd" }] })), ["/several"]);
        assert_eq!(faults(json!({ "count": 2_147_483_647 })), none);
        assert_eq!(faults(json!({ "count": 2_147_483_648_u32 })), ["/count"]);
        assert_eq!(faults(json!(["abc"])), none, "another type is for serde to refuse");
    }
}
