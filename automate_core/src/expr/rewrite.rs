//! From minijinja's syntax tree back to source, in which everything that makes a value larger, or
//! compares values, is a call of a guarded function (see `guards`). What templates do not have is
//! refused on the way.
//!
//! Going through source is what keeps us on minijinja's compiler and virtual machine: neither takes
//! a tree from outside.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, Call, CallArg, CompareOpKind, Expr, Filter, Stmt, UnaryOpKind};
use minijinja::value::ValueKind;

use super::error::{Fault, TEMPLATE_SECRET, TEMPLATE_SYNTAX};
use super::guards::Vocabulary;
use super::references::References;
use super::secret::check_key;

mod statements;

pub(super) struct Rewriter<'v> {
    vocabulary: &'v Vocabulary,
    /// Whether the source names secrets at all; if not, the checks for them are left out.
    secrets: bool,
    scopes: Vec<BTreeSet<String>>,
    pub(super) references: References,
    out: String,
    lines: usize,
}

type Done = Result<(), Fault>;

impl<'v> Rewriter<'v> {
    pub(super) fn new(vocabulary: &'v Vocabulary, source: &str) -> Self {
        Self {
            vocabulary,
            secrets: source.contains("secret"),
            scopes: vec![BTreeSet::new()],
            references: References::default(),
            out: String::new(),
            lines: 1,
        }
    }

    /// The guarded source of one expression.
    pub(super) fn expression(&mut self, expr: &Expr<'_>) -> Result<String, Fault> {
        self.expr(expr)?;
        Ok(std::mem::take(&mut self.out))
    }

