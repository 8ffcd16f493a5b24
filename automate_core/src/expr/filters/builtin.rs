//! Which of minijinja's filters and tests there are, and what must hold before they run. Left out:
//! `safe` (nothing is escaped by itself) and `pprint` (prints insides).

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value, filters as f, functions, tests as t};

use super::super::budget::{charge, over, wrong_type};
use super::super::convert::{checked, write_text};
use crate::limits;

macro_rules! table {
    ($module:ident: $($name:literal = $function:ident),* $(,)?) => {
        vec![$(($name, Value::from_function($module::$function))),*]
    };
}

pub(in crate::expr) fn filters() -> Vec<(&'static str, Value)> {
    let mut filters = table![f:
        "abs" = abs, "attr" = attr, "batch" = batch, "bool" = bool, "capitalize" = capitalize, "chain" = chain,
        "count" = length, "d" = default, "default" = default, "dictsort" = dictsort, "e" = escape, "escape" = escape,
        "first" = first, "float" = float, "format" = format, "groupby" = groupby, "indent" = indent, "int" = int,
        "items" = items, "last" = last, "length" = length, "lines" = lines, "list" = list,
        "lower" = lower, "map" = map, "max" = max, "min" = min, "reject" = reject, "rejectattr" = rejectattr,
        "replace" = replace, "reverse" = reverse, "round" = round, "select" = select, "selectattr" = selectattr,
        "slice" = slice, "sort" = sort, "split" = split, "sum" = sum, "title" = title,
        "tojson" = tojson, "trim" = trim, "unique" = unique, "upper" = upper, "urlencode" = urlencode, "zip" = zip,
    ];
    filters.push(("join", Value::from_function(join)));
    filters.push(("string", Value::from_function(string)));
    filters
}

pub(in crate::expr) fn is_filter(name: &str) -> bool {
    // `safe` and `pprint` are kept from being given another meaning.
    matches!(name, "safe" | "pprint") || filters().iter().any(|(n, _)| *n == name)
}

pub(in crate::expr) fn tests() -> Vec<(&'static str, Value)> {
    table![t:
        "boolean" = is_boolean, "defined" = is_defined, "divisibleby" = is_divisibleby, "endingwith" = is_endingwith,
        "eq" = is_eq, "equalto" = is_eq, "==" = is_eq, "even" = is_even, "false" = is_false, "float" = is_float,
        "ge" = is_ge, ">=" = is_ge, "greaterthan" = is_gt, "gt" = is_gt, ">" = is_gt, "in" = is_in,
        "integer" = is_integer, "int" = is_integer, "iterable" = is_iterable, "le" = is_le, "<=" = is_le,
        "lessthan" = is_lt, "lower" = is_lower, "lt" = is_lt, "<" = is_lt, "mapping" = is_mapping, "ne" = is_ne,
        "!=" = is_ne, "none" = is_none, "number" = is_number, "odd" = is_odd, "sameas" = is_sameas,
        "sequence" = is_sequence, "startingwith" = is_startingwith, "string" = is_string, "true" = is_true,
        "undefined" = is_undefined, "upper" = is_upper,
    ]
}

pub(in crate::expr) fn dict() -> Value {
    Value::from_function(functions::dict)
}

/// Like minijinja's, with values as templates print them: `true`, JSON for lists and maps.
fn join(value: &Value, joiner: Option<&str>) -> Result<String, Error> {
    let joiner = joiner.unwrap_or_default();
    let mut out = String::new();
    for (i, item) in value.try_iter()?.enumerate() {
        if i > 0 {
            out.push_str(joiner);
        }
        write_text(&checked(item)?, &mut out, limits::TEMPLATE_OUTPUT_BYTES)?;
    }
    Ok(out)
}

fn string(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write_text(value, &mut out, limits::TEMPLATE_OUTPUT_BYTES)?;
    Ok(out)
}

