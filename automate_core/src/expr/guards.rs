//! The guarded functions that rewritten templates call, and the guards around every filter and test.

use std::collections::BTreeSet;

use minijinja::value::{DynObject, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, Value};

use super::budget::{charge, over, secret_misused, tick, undefined, wrong_type};
use super::convert::{checked, weigh, write_text};
use super::filters::{FilterRegistry, builtin};
use super::secret::{Opaque, RECORDED, SecretText};
use crate::limits;

/// Which filters, tests and functions there are.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    filters: BTreeSet<String>,
    tests: BTreeSet<String>,
}

const FUNCTIONS: &[&str] = &["dict", "range"];

impl Vocabulary {
    pub(super) fn check_filter(&self, name: &str) -> Result<(), String> {
        known("filter", name, self.filters.iter().map(String::as_str))
    }

    pub(super) fn check_test(&self, name: &str) -> Result<(), String> {
        known("test", name, self.tests.iter().map(String::as_str))
    }

    pub(super) fn check_function(&self, name: &str) -> Result<(), String> {
        known("function", name, FUNCTIONS.iter().copied())
    }
}

fn known<'a>(kind: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Result<(), String> {
    if names.clone().any(|n| n == name) {
        return Ok(());
    }
    let near = names.map(|n| (strsim::jaro_winkler(name, n), n)).max_by(|a, b| a.0.total_cmp(&b.0));
    Err(match near {
        Some((score, near)) if score > 0.8 => format!("there is no {kind} `{name}`; did you mean `{near}`?"),
        _ => format!("there is no {kind} `{name}`"),
    })
}

/// The environment of all templates: strict, bounded, without loader, macros, `debug` and `now`.
pub(super) fn environment(registry: &FilterRegistry) -> (Environment<'static>, Vocabulary) {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(limits::TEMPLATE_FUEL));
    env.set_recursion_limit(limits::TEMPLATE_RECURSION);
    // With it, errors say which expression was undefined. What else it collects is never printed.
    env.set_debug(true);
    if let Ok(syntax) = super::syntax() {
        env.set_syntax(syntax);
    }
    env.set_formatter(format);
    env.add_function("__cat", cat);
    env.add_function("__add", |values: Rest<Value>| fold(&values, add));
    env.add_function("__mul", |values: Rest<Value>| fold(&values, mul));
    env.add_function("__made", made);
    env.add_function("__whole", whole);
    env.add_function("__compared", compared);
    env.add_function("__key", key);
    env.add_function("__defined", defined);
    env.add_function("__maybe", maybe);
    env.add_function("range", range);
    env.add_function("dict", dict);

    let mut vocabulary = Vocabulary::default();
    for (name, function) in builtin::filters() {
        vocabulary.filters.insert(name.to_owned());
        env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            guarded_filter(name, &function, state, &args.into_values())
        });
    }
    for (name, function) in registry.functions() {
        vocabulary.filters.insert(name.to_owned());
        env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            guarded_filter(name, &function, state, &args.into_values())
        });
    }
    for (name, function) in builtin::tests() {
        vocabulary.tests.insert(name.to_owned());
        env.add_test(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            guarded_test(name, &function, state, &args.into_values())
        });
    }
    (env, vocabulary)
}

fn format(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return out.write_str(text).map_err(Error::from);
    }
    tick()?;
    let mut text = String::new();
    write_text(value, &mut text, limits::TEMPLATE_OUTPUT_BYTES)?;
    charge(text.len())?;
    out.write_str(&text).map_err(Error::from)
}

fn text_of(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write_text(value, &mut text, limits::TEMPLATE_OUTPUT_BYTES)?;
    Ok(text)
}

fn secret_of(value: &Value) -> Result<SecretText, Error> {
    match Opaque::of(value) {
        Some(secret) => Ok(secret.clone()),
        None if Opaque::is(value) => Err(secret_misused("used without its key, as in `secrets.KEY`,")),
        None => Ok(SecretText::Plain(text_of(value)?)),
    }
}

