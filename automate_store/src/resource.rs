//! The resource service: one declaration of a model, and everything that the API and the admin do
//! with its rows.
//!
//! A [`Model`] is what a sea-orm entity's columns are, plus what may be done with each of them. It
//! is erased: nothing below it is generic, so that one more model costs next to no build time.
//! [`Resources`] lists, reads, creates, changes and deletes rows of any model; each of these scopes
//! to a tenant first ([`scope`]), and each change is audited in the transaction that makes it.

mod check;
pub mod codes;
mod condition;
mod cursor;
mod declare;
mod diff;
mod error;
mod expand;
pub mod fixtures;
mod get;
mod hooks;
mod key_time;
mod list;
mod name;
mod parse;
mod query;
mod row;
pub mod scope;
mod searched;
mod service;
mod shape;
mod tally;
mod value;
mod viewed;
mod write;

pub use declare::{Column, ColumnKind, Expansion, Model, ModelBuilder};
pub use error::{FieldProblem, ResourceError};
pub use hooks::{NoHooks, ResourceHooks, Writer, no_hooks};
pub use query::{
    Comparison, Filter, ListQuery, Ordering, Page, ParameterDoc, Selection, parameters, selection_parameters,
};
pub use row::Row;
pub use scope::{Scoped, scoped};
pub use searched::SlowSearch;
pub use service::{Resources, exact_id};