/// What must hold before a filter runs, so that it does not make something too large first.
pub(in crate::expr) fn check(name: &str, args: &[Value]) -> Result<(), Error> {
    let input = args.first().and_then(Value::as_str).unwrap_or_default();
    match name {
        // From here on the result is of the size of the input, or of the few times that escaping takes.
        "escape" | "e" | "urlencode" | "base64" | "tojson" | "to_json" => charge(input.len()),
        "replace" => {
            let (from, to) = (text(args, 1), text(args, 2));
            let times = if from.is_empty() { input.chars().count() + 1 } else { input.matches(from).count() };
            bounded(input.len().saturating_add(times.saturating_mul(to.len())))
        }
        "indent" => {
            let width = number(args, 1, "width").unwrap_or(4);
            bounded(input.len().saturating_add((input.lines().count() + 1).saturating_mul(width)))
        }
        "format" => {
            // Widths and precisions, which may also come from the arguments.
            let mut digits = 0;
            for (i, c) in input.char_indices() {
                digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
                if digits > 4 || (c == '*' && input[..i].contains('%')) {
                    return Err(over("widths of more than 9999 and widths from arguments cannot be formatted"));
                }
            }
            let longest: usize = args.iter().filter_map(Value::as_str).map(str::len).sum();
            bounded((input.matches('%').count() + 1).saturating_mul(longest.saturating_add(9_999)).min(
                // Each argument is printed where it stands, unless they are named.
                if args.iter().any(Value::is_kwargs) {
                    usize::MAX
                } else {
                    longest + input.matches('%').count() * 9_999
                },
            ))
        }
        "batch" | "slice" => {
            let count = number(args, 1, "count").unwrap_or(1);
            if count > limits::TEMPLATE_ITEMS {
                return Err(over(format!("more than {} items are too many", limits::TEMPLATE_ITEMS)));
            }
            charge(count.saturating_mul(32))
        }
        "sum" if args.iter().skip(1).any(Value::is_kwargs) => {
            let kwargs = args.last().cloned().map(Kwargs::try_from).transpose()?;
            match kwargs.and_then(|k| k.get::<Option<Value>>("start").ok().flatten()) {
                Some(start) if !start.is_number() => Err(wrong_type("the start of a sum must be a number")),
                _ => Ok(()),
            }
        }
        "map" | "select" | "reject" | "selectattr" | "rejectattr" => {
            charge(args.first().and_then(Value::len).unwrap_or(0).saturating_mul(32))
        }
        "split" | "lines" | "list" => {
            if args.first().is_some_and(|v| v.kind() == ValueKind::String) {
                let parts = match name {
                    "list" => input.len(),
                    "lines" => input.lines().count(),
                    _ if text(args, 1).is_empty() => input.split_whitespace().count(),
                    _ => input.matches(text(args, 1)).count() + 1,
                };
                if parts > limits::TEMPLATE_ITEMS {
                    return Err(over(format!("more than {} parts are too many", limits::TEMPLATE_ITEMS)));
                }
            }
            Ok(())
        }
        "int" if input.len() > 64 => Err(wrong_type("the text is too long to be a number")),
        _ => Ok(()),
    }
}

fn text(args: &[Value], position: usize) -> &str {
    args.get(position).and_then(Value::as_str).unwrap_or_default()
}

fn number(args: &[Value], position: usize, name: &str) -> Option<usize> {
    if let Some(number) = args.get(position).and_then(Value::as_usize) {
        return Some(number);
    }
    let kwargs = args.last().filter(|a| a.is_kwargs())?;
    kwargs.get_attr(name).ok()?.as_usize()
}

fn bounded(bytes: usize) -> Result<(), Error> {
    if bytes > limits::TEMPLATE_OUTPUT_BYTES.saturating_mul(2) {
        return Err(over(format!("a text of more than {} bytes is too long", limits::TEMPLATE_OUTPUT_BYTES)));
    }
    Ok(())
}