fn string(text: String) -> Result<Value, Error> {
    if text.len() > limits::TEMPLATE_OUTPUT_BYTES {
        return Err(over(format!("a text of more than {} bytes is too long", limits::TEMPLATE_OUTPUT_BYTES)));
    }
    charge(text.len())?;
    Ok(Value::from(text))
}

/// `a ~ b ~ …`. Joined to a secret, text becomes part of it.
fn cat(values: Rest<Value>) -> Result<Value, Error> {
    tick()?;
    if values.iter().any(Opaque::is) {
        let mut parts = Vec::new();
        for value in values.iter() {
            match secret_of(value)? {
                SecretText::Joined(mut inner) => parts.append(&mut inner),
                one => parts.push(one),
            }
        }
        // At least what the known texts and their markers take.
        charge(parts.iter().map(|p| if let SecretText::Plain(t) = p { t.len() } else { 256 }).sum())?;
        return Ok(Opaque::value(SecretText::Joined(parts)));
    }
    let mut text = String::new();
    for value in values.iter() {
        write_text(value, &mut text, limits::TEMPLATE_OUTPUT_BYTES)?;
    }
    string(text)
}

fn fold(values: &[Value], operation: fn(&Value, &Value) -> Result<Value, Error>) -> Result<Value, Error> {
    let Some((first, rest)) = values.split_first() else { return Ok(Value::UNDEFINED) };
    rest.iter().try_fold(first.clone(), |sum, value| operation(&sum, value))
}

/// `a + b`.
fn add(a: &Value, b: &Value) -> Result<Value, Error> {
    for side in [a, b] {
        if side.is_undefined() {
            return Err(undefined(side));
        }
        if Opaque::is(side) {
            return Err(secret_misused("added; join texts with `~`,"));
        }
    }
    if let Some(sum) = arithmetic(a, b, i128::checked_add, |a, b| a + b) {
        return sum;
    }
    tick()?;
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        if a.len() + b.len() > limits::TEMPLATE_OUTPUT_BYTES {
            return Err(over(format!("a text of more than {} bytes is too long", limits::TEMPLATE_OUTPUT_BYTES)));
        }
        return string([a, b].concat());
    }
    if is_list(a) && is_list(b) {
        let mut items = Vec::new();
        extend(&mut items, a)?;
        extend(&mut items, b)?;
        return Ok(Value::from(items));
    }
    let hint = if a.as_str().is_some() || b.as_str().is_some() { "; `~` joins values as text" } else { "" };
    Err(wrong_type(format!("cannot add {} and {}{hint}", a.kind(), b.kind())))
}

/// `a * b`, where one side may be a text or a list and the other how often it is repeated.
fn mul(a: &Value, b: &Value) -> Result<Value, Error> {
    for side in [a, b] {
        if side.is_undefined() {
            return Err(undefined(side));
        }
        if Opaque::is(side) {
            return Err(secret_misused("multiplied"));
        }
    }
    if let Some(product) = arithmetic(a, b, i128::checked_mul, |a, b| a * b) {
        return product;
    }
    tick()?;
    let (repeated, times) = if b.is_number() { (a, b) } else { (b, a) };
    if let Some(times) = times.as_usize() {
        if let Some(text) = repeated.as_str() {
            if text.len().saturating_mul(times) > limits::TEMPLATE_OUTPUT_BYTES {
                return Err(over(format!("a text of more than {} bytes is too long", limits::TEMPLATE_OUTPUT_BYTES)));
            }
            return string(text.repeat(times));
        }
        if is_list(repeated) {
            let mut once = Vec::new();
            extend(&mut once, repeated)?;
            if once.len().saturating_mul(times) > limits::TEMPLATE_ITEMS {
                return Err(over(format!("a list of more than {} items is too long", limits::TEMPLATE_ITEMS)));
            }
            charge(once.len() * times * 32)?;
            let length = once.len() * times;
            return Ok(Value::from(once.into_iter().cycle().take(length).collect::<Vec<_>>()));
        }
    }
    Err(wrong_type(format!("cannot multiply {} and {}", a.kind(), b.kind())))
}

