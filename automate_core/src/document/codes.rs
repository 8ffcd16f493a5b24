//! The stable codes of findings about documents. Checks and users match on them, so a code never
//! changes its meaning.

/// The source is not YAML or JSON.
pub const SYNTAX: &str = "SYNTAX";
/// There is nothing in the source.
pub const EMPTY_DOCUMENT: &str = "EMPTY_DOCUMENT";
/// A size, depth or count passed its bound.
pub const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";
/// A mapping names the same key twice.
pub const DUPLICATE_KEY: &str = "DUPLICATE_KEY";
/// A character that databases refuse.
pub const INVALID_CHARACTER: &str = "INVALID_CHARACTER";
/// A number that would have to be rounded.
pub const NUMBER_NOT_EXACT: &str = "NUMBER_NOT_EXACT";
/// A field that this place does not have.
pub const UNKNOWN_FIELD: &str = "UNKNOWN_FIELD";
/// A field that this place must have.
pub const MISSING_FIELD: &str = "MISSING_FIELD";
/// A value of another type than this place takes.
pub const WRONG_TYPE: &str = "WRONG_TYPE";
/// A value of the right type that this place does not take.
pub const INVALID_VALUE: &str = "INVALID_VALUE";
/// The same step id twice.
pub const DUPLICATE_ID: &str = "DUPLICATE_ID";
/// The same trigger twice.
pub const DUPLICATE_TRIGGER: &str = "DUPLICATE_TRIGGER";
/// A step that does not exist.
pub const UNKNOWN_STEP: &str = "UNKNOWN_STEP";
/// Steps that wait for each other.
pub const CYCLE: &str = "CYCLE";
/// A part of the language that this version does not run.
pub const UNSUPPORTED_FEATURE: &str = "UNSUPPORTED_FEATURE";
/// A step that is nothing, or several things at once.
pub const STEP_KIND: &str = "STEP_KIND";
/// A trigger that is nothing, or several things at once.
pub const TRIGGER_KIND: &str = "TRIGGER_KIND";
/// A secret's value written into the document.
pub const SECRET_IN_DOCUMENT: &str = "SECRET_IN_DOCUMENT";
/// A connector that is not installed.
pub const UNKNOWN_CONNECTOR: &str = "UNKNOWN_CONNECTOR";
/// An action that the connector does not have.
pub const UNKNOWN_ACTION: &str = "UNKNOWN_ACTION";
/// A name that templates do not know.
pub const UNKNOWN_NAME: &str = "UNKNOWN_NAME";
/// A template or expression that does not compile.
pub const TEMPLATE_SYNTAX: &str = "TEMPLATE_SYNTAX";
/// A reference to a step that need not have run by then.
pub const STEP_ORDER: &str = "STEP_ORDER";
/// A variable that no step sets.
pub const UNKNOWN_VARIABLE: &str = "UNKNOWN_VARIABLE";
/// `inputs` is not a JSON Schema.
pub const INVALID_SCHEMA: &str = "INVALID_SCHEMA";
/// A field that has no effect where it stands.
pub const NO_EFFECT: &str = "NO_EFFECT";
/// There are more findings than are listed.
pub const TOO_MANY_FINDINGS: &str = "TOO_MANY_FINDINGS";
