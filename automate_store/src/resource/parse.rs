//! Reading the parameters of lists. One table says which there are, to the reader and to documents.

use automate_core::limits;
use serde_json::Value;

use super::{
    Column, ColumnKind, Comparison, FieldProblem, Filter, ListQuery, Model, Ordering, ParameterDoc, ResourceError,
    Selection, check, codes, name,
};

/// What a parameter is.
enum Taken {
    Limit,
    Cursor,
    Offset,
    Ordering,
    Search,
    Fields,
    Expand,
    Count,
    Filter(&'static str, Comparison),
}

struct Parameter {
    taken: Taken,
    doc: ParameterDoc,
}

fn plain(taken: Taken, name: &str, kind: ColumnKind, doc: String) -> Parameter {
    let doc = ParameterDoc { name: name.to_owned(), kind, many: false, choices: Vec::new(), range: None, doc };
    Parameter { taken, doc }
}

fn words(taken: Taken, name: &str, choices: Vec<String>, doc: &str) -> Parameter {
    let mut parameter = plain(taken, name, ColumnKind::Text, doc.to_owned());
    (parameter.doc.many, parameter.doc.choices) = (true, choices);
    parameter
}

/// Every parameter of a list.
fn of_lists(model: &Model) -> Vec<Parameter> {
    let mut limit = plain(
        Taken::Limit,
        "limit",
        ColumnKind::Integer,
        format!("Rows of the page; {} where it is not given.", limits::LIST_LIMIT),
    );
    limit.doc.range = Some((1, signed(limits::LIST_LIMIT_MAX)));
    let mut offset = plain(
        Taken::Offset,
        "offset",
        ColumnKind::Integer,
        "Rows to pass over, instead of a cursor. Rows that come in meanwhile move the pages.".to_owned(),
    );
    offset.doc.range = Some((0, signed(limits::LIST_OFFSET_MAX)));
    let cursor = "`next` or `previous` of another page of the same list.";
    let mut all = vec![limit, plain(Taken::Cursor, "cursor", ColumnKind::Text, cursor.to_owned()), offset];
    let orders: Vec<String> = model
        .columns
        .iter()
        .filter(|column| column.order && column.shown && column.stored)
        .flat_map(|column| [column.name.to_owned(), format!("-{}", column.name)])
        .collect();
    if !orders.is_empty() {
        let doc = "The order; `-` before a name is from the greatest down. Rows without a value count as greatest.";
        all.push(words(Taken::Ordering, "ordering", orders, doc));
    }
    let searched: Vec<&str> =
        model.columns.iter().filter(|column| is_searched(column)).map(|column| column.name).collect();
    if !searched.is_empty() {
        let doc = format!(
            "Words that must each be in {}, without regard to case; quotes hold words together.",
            searched.join(" or ")
        );
        all.push(plain(Taken::Search, "search", ColumnKind::Text, doc));
    }
    all.extend(of_rows(model));
    all.push(plain(
        Taken::Count,
        "count",
        ColumnKind::Boolean,
        "Whether to count all rows that match; of long lists that takes a while.".to_owned(),
    ));
    for column in model.columns.iter().filter(|column| column.filter && column.shown && column.stored) {
        all.extend(of_column(column));
    }
    all
}

/// The parameters that lists and single rows have in common.
fn of_rows(model: &Model) -> Vec<Parameter> {
    let fields = model.columns.iter().filter(|column| column.shown).map(|column| column.name.to_owned()).collect();
    let mut all = vec![words(Taken::Fields, "fields", fields, "Only these fields.")];
    if !model.expansions.is_empty() {
        let names = model.expansions.iter().map(|expansion| expansion.name.to_owned()).collect();
        all.push(words(Taken::Expand, "expand", names, "What to show of what belongs to a row."));
    }
    all
}

/// How lists are filtered by a column.
fn of_column(column: &Column) -> Vec<Parameter> {
    use Comparison::{Contains, Equal, Greater, GreaterOrEqual, In, IsNull, Less, LessOrEqual, NotEqual, StartsWith};
    let comparisons: &[Comparison] = match column.kind {
        ColumnKind::Uuid => &[Equal, NotEqual, In],
        ColumnKind::Text if !column.choices.is_empty() => &[Equal, NotEqual, In],
        ColumnKind::Text => &[Equal, NotEqual, In, Contains, StartsWith],
        ColumnKind::Integer | ColumnKind::Double | ColumnKind::Time => {
            &[Equal, NotEqual, Greater, GreaterOrEqual, Less, LessOrEqual, In]
        }
        ColumnKind::Boolean => &[Equal, NotEqual],
        ColumnKind::Json | ColumnKind::Bytes => &[],
    };
    let null = column.nullable.then_some(IsNull);
    comparisons
        .iter()
        .copied()
        .chain(null)
        .map(|comparison| {
            let (suffix, means) = match comparison {
                Equal => ("", "is this"),
                NotEqual => ("__ne", "is not this, or null"),
                Greater => ("__gt", "is greater or later"),
                GreaterOrEqual => ("__gte", "is this, greater or later"),
                Less => ("__lt", "is less or earlier"),
                LessOrEqual => ("__lte", "is this, less or earlier"),
                In => ("__in", "is one of these"),
                Contains => ("__icontains", "contains this, without regard to case"),
                StartsWith => ("__startswith", "starts with this"),
                IsNull => ("__isnull", "is null, or is not"),
            };
            let kind = if comparison == IsNull { ColumnKind::Boolean } else { column.kind };
            let mut parameter = plain(
                Taken::Filter(column.name, comparison),
                &format!("{}{suffix}", column.name),
                kind,
                format!("Rows whose `{}` {means}.", column.name),
            );
            parameter.doc.many = comparison == In;
            if kind == ColumnKind::Integer && column.bits < 64 {
                let most = (1_i64 << (column.bits - 1)) - 1;
                parameter.doc.range = Some((-most - 1, most));
            }
            if kind == ColumnKind::Text {
                parameter.doc.choices = column.choices.iter().map(|word| (*word).to_owned()).collect();
            }
            parameter
        })
        .collect()
}

pub(super) fn parameters(model: &Model) -> Vec<ParameterDoc> {
    of_lists(model).into_iter().map(|parameter| parameter.doc).collect()
}

pub(super) fn selection_parameters(model: &Model) -> Vec<ParameterDoc> {
    of_rows(model).into_iter().map(|parameter| parameter.doc).collect()
}

pub(super) fn list(model: &Model, pairs: &[(String, String)]) -> Result<ListQuery, ResourceError> {
    read(model, &of_lists(model), pairs)
}

pub(super) fn selection(model: &Model, pairs: &[(String, String)]) -> Result<Selection, ResourceError> {
    let query = read(model, &of_rows(model), pairs)?;
    Ok(Selection { fields: query.fields, expand: query.expand })
}

fn read(model: &Model, known: &[Parameter], pairs: &[(String, String)]) -> Result<ListQuery, ResourceError> {
    let mut query = ListQuery::default();
    let mut problems = Vec::new();
    if pairs.len() > limits::LIST_PARAMETERS {
        let message = format!("a list takes at most {} parameters", limits::LIST_PARAMETERS);
        return Err(ResourceError::Query(vec![FieldProblem::new("", codes::TOO_LONG, message)]));
    }
    for (index, (name, text)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(before, _)| before == name) {
            let message = "is given twice; give it once, with commas where it takes several";
            problems.push(FieldProblem::new(name::shortened(name), codes::DUPLICATE_PARAMETER, message));
            continue;
        }
        let Some(parameter) = known.iter().find(|parameter| parameter.doc.name == *name) else {
            let names = known.iter().map(|parameter| parameter.doc.name.as_str());
            let message = format!("there is no such parameter here{}", name::suggestion(name, names));
            problems.push(FieldProblem::new(name::shortened(name), codes::UNKNOWN_PARAMETER, message));
            continue;
        };
        if let Err(problem) = take(model, parameter, text, &mut query) {
            problems.push(problem);
        }
    }
    if query.cursor.is_some() && query.offset.is_some() {
        let message = "is given together with `cursor`; give one of them";
        problems.push(FieldProblem::new("offset", codes::CONTRADICTION, message));
    }
    if problems.is_empty() { Ok(query) } else { Err(ResourceError::Query(problems)) }
}