/// The result where both sides are numbers.
fn arithmetic(
    a: &Value,
    b: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    real: fn(f64, f64) -> f64,
) -> Option<Result<Value, Error>> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64())
        && let Some(result) = whole(a.into(), b.into())
    {
        return Some(Ok(i64::try_from(result).map_or_else(|_| Value::from(result), Value::from)));
    }
    let is_number = |v: &Value| v.is_number() || v.kind() == ValueKind::Bool;
    if !is_number(a) || !is_number(b) {
        return None;
    }
    if let (Ok(a), Ok(b)) = (i128::try_from(a.clone()), i128::try_from(b.clone())) {
        let result = whole(a, b).ok_or_else(|| wrong_type("the result of a calculation is too large"));
        return Some(result.map(|r| i64::try_from(r).map_or_else(|_| Value::from(r), Value::from)));
    }
    let (a, b) = (f64::try_from(a.clone()).ok()?, f64::try_from(b.clone()).ok()?);
    Some(Ok(Value::from(real(a, b))))
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn extend(items: &mut Vec<Value>, list: &Value) -> Result<(), Error> {
    let before = items.len();
    for item in list.try_iter()? {
        if items.len() >= limits::TEMPLATE_ITEMS {
            return Err(over(format!("a list of more than {} items is too long", limits::TEMPLATE_ITEMS)));
        }
        items.push(checked(item)?);
    }
    charge((items.len() - before) * 32)
}

/// A value that minijinja has just made: charged, and no longer lazy.
fn made(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => charge(value.as_str().map_or(0, str::len)).map(|()| value),
        ValueKind::Iterable => {
            let mut items = Vec::new();
            extend(&mut items, &value)?;
            charge(items.iter().filter_map(Value::as_str).map(str::len).sum())?;
            Ok(Value::from(items))
        }
        ValueKind::Seq => {
            let mut bytes = 0;
            for item in value.try_iter()? {
                bytes += 32 + checked(item)?.as_str().map_or(0, str::len);
            }
            charge(bytes).map(|()| value)
        }
        ValueKind::Map => charge(value.len().unwrap_or(0) * 64).map(|()| value),
        _ => Ok(value),
    }
}

/// A value that is about to be sliced.
fn whole(value: &Value) -> Result<Value, Error> {
    tick()?;
    if value.is_undefined() {
        return Err(undefined(value));
    }
    if Opaque::is(value) {
        return Err(secret_misused("sliced"));
    }
    Ok(value.clone())
}

/// A value that is about to be compared, which walks all of it.
fn compared(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(undefined(value));
    }
    if Opaque::is(value) {
        return Err(secret_misused("compared"));
    }
    if value.as_object().is_some() || value.as_str().is_some_and(|s| s.len() > 1024) {
        tick()?;
        weigh(value)?;
    }
    Ok(value.clone())
}

/// A subscript, or the key of a map.
fn key(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined(value)),
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(value.clone()),
        _ if Opaque::is(value) => Err(secret_misused("a key")),
        kind => Err(wrong_type(format!("a key must be text or a number, not {kind}"))),
    }
}

fn defined(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() { Err(undefined(value)) } else { Ok(value.clone()) }
}

/// A path below a value, undefined wherever it ends early.
fn maybe(args: Rest<Value>) -> Result<Value, Error> {
    let Some((base, keys)) = args.split_first() else { return Ok(Value::UNDEFINED) };
    let mut value = base.clone();
    for key in keys {
        if value.is_undefined() {
            break;
        }
        value = checked(value.get_item(key)?)?;
    }
    Ok(value)
}

