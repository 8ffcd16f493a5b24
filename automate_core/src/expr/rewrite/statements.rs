//! The statements that templates have, and the names that they set.

use std::collections::BTreeSet;

use minijinja::Value;
use minijinja::machinery::ast::{Expr, Stmt};

use super::super::source::{Piece, pieces};
use super::{Done, Rewriter, private, refuse};

impl Rewriter<'_> {
    /// Puts the beginning of a tag, with line breaks so that it stays on its line.
    fn open(&mut self, tag: &str, line: u16) {
        self.put(tag);
        while self.lines < usize::from(line) {
            self.out.push('\n');
            self.lines += 1;
        }
    }

    pub(super) fn body(&mut self, children: &[Stmt<'_>]) -> Done {
        children.iter().try_for_each(|s| self.stmt(s))
    }

    fn scoped(&mut self, names: BTreeSet<String>, body: &[Stmt<'_>]) -> Done {
        self.scopes.push(names);
        let done = self.body(body);
        self.scopes.pop();
        done
    }

    fn stmt(&mut self, stmt: &Stmt<'_>) -> Done {
        match stmt {
            Stmt::Template(t) => return self.body(&t.children),
            Stmt::EmitRaw(raw) => self.raw(raw.raw),
            Stmt::EmitExpr(emit) => {
                self.open("{{ ", emit.expr.span().start_line);
                self.expr(&emit.expr)?;
                self.put(" }}");
            }
            Stmt::ForLoop(l) => {
                let line = l.target.span().start_line;
                if l.recursive {
                    return Err(refuse("recursive loops", line));
                }
                let mut names = BTreeSet::from(["loop".to_owned()]);
                self.open("{% for ", line);
                self.target(&l.target, &mut names)?;
                self.put(" in ");
                self.expr(&l.iter)?;
                if let Some(filter) = &l.filter_expr {
                    self.put(" if ");
                    self.scopes.push(names.clone());
                    let done = self.expr(filter);
                    self.scopes.pop();
                    done?;
                }
                self.put(" %}");
                self.scoped(names, &l.body)?;
                if !l.else_body.is_empty() {
                    self.put("{% else %}");
                    self.scoped(BTreeSet::new(), &l.else_body)?;
                }
                self.put("{% endfor %}");
            }
            Stmt::IfCond(i) => {
                self.open("{% if ", i.expr.span().start_line);
                self.expr(&i.expr)?;
                self.put(" %}");
                self.body(&i.true_body)?;
                if !i.false_body.is_empty() {
                    self.put("{% else %}");
                    self.body(&i.false_body)?;
                }
                self.put("{% endif %}");
            }
            Stmt::WithBlock(w) => {
                let line = w.assignments.first().map_or(0, |(t, _)| t.span().start_line);
                let mut names = BTreeSet::new();
                self.open("{% with ", line);
                for (i, (target, value)) in w.assignments.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    self.target(target, &mut names)?;
                    self.put("=");
                    self.expr(value)?;
                }
                self.put(" %}");
                self.scoped(names, &w.body)?;
                self.put("{% endwith %}");
            }
            Stmt::Set(s) => {
                let mut names = BTreeSet::new();
                self.open("{% set ", s.target.span().start_line);
                self.target(&s.target, &mut names)?;
                self.put(" = ");
                self.expr(&s.expr)?;
                self.put(" %}");
                if let Some(scope) = self.scopes.last_mut() {
                    scope.append(&mut names);
                }
            }
            Stmt::Continue(_) => self.put("{% continue %}"),
            Stmt::Break(_) => self.put("{% break %}"),
            Stmt::SetBlock(s) => return Err(refuse("`set` blocks", s.target.span().start_line)),
            Stmt::AutoEscape(s) => return Err(refuse("`autoescape`", s.enabled.span().start_line)),
            Stmt::FilterBlock(s) => return Err(refuse("`filter` blocks", s.filter.span().start_line)),
            Stmt::Block(s) => return Err(refuse("`block`", s.span().start_line)),
            Stmt::Import(s) => return Err(refuse("`import`", s.span().start_line)),
            Stmt::FromImport(s) => return Err(refuse("`from … import`", s.span().start_line)),
            Stmt::Extends(s) => return Err(refuse("`extends`", s.span().start_line)),
            Stmt::Include(s) => return Err(refuse("`include`", s.span().start_line)),
            Stmt::Macro(s) => return Err(refuse("`macro`", s.span().start_line)),
            Stmt::CallBlock(s) => return Err(refuse("`call`", s.span().start_line)),
            Stmt::Do(s) => return Err(refuse("`do`", s.span().start_line)),
        }
        Ok(())
    }

    fn raw(&mut self, raw: &str) {
        for piece in pieces(raw) {
            match piece {
                Piece::Text(text) => {
                    // Text from `raw` blocks, and a brace that the next tag would be read with.
                    if text.contains("{{") || text.contains("{%") || text.contains("{#") || text.ends_with('{') {
                        self.put("{{ ");
                        self.constant(&Value::from(text));
                        self.put(" }}");
                    } else {
                        self.put(text);
                        self.lines += text.matches('\n').count();
                    }
                }
                Piece::Secret(key) => {
                    self.references.add("secrets", Some(key));
                    self.put("{{ secrets[");
                    self.constant(&Value::from(key));
                    self.put("] }}");
                }
                Piece::Env(name) => {
                    self.references.add("env", Some(name));
                    self.put("{{ env.");
                    self.put(name);
                    self.put(" }}");
                }
            }
        }
    }

    fn target(&mut self, target: &Expr<'_>, names: &mut BTreeSet<String>) -> Done {
        match target {
            Expr::Var(var) => {
                private(var.id, target)?;
                names.insert(var.id.to_owned());
                self.put(var.id);
            }
            Expr::List(list) => self.targets(&list.items, names)?,
            Expr::Tuple(tuple) => self.targets(&tuple.items, names)?,
            _ => return Err(refuse("assignments to anything but names", target.span().start_line)),
        }
        Ok(())
    }

    fn targets(&mut self, items: &[Expr<'_>], names: &mut BTreeSet<String>) -> Done {
        self.put("(");
        for item in items {
            self.target(item, names)?;
            self.put(", ");
        }
        self.put(")");
        Ok(())
    }
}