fn take(model: &Model, parameter: &Parameter, text: &str, query: &mut ListQuery) -> Result<(), FieldProblem> {
    let name = parameter.doc.name.as_str();
    let problem = |code, message: String| FieldProblem::new(name, code, message);
    match &parameter.taken {
        Taken::Limit => query.limit = number(&parameter.doc, text)?,
        Taken::Offset => query.offset = Some(number(&parameter.doc, text)?),
        Taken::Cursor => {
            let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if text.is_empty() || text.len() > limits::LIST_CURSOR_CHARS || !text.bytes().all(url_safe) {
                return Err(problem(codes::BAD_CURSOR, "is not a cursor; take `next` or `previous` of a page".into()));
            }
            query.cursor = Some(text.to_owned());
        }
        Taken::Ordering => {
            for word in listed(&parameter.doc, text, limits::LIST_ORDERINGS)? {
                let descending = word.starts_with('-');
                let Some(column) = model.column(word.trim_start_matches('-')) else { continue };
                // Once ordered by a column, ordering by it again has nothing left to order.
                if query.ordering.iter().any(|ordering| ordering.column == column.name) {
                    continue;
                }
                query.ordering.push(Ordering { column: column.name, descending });
            }
        }
        Taken::Search => {
            let column = Column::plain("search", ColumnKind::Text);
            check::filter_value(&column, name, text)?;
            if terms(text).len() > limits::LIST_SEARCH_TERMS {
                return Err(problem(codes::TOO_LONG, format!("takes {} words at most", limits::LIST_SEARCH_TERMS)));
            }
            query.search = Some(text.to_owned()).filter(|text| !terms(text).is_empty());
        }
        Taken::Fields => {
            let words = listed(&parameter.doc, text, usize::MAX)?;
            query.fields = words.iter().filter_map(|word| model.column(word)).map(|column| column.name).collect();
        }
        Taken::Expand => {
            let words = listed(&parameter.doc, text, limits::LIST_EXPANSIONS)?;
            let of_word = |word: &String| model.expansions.iter().find(|expansion| expansion.name == *word);
            query.expand = words.iter().filter_map(of_word).map(|expansion| expansion.name).collect();
        }
        Taken::Count => query.count = truth(name, text)?,
        Taken::Filter(column, comparison) => {
            let Some(declared) = model.column(column) else { return Ok(()) };
            let values = match comparison {
                Comparison::IsNull => vec![Value::Bool(truth(name, text)?)],
                Comparison::In => {
                    let values: Vec<&str> = text.split(',').collect();
                    if values.len() > limits::LIST_IN {
                        return Err(problem(codes::TOO_LONG, format!("takes {} values at most", limits::LIST_IN)));
                    }
                    if values.iter().any(|value| value.chars().nth(limits::LIST_IN_CHARS).is_some()) {
                        let message = format!("takes values of {} characters at most", limits::LIST_IN_CHARS);
                        return Err(problem(codes::TOO_LONG, message));
                    }
                    values
                        .into_iter()
                        .map(|value| check::filter_value(declared, name, value))
                        .collect::<Result<_, _>>()?
                }
                _ => vec![check::filter_value(declared, name, text)?],
            };
            query.filters.push(Filter { column, comparison: *comparison, values });
        }
    }
    Ok(())
}