fn range(lower: i64, upper: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (from, to) = upper.map_or((0, lower), |upper| (lower, upper));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(wrong_type("the step of a range cannot be 0"));
    }
    let distance = if step > 0 { i128::from(to) - i128::from(from) } else { i128::from(from) - i128::from(to) };
    let step_size = i128::from(step).abs();
    let length = (distance.max(0) + step_size - 1) / step_size;
    if usize::try_from(length).map_or(true, |l| l > limits::TEMPLATE_ITEMS) {
        return Err(over(format!("a range of more than {} numbers is too long", limits::TEMPLATE_ITEMS)));
    }
    let length = usize::try_from(length).unwrap_or(0);
    charge(length * 32)?;
    Ok(Value::from(std::iter::successors(Some(from), |n| n.checked_add(step)).take(length).collect::<Vec<i64>>()))
}

fn dict(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    tick()?;
    let args = args.into_values();
    if args.iter().any(|a| !a.is_kwargs() && Opaque::is(a)) {
        return Err(secret_misused("made into a map"));
    }
    made(builtin::dict().call(state, &args)?)
}

fn guarded_filter(name: &str, function: &Value, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    tick()?;
    let lenient = matches!(name, "default" | "d");
    for (i, arg) in args.iter().enumerate() {
        if arg.is_undefined() && !lenient {
            return Err(undefined(arg));
        }
        if holds_secret(arg) {
            if Opaque::is(arg) && RECORDED.contains(&name) {
                return recorded(name, args);
            }
            // A secret is never undefined, so a default for it changes nothing.
            if !lenient || i > 0 {
                return Err(secret_misused(&format!("passed to the filter `{name}`")));
            }
        }
    }
    if !matches!(name, "default" | "d" | "length" | "count" | "first" | "last" | "attr") {
        for arg in args {
            if arg.as_object().is_some() {
                weigh(arg)?;
            }
        }
    }
    builtin::check(name, args)?;
    made(function.call(state, args)?)
}

/// Whether a value is a secret, or a list or map (such as named arguments) that has one in it.
fn holds_secret(value: &Value) -> bool {
    fn search(value: &Value, depth: usize, left: &mut usize) -> bool {
        if value.as_object().is_none() || depth > 8 || *left == 0 {
            return false;
        }
        *left -= 1;
        match value.kind() {
            ValueKind::Plain => Opaque::is(value),
            ValueKind::Map => value
                .as_object()
                .and_then(DynObject::try_iter_pairs)
                .is_some_and(|mut pairs| pairs.any(|(_, v)| search(&v, depth + 1, left))),
            ValueKind::Seq | ValueKind::Iterable => {
                value.try_iter().is_ok_and(|mut items| items.any(|v| search(&v, depth + 1, left)))
            }
            _ => false,
        }
    }
    // Only literals in the template can hold one, and a template is short.
    search(value, 0, &mut limits::TEMPLATE_SOURCE_BYTES.clone())
}

fn recorded(name: &str, args: &[Value]) -> Result<Value, Error> {
    let expected = if matches!(name, "basic_auth" | "hmac_sha256") { 2 } else { 1 };
    if args.len() != expected || args.iter().any(Value::is_kwargs) {
        return Err(wrong_type(format!("the filter `{name}` takes {} argument(s)", expected - 1)));
    }
    let texts = args.iter().map(secret_of).collect::<Result<Vec<_>, _>>()?;
    charge(512)?;
    Ok(Opaque::value(SecretText::Filtered(name.to_owned(), texts)))
}

fn guarded_test(name: &str, function: &Value, state: &mut State<'_, '_>, args: &[Value]) -> Result<bool, Error> {
    let about_presence = matches!(name, "defined" | "undefined");
    for arg in args {
        if !about_presence {
            if arg.is_undefined() {
                return Err(undefined(arg));
            }
            if holds_secret(arg) {
                return Err(secret_misused(&format!("tested with `is {name}`")));
            }
            if arg.as_object().is_some() && args.len() > 1 {
                weigh(arg)?;
            }
        }
    }
    tick()?;
    Ok(function.call(state, args)?.is_true())
}
