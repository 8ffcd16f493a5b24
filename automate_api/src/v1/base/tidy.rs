//! Schemas as others read them.
//!
//! A described member whose type is written out in place is derived as `allOf` of the type and of an
//! object that only has the description: no value is both. The description belongs to the type.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, Schema, SchemaType, Type};

/// The same schema without such pairs, whatever is below it included.
pub(super) fn tidy(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(schema) => RefOr::T(tidied(schema)),
        reference @ RefOr::Ref(_) => reference,
    }
}

fn all(items: Vec<RefOr<Schema>>) -> Vec<RefOr<Schema>> {
    items.into_iter().map(tidy).collect()
}

fn tidied(schema: Schema) -> Schema {
    match schema {
        Schema::Object(mut object) => {
            for (_, member) in &mut object.properties {
                *member = tidy(member.clone());
            }
            if let Some(more) = object.additional_properties.take() {
                object.additional_properties = Some(Box::new(match *more {
                    AdditionalProperties::RefOr(schema) => AdditionalProperties::RefOr(tidy(schema)),
                    free @ AdditionalProperties::FreeForm(_) => free,
                }));
            }
            Schema::Object(object)
        }
        Schema::Array(mut array) => {
            if let ArrayItems::RefOrSchema(item) = array.items {
                array.items = ArrayItems::RefOrSchema(Box::new(tidy(*item)));
            }
            Schema::Array(array)
        }
        Schema::OneOf(mut of) => {
            of.items = all(of.items);
            Schema::OneOf(of)
        }
        Schema::AnyOf(mut of) => {
            of.items = all(of.items);
            Schema::AnyOf(of)
        }
        Schema::AllOf(mut of) => {
            of.items = all(of.items);
            match of.items.as_slice() {
                [RefOr::T(Schema::Object(of_type)), RefOr::T(Schema::Object(about))] if only_describes(about) => {
                    let mut object = of_type.clone();
                    object.description.clone_from(&about.description);
                    Schema::Object(object)
                }
                _ => Schema::AllOf(of),
            }
        }
        other => other,
    }
}

fn only_describes(object: &Object) -> bool {
    object.properties.is_empty()
        && object.required.is_empty()
        && object.enum_values.is_none()
        && object.format.is_none()
        && object.additional_properties.is_none()
        && object.description.is_some()
        && object.schema_type == SchemaType::Type(Type::Object)
}