fn truth(name: &str, text: &str) -> Result<bool, FieldProblem> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(FieldProblem::new(name, codes::WRONG_TYPE, "must be true or false")),
    }
}

fn signed(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

fn number(doc: &ParameterDoc, text: &str) -> Result<u64, FieldProblem> {
    let (least, most) = doc.range.unwrap_or((0, i64::MAX));
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("must be a whole number from {least} to {most}");
        return Err(FieldProblem::new(&*doc.name, codes::WRONG_TYPE, message));
    }
    match text.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number.unsigned_abs()),
        _ => Err(FieldProblem::new(&*doc.name, codes::OUT_OF_RANGE, format!("must be from {least} to {most}"))),
    }
}

/// The words of a list, each a known one and none twice.
fn listed(doc: &ParameterDoc, text: &str, most: usize) -> Result<Vec<String>, FieldProblem> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(',') {
        if !doc.choices.iter().any(|choice| choice == word) {
            let known = doc.choices.iter().map(String::as_str);
            let message = format!("there is no `{}` here{}", name::shortened(word), name::suggestion(word, known));
            return Err(FieldProblem::new(&*doc.name, codes::UNKNOWN_FIELD, message));
        }
        if words.iter().any(|before| before == word) {
            return Err(FieldProblem::new(&*doc.name, codes::CONTRADICTION, format!("names `{word}` twice")));
        }
        words.push(word.to_owned());
    }
    if words.len() > most {
        return Err(FieldProblem::new(&*doc.name, codes::TOO_LONG, format!("takes {most} names at most")));
    }
    Ok(words)
}

/// The words of a search; quotes hold words together.
pub(super) fn terms(search: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for (index, part) in search.split('"').enumerate() {
        // Every second part is in quotes; a quote that is not closed reaches to the end.
        if index % 2 == 1 {
            terms.push(part.trim().to_owned());
        } else {
            terms.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    terms.retain(|term| !term.is_empty());
    terms
}

/// Whether `search` looks into a column: never into what is not shown, which could be found out
/// word by word.
pub(super) fn is_searched(column: &Column) -> bool {
    column.search && column.shown && column.stored
}
