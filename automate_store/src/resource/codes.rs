//! The codes of [`FieldProblem`](super::FieldProblem)s.

/// A field that the model does not have.
pub const UNKNOWN_FIELD: &str = "UNKNOWN_FIELD";
/// A field that is shown and cannot be set.
pub const READ_ONLY: &str = "READ_ONLY";
/// A field that must be given is not.
pub const REQUIRED: &str = "REQUIRED";
/// Null where there must be a value.
pub const NULL: &str = "NULL";
/// A text where there must be a number, or the like.
pub const WRONG_TYPE: &str = "WRONG_TYPE";
/// A number that cannot be stored, or is beyond what is allowed.
pub const OUT_OF_RANGE: &str = "OUT_OF_RANGE";
/// Too many characters, bytes or values.
pub const TOO_LONG: &str = "TOO_LONG";
/// A character that shows nothing.
pub const CONTROL_CHARACTER: &str = "CONTROL_CHARACTER";
/// A word that is none of those that the field takes.
pub const NOT_A_CHOICE: &str = "NOT_A_CHOICE";
/// A name that could be written in another way and look the same.
pub const NOT_NORMALIZED: &str = "NOT_NORMALIZED";
/// A name whose letters are taken for others.
pub const CONFUSABLE: &str = "CONFUSABLE";
/// A row that is named is not there, or another tenant's.
pub const NO_SUCH_ROW: &str = "NO_SUCH_ROW";
/// A parameter that is not taken here.
pub const UNKNOWN_PARAMETER: &str = "UNKNOWN_PARAMETER";
/// A parameter that is given twice.
pub const DUPLICATE_PARAMETER: &str = "DUPLICATE_PARAMETER";
/// A cursor that is not one, or one of another list.
pub const BAD_CURSOR: &str = "BAD_CURSOR";
/// Parameters that exclude each other.
pub const CONTRADICTION: &str = "CONTRADICTION";
/// A field or expansion that takes a permission which the caller lacks.
pub const NOT_ALLOWED: &str = "NOT_ALLOWED";
/// An answer that would be too long.
pub const TOO_MUCH: &str = "TOO_MUCH";