    /// The guarded source of a whole template.
    pub(super) fn template(&mut self, children: &[Stmt<'_>]) -> Result<String, Fault> {
        self.body(children)?;
        Ok(std::mem::take(&mut self.out))
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn is_local(&self, name: &str) -> bool {
        self.scopes.iter().any(|s| s.contains(name))
    }

    /// Notes a name that is read, with the constant key that follows it.
    fn refer(&mut self, root: &str, key: Option<&str>, expr: &Expr<'_>) -> Done {
        if self.is_local(root) {
            return Ok(());
        }
        private(root, expr)?;
        if let (true, Some(Err(shown))) = (root == "secrets", key.map(check_key)) {
            let message = format!("`{shown}` is not a secret's key");
            return Err(Fault::new(TEMPLATE_SECRET, message).on_line(usize::from(expr.span().start_line)));
        }
        self.references.add(root, key);
        Ok(())
    }

    /// Notes the name at the beginning of `base.key` or `base["key"]`; says whether it did.
    fn refer_through(&mut self, base: &Expr<'_>, key: Option<&str>) -> Result<bool, Fault> {
        let Expr::Var(var) = base else { return Ok(false) };
        self.refer(var.id, key, base)?;
        self.put(var.id);
        Ok(true)
    }

    fn expr(&mut self, expr: &Expr<'_>) -> Done {
        match expr {
            Expr::Var(var) => {
                self.refer(var.id, None, expr)?;
                self.put(var.id);
            }
            Expr::Const(c) => self.constant(&c.value),
            Expr::GetAttr(get) => {
                if !self.refer_through(&get.expr, Some(get.name))? {
                    self.expr(&get.expr)?;
                }
                self.put(".");
                self.put(get.name);
            }
            Expr::GetItem(get) => {
                let key = constant_text(&get.subscript_expr);
                if !self.refer_through(&get.expr, key.as_deref())? {
                    self.expr(&get.expr)?;
                }
                self.put("[");
                self.key(&get.subscript_expr)?;
                self.put("]");
            }
            Expr::Slice(slice) => {
                self.put("__made(");
                self.call1("__whole", &slice.expr)?;
                self.put("[");
                let parts = [&slice.start, &slice.stop, &slice.step];
                for (i, part) in parts.into_iter().enumerate() {
                    if i > 0 && (i == 1 || part.is_some()) {
                        self.put(":");
                    }
                    if let Some(part) = part {
                        self.expr(part)?;
                    }
                }
                self.put("])");
            }
            Expr::UnaryOp(unary) => {
                self.put(match unary.op {
                    UnaryOpKind::Not => "(not ",
                    UnaryOpKind::Neg => "(-",
                });
                self.expr(&unary.expr)?;
                self.put(")");
            }
            Expr::BinOp(op) => self.binary(op.op, &op.left, &op.right)?,
            Expr::Compare(compare) => {
                self.put("(");
                let guard =
                    self.secrets || !is_scalar(&compare.expr) && !compare.ops.iter().all(|o| is_scalar(&o.expr));
                let first_in = compare.ops.first().is_some_and(|o| is_membership(o.op));
                self.operand(&compare.expr, guard || first_in)?;
                for op in &compare.ops {
                    self.put(compare_sign(op.op));
                    self.operand(&op.expr, guard || is_membership(op.op))?;
                }
                self.put(")");
            }
            Expr::IfExpr(choice) => {
                let Some(otherwise) = &choice.false_expr else {
                    let message = "`a if b` needs an `else`: without one the result would be undefined";
                    let line = usize::from(expr.span().start_line);
                    return Err(Fault::new(TEMPLATE_SYNTAX, message).on_line(line));
                };
                self.put("(");
                self.expr(&choice.true_expr)?;
                self.put(" if ");
                self.expr(&choice.test_expr)?;
                self.put(" else ");
                self.expr(otherwise)?;
                self.put(")");
            }
            Expr::Filter(filter) => {
                let Some(input) = &filter.expr else {
                    return Err(refuse("`filter` blocks", expr.span().start_line));
                };
                self.put("(");
                self.filter(filter, input, expr)?;
                self.put(")");
            }
            Expr::Test(test) => {
                self.vocabulary.check_test(test.name).map_err(|m| syntax(m, expr))?;
                self.put("(");
                if matches!(test.name, "defined" | "undefined") {
                    self.lenient(&test.expr)?;
                } else {
                    self.expr(&test.expr)?;
                }
                self.put(" is ");
                self.put(test.name);
                if !test.args.is_empty() {
                    self.args(&test.args)?;
                }
                self.put(")");
            }
            Expr::Call(call) => self.call(call, expr)?,
            Expr::List(list) => self.sequence("[", &list.items, "]")?,
            Expr::Tuple(tuple) => self.sequence("(", &tuple.items, ")")?,
            Expr::Map(map) => {
                self.put("{");
                for (key, value) in map.keys.iter().zip(&map.values) {
                    self.key(key)?;
                    self.put(": ");
                    self.element(value)?;
                    self.put(", ");
                }
                self.put("}");
            }
        }
        Ok(())
    }

    fn filter(&mut self, filter: &Filter<'_>, input: &Expr<'_>, expr: &Expr<'_>) -> Done {
        self.vocabulary.check_filter(filter.name).map_err(|m| syntax(m, expr))?;
        match input {
            Expr::Filter(inner) if inner.expr.is_some() => {
                if let Some(before) = &inner.expr {
                    self.filter(inner, before, input)?;
                }
            }
            _ if matches!(filter.name, "default" | "d") => self.lenient(input)?,
            _ => self.expr(input)?,
        }
        self.put("|");
        self.put(filter.name);
        self.args(&filter.args)
    }

    fn binary(&mut self, op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>) -> Done {
        let function = match op {
            BinOpKind::Add => Some("__add("),
            BinOpKind::Mul => Some("__mul("),
            BinOpKind::Concat => Some("__cat("),
            _ => None,
        };
        if let Some(function) = function {
            self.put(function);
            self.operands(op, left)?;
            self.put(", ");
            self.expr(right)?;
            self.put(")");
            return Ok(());
        }
        let (sign, compares) = match op {
            BinOpKind::Eq => (" == ", true),
            BinOpKind::Ne => (" != ", true),
            BinOpKind::Lt => (" < ", true),
            BinOpKind::Lte => (" <= ", true),
            BinOpKind::Gt => (" > ", true),
            BinOpKind::Gte => (" >= ", true),
            BinOpKind::In => (" in ", true),
            BinOpKind::ScAnd => (" and ", false),
            BinOpKind::ScOr => (" or ", false),
            BinOpKind::Sub => (" - ", false),
            BinOpKind::Div => (" / ", false),
            BinOpKind::FloorDiv => (" // ", false),
            BinOpKind::Rem => (" % ", false),
            BinOpKind::Pow => (" ** ", false),
            BinOpKind::Add | BinOpKind::Mul | BinOpKind::Concat => ("", false),
        };
        // Comparing with a number or a text costs no more than that; two values may be large.
        let guard = compares && (self.secrets || matches!(op, BinOpKind::In) || !is_scalar(left) && !is_scalar(right));
        self.put("(");
        match left {
            // Without brackets, so that long chains stay flat for the parser.
            Expr::BinOp(inner) if !compares && same(op, inner.op) && !matches!(op, BinOpKind::Pow) => {
                self.chain(op, sign, &inner.left, &inner.right)?;
            }
            _ => self.operand(left, guard)?,
        }
        self.put(sign);
        self.operand(right, guard)?;
        self.put(")");
        Ok(())
    }

    /// `a - b - c` without brackets.
    fn chain(&mut self, op: BinOpKind, sign: &str, left: &Expr<'_>, right: &Expr<'_>) -> Done {
        match left {
            Expr::BinOp(inner) if same(op, inner.op) => self.chain(op, sign, &inner.left, &inner.right)?,
            _ => self.expr(left)?,
        }
        self.put(sign);
        self.expr(right)
    }

    /// The operands of `a ~ b ~ c` as arguments of one call.
    fn operands(&mut self, op: BinOpKind, left: &Expr<'_>) -> Done {
        match left {
            Expr::BinOp(inner) if same(op, inner.op) => {
                self.operands(op, &inner.left)?;
                self.put(", ");
                self.expr(&inner.right)
            }
            _ => self.expr(left),
        }
    }

    fn operand(&mut self, expr: &Expr<'_>, guard: bool) -> Done {
        if guard && !is_scalar(expr) { self.call1("__compared", expr) } else { self.expr(expr) }
    }

    fn call1(&mut self, function: &str, expr: &Expr<'_>) -> Done {
        self.put(function);
        self.put("(");
        self.expr(expr)?;
        self.put(")");
        Ok(())
    }

    /// A subscript or a map's key, which is hashed: only small values may be.
    fn key(&mut self, expr: &Expr<'_>) -> Done {
        if is_scalar(expr) { self.expr(expr) } else { self.call1("__key", expr) }
    }

    /// An element of a list or map, where minijinja would let undefined through.
    fn element(&mut self, expr: &Expr<'_>) -> Done {
        if matches!(expr, Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_)) {
            self.call1("__defined", expr)
        } else {
            self.expr(expr)
        }
    }

    fn sequence(&mut self, open: &str, items: &[Expr<'_>], close: &str) -> Done {
        self.put(open);
        for item in items {
            self.element(item)?;
            self.put(", ");
        }
        self.put(close);
        Ok(())
    }

    /// An operand of `default` or `is defined`: a path that may end early anywhere.
    fn lenient(&mut self, expr: &Expr<'_>) -> Done {
        let mut keys = Vec::new();
        let mut base = expr;
        loop {
            match base {
                Expr::GetAttr(get) => {
                    keys.push(Ok(get.name));
                    base = &get.expr;
                }
                Expr::GetItem(get) => {
                    keys.push(Err(&get.subscript_expr));
                    base = &get.expr;
                }
                _ => break,
            }
        }
        if !matches!(base, Expr::Var(_)) || keys.len() < 2 {
            return self.expr(expr);
        }
        keys.reverse();
        let first = match keys.first() {
            Some(Ok(name)) => Some((*name).to_owned()),
            Some(Err(subscript)) => constant_text(subscript),
            None => None,
        };
        self.put("__maybe(");
        self.refer_through(base, first.as_deref())?;
        for key in keys {
            self.put(", ");
            match key {
                Ok(name) => self.constant(&Value::from(name)),
                Err(subscript) => self.key(subscript)?,
            }
        }
        self.put(")");
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>, expr: &Expr<'_>) -> Done {
        match &call.expr {
            Expr::Var(var) if !self.is_local(var.id) => {
                self.vocabulary.check_function(var.id).map_err(|m| syntax(m, expr))?;
                self.put(var.id);
            }
            Expr::GetAttr(get) => {
                let on_loop = matches!(&get.expr, Expr::Var(var) if var.id == "loop" && self.is_local("loop"));
                if !on_loop || get.name != "cycle" {
                    let message = format!(
                        "values have no methods such as `{}()`; there may be a filter for it, as in `{{{{ text | upper }}}}`",
                        get.name
                    );
                    return Err(syntax(message, expr));
                }
                self.put("loop.cycle");
            }
            _ => return Err(syntax("this cannot be called".to_owned(), expr)),
        }
        if call.args.is_empty() {
            self.put("()");
        }
        self.args(&call.args)
    }

    fn args(&mut self, args: &[CallArg<'_>]) -> Done {
        if args.is_empty() {
            return Ok(());
        }
        self.put("(");
        for arg in args {
            match arg {
                CallArg::Pos(value) => self.expr(value)?,
                CallArg::Kwarg(name, value) => {
                    self.put(name);
                    self.put("=");
                    self.expr(value)?;
                }
                CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                    return Err(refuse("`*` and `**` arguments", value.span().start_line));
                }
            }
            self.put(", ");
        }
        self.put(")");
        Ok(())
    }

    fn constant(&mut self, value: &Value) {
        match value.kind() {
            ValueKind::None => self.put("none"),
            ValueKind::Bool => self.put(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if value.is_integer() => {
                let _ = write!(self.out, "{value}");
            }
            ValueKind::Number => {
                let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
                let _ = write!(self.out, "{number:?}");
            }
            // Its escapes are the ones of JSON.
            _ => {
                let text = serde_json::Value::from(value.as_str().unwrap_or_default());
                let _ = write!(self.out, "{text}");
            }
        }
    }
}

fn syntax(message: String, expr: &Expr<'_>) -> Fault {
    Fault::new(TEMPLATE_SYNTAX, message).on_line(usize::from(expr.span().start_line))
}

fn refuse(what: &str, line: u16) -> Fault {
    Fault::new(TEMPLATE_SYNTAX, format!("templates have no {what}")).on_line(usize::from(line))
}

/// Names with two underscores are the guarded functions.
fn private(name: &str, expr: &Expr<'_>) -> Done {
    if name.starts_with("__") || matches!(name, "self" | "super" | "caller") {
        return Err(syntax(format!("templates have no `{name}`"), expr));
    }
    Ok(())
}

/// Text or numbers written in the source.
fn is_scalar(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(_) => true,
        Expr::UnaryOp(unary) => matches!(unary.expr, Expr::Const(_)),
        _ => false,
    }
}

fn constant_text(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Const(c) => c.value.as_str().map(str::to_owned),
        _ => None,
    }
}

fn same(a: BinOpKind, b: BinOpKind) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

fn is_membership(op: CompareOpKind) -> bool {
    matches!(op, CompareOpKind::In | CompareOpKind::NotIn)
}

fn compare_sign(op: CompareOpKind) -> &'static str {
    match op {
        CompareOpKind::Eq => " == ",
        CompareOpKind::Ne => " != ",
        CompareOpKind::Lt => " < ",
        CompareOpKind::Lte => " <= ",
        CompareOpKind::Gt => " > ",
        CompareOpKind::Gte => " >= ",
        CompareOpKind::In => " in ",
        CompareOpKind::NotIn => " not in ",
    }
}
