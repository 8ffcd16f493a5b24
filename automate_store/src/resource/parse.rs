//! Reading the parameters of lists.

use super::{ListQuery, Model, ParameterDoc, ResourceError, Selection};

pub(super) fn list(_model: &Model, _pairs: &[(String, String)]) -> Result<ListQuery, ResourceError> {
    Ok(ListQuery::default())
}

pub(super) fn selection(_model: &Model, _pairs: &[(String, String)]) -> Result<Selection, ResourceError> {
    Ok(Selection::default())
}

pub(super) fn parameters(_model: &Model) -> Vec<ParameterDoc> {
    Vec::new()
}

pub(super) fn selection_parameters(_model: &Model) -> Vec<ParameterDoc> {
    Vec::new()
}
